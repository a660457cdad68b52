/* See png.h. One compressed stream of unfiltered lines, which suits what screens show. */
#include "png.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "nr.h"

enum { PIXEL = 3, HEADER_SIZE = 13, BITS = 8, TYPE_RGB = 2 };

static void put_32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* Length, type, data, and the CRC of the last two (5.3). */
static bool write_chunk(FILE *file, const char *type, const uint8_t *data, uint32_t size)
{
    uint8_t number[4];
    uLong crc = crc32(crc32(0, NULL, 0), (const Bytef *)type, 4);

    put_32(number, size);
    fwrite(number, 1, 4, file);
    fwrite(type, 1, 4, file);
    if (size > 0) {
        fwrite(data, 1, size, file);
        crc = crc32(crc, data, size);
    }
    put_32(number, (uint32_t)crc);
    fwrite(number, 1, 4, file);
    return !ferror(file);
}

/* The lines, each with the number of its filter (0: none) before it, compressed. NULL: out of memory. */
static uint8_t *compress_lines(const uint8_t *rgb, uint32_t width, uint32_t height, uLongf *size)
{
    size_t line = (size_t)width * PIXEL;
    uint8_t *lines = malloc((line + 1) * height), *data = NULL;

    *size = compressBound((line + 1) * height);
    for (uint32_t y = 0; lines != NULL && y < height; y++) {
        lines[y * (line + 1)] = 0;
        memcpy(lines + y * (line + 1) + 1, rgb + y * line, line);
    }
    if (lines != NULL && (data = malloc(*size)) != NULL &&
        compress(data, size, lines, (line + 1) * height) != Z_OK) {
        free(data);
        data = NULL;
    }
    free(lines);
    return data;
}

int png_write(const char *path, const uint8_t *rgb, uint32_t width, uint32_t height)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    uint8_t header[HEADER_SIZE] = {[8] = BITS, [9] = TYPE_RGB};
    uLongf size;
    uint8_t *data = compress_lines(rgb, width, height, &size);

    if (data == NULL)
        return nr_fail(NR_UNEXPECTED, "out of memory for a picture of %u by %u", width, height);
    put_32(header, width);
    put_32(header + 4, height);
    FILE *file = fopen(path, "wb");
    bool good = file != NULL && fwrite(signature, 1, sizeof(signature), file) == sizeof(signature) &&
                write_chunk(file, "IHDR", header, HEADER_SIZE) &&
                write_chunk(file, "IDAT", data, (uint32_t)size) && write_chunk(file, "IEND", NULL, 0);
    if (file != NULL && fclose(file) != 0)
        good = false;
    free(data);
    return good ? NR_DONE : nr_fail(NR_UNEXPECTED, "%s: cannot be written: %s", path, strerror(errno));
}
