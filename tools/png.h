/* Pictures as PNG files (ISO/IEC 15948). */
#pragma once

#include <stdint.h>

/* Writes width times height pixels of red, green, blue. Returns an nr_status, having said what is wrong. */
int png_write(const char *path, const uint8_t *rgb, uint32_t width, uint32_t height);
