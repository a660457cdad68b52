/*
 * A hostile guest: seed=N ops=N (100000). Throws random ports, device memory, addresses that nobody has,
 * MSRs, control and debug registers, hypercalls, random instruction bytes in ring 3, chosen forms in ring 0,
 * in real mode and on device memory, self-IPIs and broken virtio queues at the monitor, and prints how many
 * operations it has completed. Whatever it does may harm itself alone: it recovers from faults, restores its
 * own tables each time, and ends only after all operations. What it must not touch, since that ends a machine
 * by right: port 0xf4 (debug exit), 0x604 and 0xb004 (ACPI power-off, the whole power management block),
 * 0xcf9 and 0x92 (reset), 0x64 (reset by the keyboard controller), PCI configuration of the power management
 * function's base, and a triple fault; random bytes are therefore never far jumps, and stack and tables are
 * kept out of their reach. Manual: none; this is what nobody should do. Real hardware: would not survive it
 * (device memory, MSRs).
 *
 * guest: machines=svm seeds=6 args=ops=100000 timeout=400
 */
#include "guest.h"
#include "memory.h"
#include "processor.h"
#include "descriptors.h"
#include "paging.h"
#include "apic.h"
#include "pic.h"
#include "pci.h"
#include "real.h"
#include "power.h"

enum { ARENA_PAGES = 16, CODE_BYTES = 64, PROGRESS = 10000 };
enum { PORT_DEBUG_EXIT = 0xf4, PORT_RESET = 0xcf9, PORT_92 = 0x92, PORT_8042 = 0x64, COM1 = 0x3f8 };

static uint8_t arena[ARENA_PAGES * 4096] __attribute__((aligned(4096)));
static uint8_t code[4096] __attribute__((aligned(4096)));
static uint8_t user_stack[4096] __attribute__((aligned(4096)));
static uint64_t state;
static uint32_t done[8], faults;
static uint32_t saved_base;

/* xorshift64*: the same operations for the same seed. */
static uint32_t random32(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)(state * 0x2545f4914f6cdd1dull >> 32);
}

/* Ends a run of random code that would go on for ever. It must leave by IRET, or NMIs stay blocked. */
static void on_nmi(struct interrupt_frame *frame)
{
    _Noreturn void try_unwind(void);

    if ((frame->cs & 3) != 3)
        return;
    frame->cs = SELECTOR_CODE32;
    frame->eip = (uint32_t)try_unwind;
    frame->eflags = 2;
    frame->ds = frame->es = frame->fs = frame->gs = SELECTOR_DATA32;
}

static void ignore(struct interrupt_frame *frame)
{
    (void)frame;
}

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

static bool forbidden(uint16_t port)
{
    uint16_t power = (uint16_t)saved_base;

    return (port >= PORT_DEBUG_EXIT - 3 && port <= PORT_DEBUG_EXIT + 3) ||
           (port >= PORT_RESET - 3 && port <= PORT_RESET + 3) || (port >= PORT_92 - 3 && port <= PORT_92) ||
           (port >= PORT_8042 - 3 && port <= PORT_8042) || (port + 3 >= power && port < power + 64) ||
           (port + 3 >= 0x600 && port < 0x640) || (port + 3 >= 0xb000 && port < 0xb040) ||
           (port + 3 >= COM1 && port < COM1 + 8) || (port + 3 >= 0xcf8 && port <= 0xcff) ||
           (port >= 0xe6 && port <= 0xe9) || (port + 3 >= 0xb2 && port <= 0xb3);
}

static void attack_port(void)
{
    static const uint16_t favourites[] = {0x20,  0x21,  0xa0,  0xa1,  0x40,  0x41,   0x42,   0x43,
                                          0x60,  0x61,  0x70,  0x71,  0x80,  0x3d4,  0x4d0,  0x4d1,
                                          0x278, 0x1f0, 0x510, 0x511, 0x402, 0xc000, 0xc010, 0xc020};
    uint32_t r = random32();
    uint16_t port = r & 1 ? (uint16_t)random32() : favourites[r / 2 % ARRAY_LENGTH(favourites)];
    uint32_t value = random32(), count = random32() % 64,
             at = (uint32_t)arena + random32() % (sizeof(arena) - 512);

    if (forbidden(port))
        return;
    switch (r >> 8 & 7) {
    case 0:
        (void)inb(port);
        break;
    case 1:
        (void)inw(port);
        break;
    case 2:
        (void)inl(port);
        break;
    case 3:
        outb(port, (uint8_t)value);
        break;
    case 4:
        outw(port, (uint16_t)value);
        break;
    case 5:
        outl(port, value);
        break;
    case 6:
        __asm__ volatile("rep insb" : "+c"(count), "+D"(at) : "d"(port) : "memory");
        break;
    default:
        __asm__ volatile("rep outsw" : "+c"(count), "+S"(at) : "d"(port) : "memory");
        break;
    }
}

