/* The four functions that GCC calls on its own. By dwords as far as that goes: emulators do strings element
 * by element.
 */
#include "memory.h"

void *memcpy(void *to, const void *from, size_t n)
{
    void *result = to;
    size_t dwords = n / 4, rest = n % 4;
    __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(dwords) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
    return result;
}
void *memmove(void *to, const void *from, size_t n)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    if (t <= f || t >= f + n)
        return memcpy(to, from, n);
    while (n--)
        t[n] = f[n];
    return to;
}
void *memset(void *to, int value, size_t n)
{
    void *result = to;
    size_t dwords = n / 4, rest = n % 4;
    __asm__ volatile("rep stosl" : "+D"(to), "+c"(dwords) : "a"((value & 0xff) * 0x01010101u) : "memory");
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(value) : "memory");
    return result;
}
int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;

    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x < *y ? -1 : 1;
    return 0;
}
