/*
 * Pixels of a picture in few bytes, on their way from a guest's screen to nr: runs of one colour, and pixels
 * as they are. A token is a byte n and colours of three bytes (red, green, blue): n below 128, n + 1 colours,
 * one pixel each; from 128 on, one colour for n - 126 pixels.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { PICTURE_PIXEL = 3, PICTURE_LITERALS_MAX = 128, PICTURE_RUN_MIN = 2, PICTURE_RUN_MAX = 129 };
enum { PICTURE_TOKEN_MAX = 1 + PICTURE_LITERALS_MAX * PICTURE_PIXEL };

/* Encodes pixels as long as they fit into room, and returns how many; *size is what they took. At least one
 * fits into 4 bytes. */
size_t picture_encode(const uint8_t *rgb, size_t pixels, uint8_t *to, size_t room, size_t *size);
/* Decodes all tokens into at most room pixels; returns their number, or SIZE_MAX: too many, or a token cut.
 */
size_t picture_decode(const uint8_t *from, size_t size, uint8_t *rgb, size_t room);
/* Bytes of the token that begins with this one. */
static inline size_t picture_token_size(uint8_t first)
{
    return 1 + (first < PICTURE_LITERALS_MAX ? first + (size_t)1 : 1) * PICTURE_PIXEL;
}