/* PCI configuration space, but for the function that holds the power management block. */
static void attack_pci(void)
{
    uint8_t function = (uint8_t)(random32() % 64), offset = (uint8_t)random32();

    if (function == (1 << 3 | 3))
        return;
    if (random32() & 1)
        (void)pci_read(function, offset);
    else
        pci_write(function, offset, random32());
}

static uint32_t device_address(void)
{
    static const uint32_t bases[] = {LAPIC_BASE, IOAPIC_BASE, 0xfed00000, 0xfe800000, 0xd0000000, 0xa0000,
                                     0xe0000000, 0xfffff000,  0xc0000000, 0x40000000, 0xfee01000, 0xfec01000};
    uint32_t base = bases[random32() % ARRAY_LENGTH(bases)], offset = random32() & 0xfff;

    /* Never start other processors or shut this one: the command register of the local APIC is attacked by
     * attack_ipi. */
    if (base == LAPIC_BASE && (offset & 0xff0) >= LAPIC_ICR - 16 && (offset & 0xff0) <= LAPIC_ICR_HIGH)
        offset = LAPIC_ESR;
    return base + offset;
}

static void attack_memory(void)
{
    uint32_t at = device_address(), value = random32(), count = random32() % 32,
             other = (uint32_t)arena + random32() % 4096;

    /* More than one register at a time of the local APIC would reach its command register. */
    count = (at & ~0xfffu) == LAPIC_BASE ? count & 1 : count;
    switch (random32() % 10) {
    case 0:
        TRY("movl (%0), %%eax", : : "r"(at) : "eax");
        break;
    case 1:
        TRY("movl %%eax, (%0)", : : "r"(at), "a"(value));
        break;
    case 2:
        TRY("movb (%0), %%al", : : "r"(at) : "eax");
        break;
    case 3:
        TRY("movw %%ax, (%0)", : : "r"(at), "a"(value));
        break;
    case 4:
        TRY("lock; xaddl %%eax, (%0)", : : "r"(at), "a"(value));
        break;
    case 5:
        TRY("rep movsb", : "+c"(count), "+S"(at), "+D"(other) : : "memory");
        break;
    case 6:
        TRY("rep stosl", : "+c"(count), "+D"(at) : "a"(value) : "memory");
        break;
    case 7:
        TRY("pushl (%0); addl $4, %%esp", : : "r"(at) : "memory");
        break;
    case 8:
        TRY("cmpxchg8b (%%edi)", : : "D"(at), "a"(value), "d"(value), "b"(value), "c"(value) : "memory");
        break;
    default:
        TRY("btsl %%eax, (%0)", : : "r"(IOAPIC_BASE), "a"(value & 0x7fff) : "memory");
        break;
    }
    faults += fault.vector != NO_FAULT;
}

static void attack_msr(void)
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

static void attack_control(void)
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

static void attack_hypercall(void)
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

static void attack_ipi(void)
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

/* Instruction bytes that would end the machine by right, or write where this program's own tables are, are
 * not drawn: the processor runs them with every segment but CS limited to nothing and registers that point at
 * devices or the arena. */
static void random_code(void)
{
    for (uint32_t i = 0; i < CODE_BYTES; i++)
        code[i] = (uint8_t)random32();
    memset(code + CODE_BYTES, 0xcc, 64);
    /* Half of the time a known interesting start. */
    static const uint8_t starts[][3] = {{0x0f, 0x01}, {0xf3, 0xa4}, {0x0f, 0xc7}, {0x66, 0x0f}, {0xf0, 0x0f},
                                        {0x0f, 0xae}, {0xd9},       {0x0f, 0x38}, {0x0f, 0x3a}, {0xc4},
                                        {0xc5},       {0x67, 0x66}, {0xf2, 0xf3}, {0x0f, 0x20}};
    if (random32() & 1)
        memcpy(code, starts[random32() % ARRAY_LENGTH(starts)], 3);
}

/* Ring 3, paging on: only the arena and device pages are writable there, ports are closed by the permission
 * map. */
static void run_user(void)
{
    __asm__ volatile("mov %0, %%edi; mov %1, %%esi; mov %%edi, %%ebp; mov %%esi, %%ebx; mov $3, %%ecx; mov "
                     "$0x80, %%edx; jmp *%2"
                     :
                     : "m"(done[6]), "m"(done[7]), "r"(code)
                     : "memory", "edi", "esi", "ebx", "ecx", "edx");
    __builtin_unreachable();
}

