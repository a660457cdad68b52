/*
 * Single steps that the emulator does in the processor's place: of an instruction that would show RFLAGS.TF
 * to the guest or lose it, and of a guest whose state the processor does not run (emulate_unfit.h), where
 * nobody else would raise the trap.
 *
 * Missing: SYSCALL, which keeps RFLAGS with TF in R11; MOV SS and POP SS hold the trap off for one
 * instruction more, as on a processor, and a PUSHF that follows shows TF.
 */
#include "debugger_internal.h"
#include "emulate_unfit.h"
#include "guest_machine.h"
#include "pc.h"
#include "x86.h"

enum { INSTRUCTION_MAX = 15 };

static bool is_prefix(uint8_t byte, bool wide)
{
    switch (byte) {
    case 0x26: /* segments */
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
    case 0x66: /* sizes */
    case 0x67:
    case 0xf0: /* LOCK, REP */
    case 0xf2:
    case 0xf3:
        return true;
    default:
        return wide && byte >= 0x40 && byte <= 0x4f; /* REX */
    }
}

static uint8_t opcode_of(const uint8_t *code, uint32_t count, bool wide)
{
    uint32_t at = 0;

    while (at < count && is_prefix(code[at], wide))
        at++;
    return at < count ? code[at] : 0;
}

bool debugger_shows_tf(const uint8_t *code, uint32_t count, bool wide)
{
    switch (opcode_of(code, count, wide)) {
    case 0x9c: /* PUSHF */
    case 0x9d: /* POPF */
    case 0xcc: /* INT3 */
    case 0xcd: /* INT n */
    case 0xcf: /* IRET */
    case 0xf1: /* INT1: a #DB of its own */
        return true;
    case 0xce: /* INTO */
        return !wide;
    default:
        return false;
    }
}

bool debugger_is_delicate(struct debugger *debugger, const struct vcpu_state *state)
{
    uint8_t code[INSTRUCTION_MAX];
    bool lma = state->msrs.efer & EFER_LMA, wide = lma && (state->segment[SEG_CS].attributes & SEG_L);

    if (debugger_at_breakpoint(debugger, state)) /* the emulator would find INT3 */
        return false;
    uint32_t count = debugger_move(debugger, state, debugger_linear_rip(state), code, sizeof code, false);
    uint8_t opcode = opcode_of(code, count, wide);
    /* In long mode only the processor delivers interrupts. */
    if (lma && opcode != 0x9c && opcode != 0x9d && opcode != 0xcf)
        return false;
    return debugger_shows_tf(code, count, wide);
}

void debugger_step(struct upcall *upcall, struct pc *pc, uint32_t reason, uint32_t detail)
{
    struct debugger_vcpu *vcpu = &pc->debugger.vcpu[upcall->vcpu];
    struct vcpu_exit exit = upcall->exit;
    uint32_t modified = upcall->modified;

    upcall->exit.reason = reason;
    upcall->exit.detail = detail;
    emulate_unfit(upcall, &guest_machine, pc, &pc->limits, NULL);
    upcall->exit = exit;
    upcall->modified |= modified;
    if (upcall->status != UPCALL_OK && upcall->status != UPCALL_HALTED)
        return;
    if (vcpu->counts) {
        debugger_stop(&pc->debugger, upcall, DEBUG_STEPPED, 0, 0);
    } else {
        vcpu->stepping = 0;
        pc->debugger.passing &= ~(1u << upcall->vcpu);
    }
}
