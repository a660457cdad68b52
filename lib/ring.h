/*
 * A byte ring in memory shared by one producer and one consumer that do not trust each other (channel.h).
 * Indices run freely and are reduced modulo the size at each use; a wrong index from the other side garbles
 * the text, by at most a ring's worth of bytes, and does nothing else. Sizes are powers of two.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Bytes that wait in the ring; never more than its size. */
static inline uint32_t ring_used(uint32_t size, const uint32_t *head, const uint32_t *tail)
{
    uint32_t used = __atomic_load_n(head, __ATOMIC_ACQUIRE) - __atomic_load_n(tail, __ATOMIC_ACQUIRE);
    return used < size ? used : size;
}

/* The producer's side, which alone moves head. false: the ring is full. */
static inline bool ring_put(uint8_t *ring, uint32_t size, uint32_t *head, const uint32_t *tail, uint8_t byte)
{
    if (ring_used(size, head, tail) == size)
        return false;
    ring[*head % size] = byte;
    __atomic_store_n(head, *head + 1, __ATOMIC_SEQ_CST); /* before the producer looks whether to wake */
    return true;
}

/* The consumer's side, which alone moves tail. -1: the ring is empty. */
static inline int ring_get(const uint8_t *ring, uint32_t size, const uint32_t *head, uint32_t *tail)
{
    uint32_t end = __atomic_load_n(head, __ATOMIC_ACQUIRE), at = *tail;
    if (end == at)
        return -1;
    if (end - at > size)
        at = end - size; /* a wrong head: what lies in the ring is all there can be */
    uint8_t byte = ring[at % size];
    __atomic_store_n(tail, at + 1, __ATOMIC_SEQ_CST); /* before the consumer looks for more, or sleeps */
    return byte;
}

/* Indices of a ring of other things than bytes: where the producer may put one, where the consumer finds one;
 * -1: full, or empty. The other side sees the index moved by ring_moved(). */
static inline int ring_free(uint32_t size, const uint32_t *head, const uint32_t *tail)
{
    return ring_used(size, head, tail) == size ? -1 : (int)(*head % size);
}

static inline int ring_waiting(uint32_t size, const uint32_t *head, const uint32_t *tail)
{
    return ring_used(size, head, tail) == 0 ? -1 : (int)(*tail % size);
}

static inline void ring_moved(uint32_t *index)
{
    __atomic_store_n(index, *index + 1, __ATOMIC_SEQ_CST);
}
