/*
 * The device model: one upcall in, one answer out (docs/design.md, section 6). Everything that it remembers
 * lies in struct pc, so that a new process can go on where this one ended.
 */
#include "ahead.h"
#include "effects.h"
#include "cpuid.h"
#include "cpuid_leaves.h"
#include "debugger_internal.h"
#include "emulate.h"
#include "emulate_unfit.h"
#include "firmware.h"
#include "format.h"
#include "guest_machine.h"
#include "ring3.h"
#include "screen_answer.h"
#include "string.h"
#include "syscall.h"

/* From lib/user_start.asm. */
void upcall_handle(struct upcall *upcall);

enum { CPUID_VENDOR = 0, CPUID_IDENTITY = 1, SIGNATURE_TCG = 0x54474354, REFUSED_LOGGED = 8 };

static void upcall_kill(struct upcall *upcall, const char *device, const char *sentence)
{
    upcall->status = UPCALL_KILL;
    format_text(upcall->text, sizeof upcall->text, "%s%s%s", device, *device ? ": " : "", sentence);
}

/* What devices had shown the guest of its spare memory is gone, before they show it anew. */
static void memory_reset(struct pc *pc)
{
    for (unsigned i = 0; i < MEMORY_WINDOWS; i++)
        if (pc->memory.window[i].length)
            effect_map(pc->memory.window[i].base, NULL, pc->memory.window[i].length, MEMORY_NONE);
    memory_map_reset(&pc->memory, effect_spare(0) != NULL);
    if (!effect_spare(0))
        return;
    effect_map(GUEST_VGA_HOLE, NULL, GUEST_HMA_END - GUEST_VGA_HOLE, MEMORY_NONE);
    pc->board.a20_masked = true;
    effect_a20(true);
}

/* Power-on or reset: every device to its reset state, but for what has a battery; then what a firmware does.
 * False: no room for its tables. */
static bool machine_reset(struct pc *pc, bool power_on)
{
    struct cpuid_entry identity;
    struct rtc battery = pc->rtc;
    debugger_reset(&pc->debugger); /* as long as its breakpoints are where they were */
    memset(&pc->board, 0, sizeof pc->board);
    memory_reset(pc);
    bus_reset(&pc->bus);
    if (!power_on)
        rtc_keep_battery(&pc->rtc, &battery);
    pc->rtc.cmos[CMOS_DISK_TRANSLATION] = ide_bios_translation(&pc->ide);
    cpuid_host(CPUID_VENDOR, 0, &identity);
    msr_reset(&pc->msrs, msr_vendor(identity.ebx), ring3_info()->tsc_khz);
    cpuid_host(LEAF_HYPERVISOR, 0, &identity);
    pc->debugger.no_watches = identity.ebx == SIGNATURE_TCG; /* docs/emulators.md */
    loader_start(&pc->loader);
    cpuid_host(CPUID_IDENTITY, 0, &identity);
    const struct table_machine machine = {.cpu_count = ring3_config()->cpu_count,
                                          .cpu_signature = identity.eax,
                                          .cpu_features = identity.edx,
                                          .ioapic_id = TABLE_IOAPIC_ID,
                                          .screen = effect_spare(0) != NULL,
                                          .hpet = ring3_config()->hpet};
    return ring3_config()->loader == LOADER_BIOS || firmware_prepare(&pc->bus, &machine);
}

static void handle_load(struct upcall *upcall, struct pc *pc)
{
    const struct process_info *info = ring3_info();
    struct loader_input input = {
        .config = ring3_config(),
        .module = info->module,
        .module_count = info->module_count < PROCESS_MODULES_MAX ? info->module_count : PROCESS_MODULES_MAX,
        .ram = (uint8_t *)USER_GUEST_RAM,
        .low_size = ring3_low_size(),
        .high_size = ring3_high_size(),
        .rsdp = firmware_acpi_root(),
        .rom = effect_spare(SPARE_ROM),
    };
    uint32_t groups = 0;
    int error = loader_run(&pc->loader, &input, &upcall->state, &groups);
    if (error == NR_EAGAIN) {
        upcall->status = UPCALL_AGAIN;
    } else if (error) {
        upcall_kill(upcall, "", pc->loader.sentence);
    } else {
        upcall->modified = groups;
        pc->stage = PC_STAGE_RUNNING;
        if (upcall->kind == UPCALL_RESET)
            return;
        if (ring3_config()->paused)
            debugger_hold(&pc->debugger);
        effect_log(ring3_config()->paused ? "starts, held before its first instruction" : "starts");
    }
}

