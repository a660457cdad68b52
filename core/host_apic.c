/*
 * The host's local APIC (SDM Vol. 3A, chapter 11), in xAPIC mode, or in x2APIC mode when firmware hands it
 * over so, and the IOAPIC for the one device interrupt that the monitor takes.
 */
#include "host_apic.h"
#include "acpi.h"
#include "cpu.h"
#include "log.h"
#include "memory.h"
#include "multiboot.h"
#include "trap.h"
#include "x86.h"

enum apic_register {
    APIC_ID = 0x20,
    APIC_TPR = 0x80,
    APIC_EOI = 0xb0,
    APIC_SVR = 0xf0,
    APIC_ICR = 0x300,
    APIC_ICR_HIGH = 0x310,
    APIC_LVT_CMCI = 0x2f0,
    APIC_LVT_TIMER = 0x320,
    APIC_LVT_THERMAL = 0x330,
    APIC_LVT_PERFORMANCE = 0x340,
    APIC_LVT_LINT0 = 0x350,
    APIC_LVT_LINT1 = 0x360,
    APIC_LVT_ERROR = 0x370,
    APIC_TIMER_INITIAL = 0x380,
    APIC_TIMER_CURRENT = 0x390,
    APIC_TIMER_DIVIDE = 0x3e0,
};

enum {
    APIC_BASE_ENABLE = 1 << 11,
    APIC_BASE_X2APIC = 1 << 10,
    MSR_X2APIC = 0x800,
    SVR_ENABLE = 0x100,
    LVT_MASKED = 0x10000,
    DIVIDE_BY_1 = 0xb,
    ICR_INIT = 0x4500, /* level assert */
    ICR_STARTUP = 0x4600,
    ICR_ALL_BUT_SELF = 0xc0000,
    ICR_BUSY = 0x1000,
    IOAPIC_VERSION = 1,
    IOAPIC_REDIRECTION = 0x10,
    IOAPIC_MASKED = 0x10000,
    SERIAL_ISA_IRQ = 4,
};

static volatile uint32_t *apic; /* NULL in x2APIC mode */
static bool x2apic;
static uint64_t timer_mult; /* timer ticks a TSC tick, 32.32 fixed point */

static uint32_t apic_read(uint32_t reg)
{
    return x2apic ? (uint32_t)rdmsr(MSR_X2APIC + reg / 16) : apic[reg / 4];
}

static void apic_write(uint32_t reg, uint32_t value)
{
    if (x2apic)
        wrmsr(MSR_X2APIC + reg / 16, value);
    else
        apic[reg / 4] = value;
}

static void icr_write(uint32_t apic_id, uint32_t command)
{
    if (x2apic) {
        wrmsr(MSR_X2APIC + APIC_ICR / 16, (uint64_t)apic_id << 32 | command);
        return;
    }
    apic[APIC_ICR_HIGH / 4] = apic_id << 24;
    apic[APIC_ICR / 4] = command;
    for (unsigned i = 0; i < 1000 && apic[APIC_ICR / 4] & ICR_BUSY; i++)
        __builtin_ia32_pause();
}

const char *host_apic_init(void)
{
    if (!(cpuid(1, 0).edx & 1u << 9)) {
        return "this processor has no local APIC, or firmware has turned it off: turn it on in the "
               "firmware's set-up";
    }
    uint64_t base = rdmsr(MSR_APIC_BASE);
    x2apic = base & APIC_BASE_X2APIC;
    if (!x2apic) {
        apic = mmio_map(base & ~0xfffull & 0xffffffffffull);
        if (!apic)
            return "no memory to map the local APIC";
    }
    return NULL;
}

void host_apic_enable(void)
{
    static const uint16_t masked[] = {APIC_LVT_TIMER, APIC_LVT_LINT0, APIC_LVT_LINT1, APIC_LVT_ERROR};
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE | (x2apic ? APIC_BASE_X2APIC : 0));
    for (unsigned i = 0; i < sizeof(masked) / sizeof(masked[0]); i++)
        apic_write(masked[i], LVT_MASKED);
    apic_write(APIC_TPR, 0);
    apic_write(APIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
    apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
}

uint32_t host_apic_id(void)
{
    return x2apic ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

void host_apic_eoi(void)
{
    apic_write(APIC_EOI, 0);
}

void host_apic_calibrate(void)
{
    uint64_t wait = tsc_khz * 5;
    apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
    apic_write(APIC_TIMER_INITIAL, 0xffffffff);
    uint64_t start = rdtsc(), now;
    do {
        now = rdtsc();
    } while (now - start < wait);
    uint64_t ticks = 0xffffffff - apic_read(APIC_TIMER_CURRENT);
    now = rdtsc();
    apic_write(APIC_TIMER_INITIAL, 0);
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
    timer_mult = (ticks << 32) / (now - start);
}

void host_apic_timer(uint64_t deadline)
{
    struct cpu *cpu = this_cpu();
    if (deadline == cpu->timer_deadline)
        return;
    cpu->timer_deadline = deadline;
    uint64_t ticks = 0;
    if (deadline) {
        uint64_t now = rdtsc();
        uint64_t wait = deadline > now ? deadline - now : 0;
        ticks = (uint64_t)((unsigned __int128)wait * timer_mult >> 32) + 1; /* never early, never zero */
        ticks = ticks > 0xffffffff ? 0xffffffff : ticks;
    }
    apic_write(APIC_TIMER_INITIAL, (uint32_t)ticks);
}

void host_apic_kick(uint32_t apic_id)
{
    icr_write(apic_id, VECTOR_KICK);
}

bool host_apic_reaches(uint32_t apic_id)
{
    return apic_id < (x2apic ? 0xffffffff : 0xff); /* the broadcast */
}

void host_apic_init_ipi(uint32_t apic_id)
{
    icr_write(apic_id, ICR_INIT);
}

void host_apic_startup_ipi(uint32_t apic_id, uint8_t page)
{
    icr_write(apic_id, ICR_STARTUP | page);
}

void host_apic_stop_others(void)
{
    if (cpu_count > 1 && (apic || x2apic))
        icr_write(0, ICR_ALL_BUT_SELF | VECTOR_PANIC);
}

void host_ioapic_init(void)
{
    for (uint32_t i = 0; i < acpi.ioapic_count; i++) {
        volatile uint32_t *ioapic = mmio_map(acpi.ioapic[i].address);
        if (!ioapic)
            return;
        ioapic[0] = IOAPIC_VERSION;
        uint32_t pins = (ioapic[4] >> 16 & 0xff) + 1;
        for (uint32_t pin = 0; pin < pins; pin++) {
            bool serial = acpi.ioapic[i].gsi_base + pin == acpi.isa_gsi[SERIAL_ISA_IRQ];
            ioapic[0] = IOAPIC_REDIRECTION + 2 * pin + 1;
            ioapic[4] = cpus[0].apic_id << 24;
            ioapic[0] = IOAPIC_REDIRECTION + 2 * pin;
            ioapic[4] = serial ? VECTOR_SERIAL : IOAPIC_MASKED;
        }
    }
}
