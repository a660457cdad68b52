/* What readers of kernel images share: the file as far as it is there, and the sentence that refuses it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image_reader {
    const char *file; /* its name, for the sentence */
    const uint8_t *head;
    uint64_t head_size, file_size;
    char *sentence;
    size_t sentence_size;
};

/* Writes the sentence, the file's name in front. Returns false, to be returned at once. */
bool image_refuse(struct image_reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));
