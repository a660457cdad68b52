/* Code page 437, which a PC's text screen shows, as UTF-8. */
#pragma once

#include <stdint.h>

enum { CP437_UTF8_MAX = 3 };

/* The picture of a character as UTF-8 (0x00 and 0xff are blanks); returns its length, up to CP437_UTF8_MAX.
 */
unsigned cp437_to_utf8(uint8_t character, char *utf8);
