/*
 * The host's local APIC (SDM Vol. 3A, chapter 11), in xAPIC mode, or in x2APIC mode when firmware hands it
 * over so, and the IOAPIC for the device interrupts that the service takes.
 */
#include "host_apic.h"
#include "acpi.h"
#include "cpu.h"
#include "lapic_registers.h"
#include "memory.h"
#include "time.h"
#include "trap.h"
#include "vcpu_ops.h"
#include "x86.h"

enum {
    APIC_BASE_X2APIC = 1 << 10,
    MSR_X2APIC = 0x800,
    DIVIDE_BY_1 = 0xb,
    ICR_BUSY = 1 << 12,
    CALIBRATE_US = 5000,
    IOAPIC_VERSION = 1,
    IOAPIC_REDIRECTION = 0x10,
    IOAPIC_DATA = 0x10 / sizeof(uint32_t), /* the window, behind the index */
    DELIVER_NMI = 0x400,
    EVERYBODY = 0xff,
    KEYBOARD_GSI = 1,
    PIT_GSI = 2,
    SERIAL_2_GSI = 3, /* of the second serial port, and the fourth */
    MOUSE_GSI = 12,
    PIT_CHANNEL_0 = 0x40,
    PIT_CONTROL = 0x43,
    PIT_RATE_GENERATOR = 0x34, /* channel 0, both bytes, mode 2 */
    PIT_100_HZ = 11932,
};

static volatile uint32_t *apic; /* NULL in x2APIC mode */
static uint64_t timer_mult;     /* timer ticks a TSC tick, 32.32 fixed point */

static uint32_t apic_read(enum lapic_register at)
{
    return apic ? apic[at / sizeof(*apic)] : (uint32_t)rdmsr(MSR_X2APIC + at / LAPIC_REGISTER_SIZE);
}

static void apic_write(enum lapic_register at, uint32_t value)
{
    if (apic)
        apic[at / sizeof(*apic)] = value;
    else
        wrmsr(MSR_X2APIC + at / LAPIC_REGISTER_SIZE, value);
}

void host_apic_send(uint32_t apic_id, uint32_t command)
{
    if (!apic) {
        wrmsr(MSR_X2APIC + LAPIC_ICR_LOW / LAPIC_REGISTER_SIZE, (uint64_t)apic_id << 32 | command);
        return;
    }
    apic_write(LAPIC_ICR_HIGH, apic_id << ID_SHIFT);
    apic_write(LAPIC_ICR_LOW, command);
    for (unsigned i = 0; i < 1000 && apic_read(LAPIC_ICR_LOW) & ICR_BUSY; i++)
        __builtin_ia32_pause();
}

const char *host_apic_init(void)
{
    if (!(cpuid(LEAF_FEATURES, 0).edx & 1u << 9)) {
        return "this processor has no local APIC, or firmware has turned it off: turn it on in the "
               "firmware's set-up";
    }
    uint64_t base = rdmsr(MSR_APIC_BASE);
    if (!(base & APIC_BASE_X2APIC) && !(apic = mmio_map(base & ~0xfffull & 0xffffffffffull)))
        return "no memory to map the local APIC";
    return NULL;
}

void host_apic_enable(void)
{
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE | (apic ? 0 : APIC_BASE_X2APIC));
    apic_write(LAPIC_LVT_LINT0, LVT_MASKED);
    apic_write(LAPIC_LVT_LINT1, LVT_MASKED);
    apic_write(LAPIC_LVT_ERROR, LVT_MASKED);
    apic_write(LAPIC_TPR, 0);
    apic_write(LAPIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
    apic_write(LAPIC_DIVIDE, DIVIDE_BY_1);
    apic_write(LAPIC_LVT_TIMER, VECTOR_TIMER);
}

uint32_t host_apic_id(void)
{
    return apic_read(LAPIC_ID) >> (apic ? ID_SHIFT : 0);
}

bool host_apic_reaches(uint32_t apic_id)
{
    return apic_id < (apic ? 0xff : 0xffffffff); /* the broadcast */
}

void host_apic_eoi(void)
{
    apic_write(LAPIC_EOI, 0);
}

/* Interrupts are off, and the count does not reach 0. */
void host_apic_calibrate(void)
{
    uint64_t start = rdtsc();
    apic_write(LAPIC_INITIAL_COUNT, UINT32_MAX);
    time_wait_us(CALIBRATE_US);
    uint64_t ticks = UINT32_MAX - apic_read(LAPIC_CURRENT_COUNT);
    timer_mult = (ticks << 32) / (rdtsc() - start);
    apic_write(LAPIC_INITIAL_COUNT, 0);
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
        ticks = ticks > UINT32_MAX ? UINT32_MAX : ticks;
    }
    apic_write(LAPIC_INITIAL_COUNT, (uint32_t)ticks);
}

static void ioapic_write(volatile uint32_t *ioapic, uint32_t index, uint32_t value)
{
    ioapic[0] = index;
    ioapic[IOAPIC_DATA] = value;
}

/* A guest that masks interrupts is ended by the host's, but in Bochs (vcpu_features.nmi_bound): there the
 * 8254 sends an NMI to all processors, 100 times a second. Its own interrupt is on pin 2 of every PC's
 * IOAPIC. */
static void nmi_clock_start(void)
{
    out8(PIT_CONTROL, PIT_RATE_GENERATOR);
    out8(PIT_CHANNEL_0, PIT_100_HZ & 0xff);
    out8(PIT_CHANNEL_0, PIT_100_HZ >> 8);
}

void host_ioapic_init(void)
{
    if (vcpu_features.nmi_bound)
        nmi_clock_start();
    for (uint32_t i = 0; i < acpi.ioapic_count; i++) {
        volatile uint32_t *ioapic = mmio_map(acpi.ioapic[i].address);
        if (!ioapic)
            return;
        ioapic[0] = IOAPIC_VERSION;
        uint32_t pins = (ioapic[IOAPIC_DATA] >> 16 & 0xff) + 1;
        for (uint32_t pin = 0; pin < pins; pin++) {
            uint32_t gsi = acpi.ioapic[i].gsi_base + pin;
            bool nmi = vcpu_features.nmi_bound && gsi == PIT_GSI;
            bool input =
                gsi == acpi.serial_gsi || gsi == SERIAL_2_GSI || gsi == KEYBOARD_GSI || gsi == MOUSE_GSI;
            uint32_t entry = nmi ? DELIVER_NMI : input ? VECTOR_INPUT : LVT_MASKED;
            ioapic_write(ioapic, IOAPIC_REDIRECTION + 2 * pin + 1,
                         (nmi ? EVERYBODY : cpus[0].apic_id) << ID_SHIFT);
            ioapic_write(ioapic, IOAPIC_REDIRECTION + 2 * pin, entry);
        }
    }
}