static void handle_start(struct upcall *upcall, struct pc *pc)
{
    if (pc->stage != PC_STAGE_LOADING) {
        if (upcall->kind == UPCALL_START) {
            struct cpuid_entry table[CPUID_ENTRIES_MAX], slots[CPUID_SLOTS];
            uint32_t count = cpuid_build(table, ring3_config(), cpuid_host);
            cpuid_place(slots, table, count);
            sys_cpuid_table(slots);
            processor_limits(&pc->limits, table, count);
        }
        if (!machine_reset(pc, upcall->kind == UPCALL_START)) {
            upcall_kill(upcall, "firmware", "its tables do not fit");
            return;
        }
        pc->stage = PC_STAGE_LOADING;
    }
    handle_load(upcall, pc);
}

/* A new process on the blocks that an old one has left. */
static void handle_restart(struct upcall *upcall, struct pc *pc)
{
    const char *device;
    const char *broken = bus_check(&pc->bus, &device);
    if (!broken) {
        device = "MSRs";
        broken = msr_check(&pc->msrs);
    }
    if (!broken) {
        device = "memory";
        broken = memory_map_check(&pc->memory);
    }
    if (!broken) {
        device = "drives";
        broken = media_check(&pc->media);
    }
    if (!broken) {
        device = "debugger";
        broken = debugger_check(&pc->debugger);
    }
    if (broken) {
        upcall_kill(upcall, device, broken);
        return;
    }
    sys_intr_level(pc->pic.intr);
    pc->timer_deadline = 0; /* set it again: whether the old process had come to that is not known */
}

static void handle_events(const struct upcall *upcall, struct pc *pc)
{
    if (upcall->events & EVENT_TIMER)
        pc->timer_deadline = 0; /* it has fired: the same deadline would have to be set again */
    bus_tick(&pc->bus, effect_now());
    if (upcall->events & EVENT_CHANNEL) {
        uart_receive(&pc->uart);
        i8042_receive(&pc->i8042);
        piix4_pm_look(&pc->piix4_pm);
        if (debugger_answer(pc, &ring3_channel()->debug))
            sys_notify(ring3_info()->guest_index);
        if (media_answer(&pc->media, &pc->ide, &pc->fdc, &ring3_channel()->media))
            sys_notify(ring3_info()->guest_index);
        if (screen_answer(&pc->vga, effect_spare(SPARE_VIDEO), &ring3_channel()->screen))
            sys_notify(ring3_info()->guest_index);
    }
    if (upcall->events & EVENT_EOI)
        ioapic_end_of_interrupt(&pc->ioapic, upcall->eoi);
}

static void handle_pio(struct upcall *upcall, struct pc *pc)
{
    struct vcpu_exit_pio *pio = &upcall->exit.pio;
    if (pio->in)
        pio->value = (uint32_t)bus_read(&pc->bus, IO_PORT, pio->port, pio->size);
    else
        bus_write(&pc->bus, IO_PORT, pio->port, pio->size, pio->value);
    if (ahead_expects(&pc->history, upcall->exit.next_rip))
        ahead_of_pio(upcall, pc);
}

/* Behind each instruction of a batch, which may be many accesses long: each has its own time. What a device
 * has to tell the processor is told before the guest goes on. */
static bool may_go_on(void *context)
{
    const struct debugger *debugger = &((const struct pc *)context)->debugger;
    effects_renew();
    return !effects_seen() && !debugger_at_breakpoint(debugger, &((const struct upcall *)USER_UPCALL)->state);
}

