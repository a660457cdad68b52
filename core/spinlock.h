/* A lock for the few places where two processors meet; held for a bounded number of instructions, interrupts
 * off. */
#pragma once

#include <stdatomic.h>

struct spinlock {
    _Atomic unsigned next, owner; /* ticket lock: first come, first served */
};

static inline void spin_lock(struct spinlock *lock)
{
    unsigned ticket = atomic_fetch_add_explicit(&lock->next, 1, memory_order_relaxed);
    while (atomic_load_explicit(&lock->owner, memory_order_acquire) != ticket)
        __builtin_ia32_pause();
}

static inline void spin_unlock(struct spinlock *lock)
{
    atomic_fetch_add_explicit(&lock->owner, 1, memory_order_release);
}
