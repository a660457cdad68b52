/*
 * Attacks on the processor itself, each from where it is known to be interesting: MSRs, control and debug
 * registers, hypercalls and instructions that a guest must not have, interrupts to itself.
 */
#include "guest.h"
#include "hostile.h"
#include "memory.h"
#include "processor.h"
#include "descriptors.h"
#include "apic.h"

static uint8_t code[16];

/* Lets pending interrupts in. A vector below 32 comes without an error code then, so that the exceptions' own
 * stubs would misread the stack: one stub takes them all. */
static void window(void)
{
    static uint64_t all[256];
    struct table_register table = {sizeof(all) - 1, (uint32_t)all};

    memcpy(all, idt, sizeof(all));
    for (uint32_t vector = 0; vector < 32; vector++)
        all[vector] = vector == NMI_VECTOR ? idt[NMI_VECTOR] : idt[32];
    lidt(&table);
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
    lidt(&idtr);
}

void attack_msr(void)
{
    static const uint32_t bases[] = {0,          0x1b,       0x170,      0x200,      0x400,      0x800,
                                     0xc0000080, 0xc0000100, 0xc0010000, 0xc0010110, 0x4b564d00, 0x40000000};
    uint32_t index = bases[random32() % ARRAY_LENGTH(bases)] + random32() % 24, value = random32(), low = 0,
             high = 0;

    if (random32() & 1)
        index = random32();
    TRY("rdmsr", : "+a"(low), "+d"(high) : "c"(index));
    faults += fault.vector != NO_FAULT;
    /* The base of the local APIC and of what the host may write into memory through paravirtual clocks stay.
     */
    if (index == MSR_APIC_BASE || index == MSR_EFER)
        return;
    TRY("wrmsr",
        :
        : "c"(index), "a"(value),
          "d"((index >> 8) == 0x4b564d || index < 0x13 || random32() & 3 ? 0 : value));
    faults += fault.vector != NO_FAULT;
    TRY("wrmsr", : : "c"(index), "a"(low), "d"(high));
}

void attack_control(void)
{
    uint32_t value = random32(), cr0 = read_cr0(), cr4 = read_cr4();

    switch (random32() % 8) {
    case 0:
        TRY("mov %0, %%cr0", : : "r"((uint32_t)((value & ~CR0_PG) | CR0_PE)));
        write_cr0(cr0);
        break;
    case 1:
        TRY("mov %0, %%cr4", : : "r"(value));
        TRY("mov %0, %%cr4", : : "r"(cr4));
        break;
    case 2:
        TRY("mov %0, %%cr4", : : "r"(1u << value % 32));
        TRY("mov %0, %%cr4", : : "r"(cr4));
        break;
    case 3:
        TRY("mov %0, %%cr3", : : "r"(value));
        break;
    case 4:
        TRY("mov %0, %%dr0; mov %0, %%dr3; mov %0, %%dr6; mov %1, %%dr7", : : "r"(value), "r"(0));
        break;
    case 5:
        TRY(".byte 0xf0; mov %0, %%cr0", : : "a"(value));
        TRY(".byte 0xf0; mov %0, %%cr0", : : "a"(0));
        break;
    case 6:
        TRY("lmsw %w0", : : "r"(value));
        write_cr0(cr0);
        break;
    default:
        TRY("xor %%ecx, %%ecx; xsetbv", : : "a"(value), "d"(value) : "ecx");
        break;
    }
    faults += fault.vector != NO_FAULT;
}

void attack_hypercall(void)
{
    uint32_t a = random32(), b = random32(), c = random32(), d = random32();

    if (random32() & 1)
        TRY(".byte 0x0f, 0x01, 0xd9", : "+a"(a) : "b"(b), "c"(c), "d"(d) : "memory");
    else
        TRY(".byte 0x0f, 0x01, 0xc1", : "+a"(a) : "b"(b), "c"(c), "d"(d) : "memory");
    faults += fault.vector != NO_FAULT;
    /* SVM instructions that a guest without SVM must not have. */
    static const uint8_t third[] = {0xd8, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xc8, 0xc9};
    code[0] = 0x0f;
    code[1] = 0x01;
    code[2] = third[random32() % ARRAY_LENGTH(third)];
    code[3] = 0xc3;
    try_fetch((uint32_t)code);
    faults += fault.vector != NO_FAULT;
}

void attack_ipi(void)
{
    uint32_t r = random32();

    lapic_write(LAPIC_ICR_HIGH, random32());
    /* Self, random vector and mode; not INIT or start-up, which would end this processor. */
    uint32_t mode = r >> 8 & 7;
    mode = mode >= 5 ? 0 : mode;
    lapic_write(LAPIC_ICR, ICR_SELF | ICR_ASSERT | mode << 8 | (r & 0xff));
    if (r & 1 << 16)
        window();
    if (r & 1 << 17)
        lapic_write(LAPIC_EOI, r);
    if (r & 1 << 18)
        lapic_write(LAPIC_TPR, r >> 24);
}
