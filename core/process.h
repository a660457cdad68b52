/*
 * Ring-3 processes: a device model for each guest, and the service. A process has an address space, one
 * upcall page, a context that the scheduler knows, and a token: whoever holds it may have an upcall in the
 * process.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "frames.h"
#include "process_info.h"
#include "schedule.h"
#include "trap.h"
#include "upcall.h"

struct vm;
struct vcpu;

/* A copy-on-write module: a private frame replaces a shared page before the first write (docs/design.md,
 * section 5). */
enum { OVERLAY_BLOCKS_MAX = 1024, OVERLAYS_MAX = GUEST_FILES_MAX };

struct overlay {
    uint64_t address, size; /* of the module in the process */
    uint32_t pages;         /* reserve, paid at creation */
    uint32_t used;
    uint32_t block_count;
    uint32_t *block; /* frame numbers of the 2 MiB blocks of the reserve */
};

struct process {
    /* Pages that ring 3 sees: the first two cannot be written there. */
    union {
        struct process_info info;
        uint8_t info_pages[2 * PAGE_SIZE];
    };
    union {
        struct upcall upcall;
        uint8_t upcall_page[PAGE_SIZE];
    };

    struct entity context; /* asynchronous upcalls */
    struct vm *vm;         /* NULL for the service */
    uint64_t *root;
    uint64_t cr3;
    uint64_t entry; /* of the program */

    _Atomic uint64_t token; /* token_number of its holder and of those who wait, first come lowest; 0: free */
    struct trap_frame frame;
    bool preempted;
    uint64_t tick_due;  /* host TSC before which an interrupt is no new tick */
    bool needs_restart; /* a fault ended the last upcall: RESTART comes before any other */
    bool notifies;      /* SYS_NOTIFY was called */
    uint32_t prints;    /* SYS_PRINT of a device model: a line may take 44 ms, so there is an end to them */
    uint32_t ticks;     /* host ticks seen in ring 3 in this upcall */
    const char *fault;  /* what ended the upcall */
    uint32_t start;     /* UPCALL_START or UPCALL_RESET to be done; 0 */

    _Atomic uint32_t events; /* enum upcall_event, not yet told */
    _Atomic uint64_t timer;  /* host TSC of sys_timer_set; 0: off */
    uint32_t overlay_count;
    struct overlay overlay[OVERLAYS_MAX];
};

static inline struct process *process_of(struct entity *context)
{
    return (struct process *)((char *)context - offsetof(struct process, context));
}

extern struct process *service; /* the host's one */

/* Builds a process from the embedded program; vm is NULL for the service. NULL when no memory is left. */
struct process *process_create(struct vm *vm);
void process_destroy(struct process *process);
/* Makes the address space and the I/O ports of the process the current ones on this processor. */
void process_load(struct process *process);
/* A mapping of the process, which is the current one, was taken back: no processor remembers it in ring 3. */
void process_forget(const struct process *process);
/* Fresh data and bss from the program's image; the state blocks stay. */
void process_reload(struct process *process);
/* Maps boot module `index` read-only at the next place of USER_MODULES; with overlay_mib, copy-on-write. */
int process_map_module(struct process *process, uint32_t index, uint32_t overlay_mib);
/* Maps the machine's display at USER_DISPLAY, unless the boot loader told of none, or of one among RAM. */
void process_map_display(struct process *process);
/* SYS_DISK_PREPARE. */
int64_t process_disk_prepare(struct process *process, uint64_t address, uint64_t pages);
/* Pages of its own at a user address, zeroed. False: none is left. */
bool process_own_pages(struct process *process, uint64_t address, uint64_t size);
/* Lets pages of the monitor appear in a process; rights: PTE_WRITE, PTE_OWNED, or 0. False: no page is left.
 */
bool process_show_pages(struct process *process, uint64_t address, const void *pages, uint64_t size,
                        uint64_t rights);

/* Sets events and wakes the context. From any processor. */
void process_notify(struct process *process, uint32_t events);

/* From trap.c: ring 3 was interrupted, or has faulted. */
_Noreturn void process_interrupted(struct trap_frame *frame);
_Noreturn void process_fault(struct trap_frame *frame);
