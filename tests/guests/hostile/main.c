/*
 * A hostile guest: seed=N ops=N (100000). Throws random ports, device memory, addresses that nobody has,
 * MSRs, control and debug registers, hypercalls, interrupts to itself, and random instruction bytes in ring
 * 0, ring 3, virtual-8086 and real mode at the monitor, and prints how many operations it has completed.
 * Whatever it does may harm itself alone. It recovers from faults and loops; where an operation leaves
 * nothing to recover (a triple fault, an INIT from an I/O APIC entry, a processor that its watchdog cannot
 * bring back), the machine resets, as a PC does, and the next start goes on behind that operation: the record
 * of what is done lies in memory that a reset leaves alone. Manual: none; this is what nobody should do. Real
 * hardware: would not survive it (device memory, MSRs).
 *
 * guest: machines=svm seeds=10 cpus=2 args=ops=100000 timeout=900 unknown-instruction=fault
 */
#include "guest.h"
#include "hostile.h"
#include "memory.h"
#include "processor.h"
#include "descriptors.h"
#include "apic.h"
#include "pic.h"

enum {
    PROGRESS = 10000,
    WATCHDOG_CHECK = 4096,
    OPERATIONS_PER_RESET = 20,
    RECORD = 0x3000000,
    MAGIC = 0x4e657665
};

struct record {
    uint32_t magic, nonce, seed, total;
    uint32_t begun; /* operations */
    uint32_t faults, loops, resets;
    uint32_t sum;
};
static struct record *const record = (struct record *)RECORD;

uint32_t faults, loops;
static uint64_t state;

void random_start(uint32_t seed, uint32_t operation)
{
    state = (uint64_t)seed * 0x9e3779b97f4a7c15ull + (uint64_t)operation * 0xbf58476d1ce4e5b9ull + 1;
    random32();
    random32();
}

uint32_t random32(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)(state * 0x2545f4914f6cdd1dull >> 32);
}

static uint32_t record_sum(void)
{
    const uint32_t *word = (const uint32_t *)record;
    uint32_t sum = MAGIC;

    for (uint32_t i = 0; i < offsetof(struct record, sum) / sizeof(*word); i++)
        sum = (sum ^ word[i]) * 0x01000193u;
    return sum;
}

static void record_write(void)
{
    record->faults = faults;
    record->loops = loops;
    record->sum = record_sum();
}

/* Of this run and whole: this start follows a reset. */
static bool record_continues(uint32_t seed, uint32_t total)
{
    if (record->magic == MAGIC && record->nonce == option_number("nonce", 0) && record->seed == seed &&
        record->sum == record_sum()) {
        faults = record->faults;
        loops = record->loops;
        record->resets++;
        return true;
    }
    *record =
        (struct record){.magic = MAGIC, .nonce = option_number("nonce", 0), .seed = seed, .total = total};
    return false;
}

static void ignore(struct interrupt_frame *frame)
{
    (void)frame;
}

/* Of an attack, or of a program that an attack has damaged: real mode reaches its first 64 KiB. */
static void on_exception(struct interrupt_frame *frame)
{
    enum { PORT_92 = 0x92, PORT_92_RESET = 1 };
    _Noreturn void try_unwind(void);
    extern uint32_t try_stack;

    fault.vector = frame->vector;
    if (fault_resume) {
        frame->eip = fault_resume;
        frame->eflags &= ~(uint32_t)FLAG_TF;
        fault_resume = 0;
        return;
    }
    if (try_stack)
        try_unwind();
    outb(PORT_92, PORT_92_RESET);
}

static void prepare(void)
{
    for (uint32_t vector = 0; vector < 32; vector++)
        interrupt_set((uint8_t)vector, on_exception);
    idt_set(NMI_VECTOR, (uint32_t)ignore_nmi, SELECTOR_CODE32, GATE_INTERRUPT32);
    for (uint32_t vector = 32; vector < 256; vector++)
        interrupt_set((uint8_t)vector, ignore);
    lapic_enable();
    pic_initialise();
    attack_devices_prepare();
    attack_code_prepare();
    watchdog_start();
}

static void attack(void)
{
    enum { CODE_ONE_OF = 8 };
    static void (*const accesses[])(void) = {attack_port,      attack_port,   attack_port,   attack_port,
                                             attack_pci,       attack_memory, attack_memory, attack_memory,
                                             attack_memory,    attack_msr,    attack_msr,    attack_control,
                                             attack_hypercall, attack_ipi};
    static void (*const codes[])(void) = {attack_ring3, attack_ring0, attack_vm86, attack_real,
                                          attack_real_forms};

    if (random32() % CODE_ONE_OF)
        accesses[random32() % ARRAY_LENGTH(accesses)]();
    else
        codes[random32() % ARRAY_LENGTH(codes)]();
}

void guest_main(void)
{
    uint32_t seed = option_number("seed", 1), operations = option_number("ops", 100000);

    if (!record_continues(seed, operations))
        print("seed %u, %u operations\n", seed, operations);
    prepare();
    while (record->begun < record->total) {
        record->begun++;
        record_write();
        random_start(record->seed, record->begun);
        attack();
        watchdog_progress++;
        if (record->begun % PROGRESS == 0)
            print("%u operations\n", record->begun);
        if (record->begun % WATCHDOG_CHECK == 0)
            watchdog_keep();
    }
    print("faults: %u, loops: %u, resets: %u\n", faults, loops, record->resets);
    check_value("operations completed", record->begun, operations);
    check("few of them ended by a reset", record->resets <= operations / OPERATIONS_PER_RESET);
    check("faults recovered from", faults > operations / OPERATIONS_PER_RESET);
}
