/* Why a kernel image is refused. */
#include "image_reader.h"
#include <stdarg.h>
#include "format.h"

bool image_refuse(struct image_reader *reader, const char *format, ...)
{
    va_list arguments;
    size_t length = format_text(reader->sentence, reader->sentence_size, "kernel \"%s\": ", reader->file);

    va_start(arguments, format);
    format_text_va(reader->sentence + length, reader->sentence_size - length, format, arguments);
    va_end(arguments);
    return false;
}