static void attack_code(void)
{
    random_code();
    uint32_t device = device_address();
    device = (device & ~0xfffu) == LAPIC_BASE ? IOAPIC_BASE + (device & 0xfff) : device;
    done[6] = random32() & 1 ? device : (uint32_t)arena + 8192 + random32() % 4096;
    done[7] = device;
    /* Ends endless loops: an NMI through the IOAPIC after 20 ms. */
    ioapic_route(2, DELIVERY_NMI, 0xff);
    pit_start(0, 24000);
    user_call(run_user, (uint32_t)(user_stack + sizeof(user_stack) - 64));
    ioapic_route(2, LVT_MASKED, 0);
    faults++;
}

/* Real-mode bytes on an instruction that cannot leave: a one-instruction REP or I/O on the arena below 1 MiB.
 */
static void attack_real(void)
{
    static const uint8_t pieces[][6] = {
        {0xf3, 0xa4}, {0xf3, 0xab}, {0x66, 0xf3, 0x6d},       {0xf3, 0x6e},
        {0x0f, 0xa2}, {0x0f, 0x31}, {0x66, 0x67, 0x8b, 0x06}, {0x67, 0x66, 0x89, 0x06},
        {0xe4, 0x21}, {0xe6, 0x80}};
    uint8_t bytes[16] = {0};

    memcpy(bytes, pieces[random32() % ARRAY_LENGTH(pieces)], 6);
    memcpy(bytes + 6, (const uint8_t[]){0x90, 0x90, 0xc3}, 3);
    for (uint32_t i = 0; i < 6; i++)
        bytes[i] = bytes[i] ? bytes[i] : 0x90;
    memset(real_block, 0, sizeof(*real_block));
    real_block->ecx = random32() % 64;
    real_block->edx = 0x80;
    real_block->esi = 0x5000 + random32() % 4096;
    real_block->edi = 0x5000 + random32() % 4096;
    real_call(bytes, bytes + 9);
}

static void prepare(void)
{
    saved_base = power_base();
    interrupt_set(NMI_VECTOR, on_nmi);
    for (uint32_t vector = 32; vector < 256; vector++)
        interrupt_set((uint8_t)vector, ignore);
    lapic_enable();
    pic_initialise();
    paging_initialise();
    /* Ring 3 may only write the arena and its stack, and read its code: 4 KiB pages below 4 MiB. */
    for (uint32_t i = 0; i < 1024; i++)
        page_table[i] &= ~(uint32_t)PAGE_U;
    for (uint32_t at = (uint32_t)arena; at < (uint32_t)arena + sizeof(arena); at += 4096)
        page_table[at >> 12] |= PAGE_U;
    page_table[(uint32_t)user_stack >> 12] |= PAGE_U;
    for (uint32_t at = (uint32_t)run_user & ~0xfffu; at < (uint32_t)run_user + 64; at += 4096)
        page_table[at >> 12] = (at | PAGE_P | PAGE_U);
    page_table[(uint32_t)code >> 12] = (uint32_t)code | PAGE_P | PAGE_U;
    page_table[(uint32_t)done >> 12] = (uint32_t)done & ~0xfffu;
    page_table[(uint32_t)done >> 12] |= PAGE_P | PAGE_U; /* ring 0 writes it: WP is off */
    for (uint32_t i = 1; i < 0xc0000000u >> 22; i++)
        page_directory[i] &= ~(uint32_t)PAGE_U;
}

void guest_main(void)
{
    uint32_t seed = option_number("seed", 1), operations = option_number("ops", 100000);

    state = seed * 0x9e3779b97f4a7c15ull + 1;
    prepare();
    print("seed %u, %u operations\n", seed, operations);
    for (uint32_t i = 1; i <= operations; i++) {
        uint32_t kind = random32() % 16;
        if (kind < 4) {
            attack_port();
        } else if (kind < 5) {
            attack_pci();
        } else if (kind < 9) {
            attack_memory();
        } else if (kind < 11) {
            attack_msr();
        } else if (kind < 12) {
            attack_control();
        } else if (kind < 13) {
            attack_hypercall();
        } else if (kind < 14) {
            attack_ipi();
        } else if (kind < 15) {
            paging_on((uint32_t)page_directory, CR4_PSE);
            attack_code();
            paging_off();
        } else {
            attack_real();
        }
        if (i % PROGRESS == 0)
            print("%u operations\n", i);
    }
    print("faults recovered from: %s\n", faults ? "some" : "none");
    check_value("operations completed", operations, option_number("ops", 100000));
}
