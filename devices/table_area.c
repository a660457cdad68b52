/* Memory and checksums for the tables that a firmware leaves behind. See table_area.h. */
#include "table_area.h"
#include <stddef.h>
#include "string.h"

void *table_take(struct table_area *area, uint32_t size, uint32_t align)
{
    uint32_t start = (area->used + align - 1) & ~(align - 1);
    if (start > area->size || size > area->size - start)
        return NULL;
    area->used = start + size;
    return memset(area->bytes + start, 0, size);
}

uint32_t table_address(const struct table_area *area, const void *table)
{
    return (uint32_t)(area->base + (uint64_t)((const uint8_t *)table - area->bytes));
}

uint8_t table_checksum(const void *bytes, uint32_t length)
{
    const uint8_t *at = bytes;
    uint8_t sum = 0;
    for (uint32_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + at[i]);
    return (uint8_t)-sum;
}
