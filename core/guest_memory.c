/*
 * Typed access to the RAM of the current guest (docs/design.md, section 5). Current is the guest whose device
 * model's address space is loaded: its RAM lies at USER_GUEST_RAM there, and no other guest's is mapped
 * anywhere. What is not RAM is not mapped: an access to it is a fault with a fix-up.
 */
#include "guest_memory.h"
#include "fixup.h"
#include "layout.h"
#include "string.h"

/* Beyond the guest's part it is an address that nothing reaches. */
static uint64_t user_address(uint64_t gpa)
{
    return gpa < USER_END - USER_GUEST_RAM ? USER_GUEST_RAM + gpa : USER_END;
}

int guest_read(void *to, uint64_t gpa, size_t length)
{
    int error = user_copy_in(to, user_address(gpa), length);
    if (error)
        memset(to, 0, length); /* the caller may go on with it: nothing of ours leaks */
    return error;
}

int guest_write(uint64_t gpa, const void *from, size_t length)
{
    return user_copy_out(user_address(gpa), from, length);
}

int guest_exchange(uint64_t gpa, size_t size, uint64_t old, uint64_t new)
{
    return user_exchange(user_address(gpa), size, old, new);
}
