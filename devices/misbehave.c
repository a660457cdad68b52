/*
 * The test build of the device model: a write to port 0xf5 makes it fail in one of the ways in which a device
 * with a bug, or one taken over by its guest, could. The monitor and other guests must not notice.
 *
 * State: how often it has misbehaved. It outlives the process, so that "once" can be told from "always".
 */
#include "misbehave.h"
#include "layout.h"
#include "ring3.h"
#include "upcall.h"
#include "x86.h"

enum { STACK_STEP = 4096 };

static void touch(uint64_t address)
{
    (void)*(volatile uint8_t *)address; /* NOLINT(clang-analyzer-core.NullDereference): to fault is the aim */
}

static void poke(uint64_t address)
{
    *(volatile uint8_t *)address = 0;
}

static void answer_nonsense(void)
{
    struct upcall *upcall = (struct upcall *)USER_UPCALL;
    upcall->status = UINT32_MAX;
    upcall->modified = UINT32_MAX;
    upcall->inject.type = UINT8_MAX;
}

/* Bit 15 of CR4 is reserved. */
static void answer_state(void)
{
    struct upcall *upcall = (struct upcall *)USER_UPCALL;
    upcall->state.control = (struct vcpu_control){
        .cr0 = CR0_PE | CR0_ET, .cr4 = 1 << 15, .xcr0 = XCR0_X87, .dr6 = DR6_RESET, .dr7 = DR7_RESET};
    upcall->modified |= VCPU_CONTROL;
}

static void damage_state(void)
{
    ring3_pc()->pic.chip[0].lowest = UINT8_MAX;
    touch(0);
}

static void misbehave(enum misbehaviour how)
{
    switch (how) {
    case MISBEHAVE_CRASH:
        touch(0);
        break;
    case MISBEHAVE_SPIN:
        for (;;)
            __asm__ volatile("pause");
    case MISBEHAVE_NONSENSE:
        answer_nonsense();
        break;
    case MISBEHAVE_READ_MONITOR:
        touch(0xffffffff80000000ull);
        break;
    case MISBEHAVE_READ_FOREIGN:
        touch(USER_GUEST_RAM + ring3_low_size());
        break;
    case MISBEHAVE_WRITE_TEXT:
        poke(USER_PROGRAM_BASE);
        break;
    case MISBEHAVE_DAMAGE_STATE:
        damage_state();
        break;
    case MISBEHAVE_STACK_OVERFLOW:
        for (uint64_t at = USER_STACK_TOP - 1;; at -= STACK_STEP)
            poke(at);
    case MISBEHAVE_READ_FPU:
        __asm__ volatile("movq %%xmm0, %%rax" : : : "rax");
        break;
    case MISBEHAVE_TRAP_FLAGS:
        __asm__ volatile("pushf; orl $0x40100, (%%rsp); popf; nop" : : : "memory", "cc");
        break;
    case MISBEHAVE_STATE:
        answer_state();
        break;
    case MISBEHAVE_ALWAYS:
        break;
    }
}

static void misbehave_io(void *state, struct io *io)
{
    uint32_t *count = state;
    if (!io->write)
        io->value = *count;
    else if (io->value & MISBEHAVE_ALWAYS || (*count)++ == 0)
        misbehave(io->value & (MISBEHAVE_ALWAYS - 1));
}

static void misbehave_reset(void *state, const struct device_slot *slot)
{
    (void)state;
    (void)slot;
}

static const char *misbehave_check(const void *state)
{
    (void)state;
    return NULL;
}

static void misbehave_inspect(const void *state, struct inspector *inspector)
{
    const uint32_t *count = state;
    inspector->field(inspector, "misbehaved", *count);
}

const struct device misbehave_device = {
    .name = "misbehaviour",
    .state_size = sizeof(uint32_t),
    .region_count = 1,
    .region = {{.base = 0xf5, .length = 1, .space = IO_PORT, .widths = WIDTH_1}},
    .reset = misbehave_reset,
    .io = misbehave_io,
    .check = misbehave_check,
    .inspect = misbehave_inspect,
    .missed_ticks = TICKS_NONE,
    .deadline = device_no_deadline,
    .tick = device_no_tick,
};