static void log_state(const struct vcpu_state *state)
{
    static const char names[GPR_COUNT][4] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                             "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    static const char segments[][3] = {"es", "cs", "ss", "ds", "fs", "gs"};
    const struct vcpu_control *control = &state->control;
    char line[128];
    for (unsigned i = 0; i < GPR_COUNT; i += 4) {
        const uint64_t *reg = &state->gpr.reg[i];
        format_text(line, sizeof line, "%s %lx, %s %lx, %s %lx, %s %lx", names[i], reg[0], names[i + 1],
                    reg[1], names[i + 2], reg[2], names[i + 3], reg[3]);
        effect_log(line);
    }
    format_text(line, sizeof line, "rip %lx, rflags %lx, cr0 %lx, cr2 %lx, cr3 %lx, cr4 %lx, efer %lx",
                state->gpr.rip, state->gpr.rflags, control->cr0, control->cr2, control->cr3, control->cr4,
                state->msrs.efer);
    effect_log(line);
    for (unsigned i = SEG_ES; i <= SEG_GS; i += 3) {
        const struct segment *s = &state->segment[i];
        format_text(line, sizeof line, "%s %04x base %lx, %s %04x base %lx, %s %04x base %lx", segments[i],
                    s[0].selector, s[0].base, segments[i + 1], s[1].selector, s[1].base, segments[i + 2],
                    s[2].selector, s[2].base);
        effect_log(line);
    }
}

/* An instruction that cannot be emulated is #UD, and a line in the log. One of the guest's system on device
 * memory ends it instead, with all that is needed to find out what is missing here; a program must not. */
static void handle_refused(struct upcall *upcall, struct pc *pc)
{
    uint64_t gpa = emulate_operand_gpa(&upcall->exit);
    bool ends = gpa != EMULATE_UNKNOWN && emulate_cpl(&upcall->state) < 3 && !ring3_config()->unknown_faults;
    if (ends) {
        size_t length = strnlen(upcall->text, sizeof upcall->text);
        format_text(upcall->text + length, sizeof upcall->text - length, ", and its operand at %lx is no RAM",
                    gpa);
        upcall->status = UPCALL_KILL;
        log_state(&upcall->state);
    } else if (pc->refused++ < REFUSED_LOGGED) {
        effect_log(upcall->text);
    }
}

static void handle_emulate(struct upcall *upcall, struct pc *pc)
{
    uint32_t reason = upcall->exit.reason;
    if (debugger_takes(upcall, pc)) /* also what is left of a debugger that has gone */
        return;
    bool refused = reason == VCPU_EXIT_UNFIT || reason == VCPU_EXIT_TASK_SWITCH
                       ? emulate_unfit(upcall, &guest_machine, pc, &pc->limits, may_go_on)
                       : emulate_upcall(upcall, &guest_machine, pc, &pc->limits);
    if (refused)
        handle_refused(upcall, pc);
    ahead_of_emulation(upcall, pc);
}

/* Every other kind than the frequent one, out of whose way it is kept. */
static __attribute__((noinline)) void handle_rare(struct upcall *upcall, struct pc *pc)
{
    switch (upcall->kind) {
    case UPCALL_START:
    case UPCALL_RESET:
        handle_start(upcall, pc);
        break;
    case UPCALL_RESTART:
        handle_restart(upcall, pc);
        break;
    case UPCALL_EMULATE:
        handle_emulate(upcall, pc);
        break;
    case UPCALL_DEBUG:
        debugger_upcall(upcall, pc);
        if (debugger_answer(pc, &ring3_channel()->debug))
            sys_notify(ring3_info()->guest_index);
        break;
    case UPCALL_LOCATE:
        emulate_locate(upcall, &guest_machine, pc);
        break;
    case UPCALL_INTA:
        upcall->value = pic_acknowledge(&pc->pic);
        break;
    case UPCALL_EVENTS:
        handle_events(upcall, pc);
        break;
    default:
        upcall_kill(upcall, "device model", "an upcall of a kind that it does not know");
    }
}

void upcall_handle(struct upcall *upcall)
{
    struct pc *pc = ring3_pc();
    effects_begin();
    upcall->status = UPCALL_OK;
    upcall->modified = 0;
    upcall->rest_until = 0;
    /* What was due before now has happened, whatever the order of events: no register shows a time at which
     * an interrupt is missing. A restarted model looks at its state first. */
    if (pc->timer && effect_now_ticks() >= pc->timer && upcall->kind != UPCALL_RESTART)
        bus_tick(&pc->bus, effect_now());
    if (upcall->kind == UPCALL_PIO)
        handle_pio(upcall, pc);
    else
        handle_rare(upcall, pc);
    if (pc->debugger.attached)
        debugger_rearm(&pc->debugger, upcall->groups & VCPU_CONTROL ? &upcall->state : NULL);
    effects_end();
}
