/*
 * Instructions of a round trip: CPUID, a port read, a local APIC register read, a serial byte, self-IPI with
 * HLT, IPI ping-pong between two processors, virtio reads of 4 KiB with 1 and 32 in flight. Prints RDTSC
 * differences for one round; under QEMU's -icount shift=0 the TSC counts instructions, else nanoseconds or
 * cycles. Not a test: nothing here passes or fails. Manual: none. Real hardware: prints cycles.
 *
 * guest: cpus=2 disk=16 manual
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"
#include "virtio.h"

enum { ROUNDS = 1000, VIRTIO_ROUNDS = 320, VECTOR = 0x50, PING = 0x51, DEPTH_MAX = 16 };
static volatile uint32_t pings, pongs;
static uint8_t data[DEPTH_MAX][4096] __attribute__((aligned(4096)));

static void on_self(struct interrupt_frame *frame)
{
    (void)frame;
    lapic_write(LAPIC_EOI, 0);
}
static void on_ping(struct interrupt_frame *frame)
{
    (void)frame;
    lapic_write(LAPIC_EOI, 0);
    if (lapic_read(LAPIC_ID) >> 24) {
        pings++;
        lapic_write(LAPIC_ICR_HIGH, 0);
        lapic_write(LAPIC_ICR, ICR_ASSERT | PING);
    } else {
        pongs++;
    }
}

static void show(const char *name, uint64_t start, uint32_t rounds)
{
    print("bench %s %u\n", name, (uint32_t)divide64(rdtsc() - start, rounds));
}

static void bench_processor(void)
{
    uint64_t start = rdtsc();

    for (uint32_t i = 0; i < ROUNDS; i++)
        __asm__ volatile("xor %%eax, %%eax; cpuid" : : : "eax", "ebx", "ecx", "edx");
    show("cpuid", start, ROUNDS);
    start = rdtsc();
    for (uint32_t i = 0; i < ROUNDS; i++)
        (void)inb(0x21);
    show("port-read", start, ROUNDS);
    start = rdtsc();
    for (uint32_t i = 0; i < ROUNDS; i++)
        (void)lapic_read(LAPIC_VERSION);
    show("lapic-read", start, ROUNDS);
    start = rdtsc();
    for (uint32_t i = 0; i < ROUNDS; i++)
        outb(0x3f8, i % 64 ? '.' : '\n');
    print("\n");
    show("serial-write", start, ROUNDS);
    interrupt_set(VECTOR, on_self);
    start = rdtsc();
    for (uint32_t i = 0; i < ROUNDS; i++) {
        lapic_write(LAPIC_ICR, ICR_SELF | ICR_ASSERT | VECTOR);
        halt();
    }
    show("self-ipi-hlt", start, ROUNDS);
}

static void bench_ipi(void)
{
    interrupt_set(PING, on_ping);
    if (smp_start(NULL) != 1) {
        print("bench ipi skipped: one processor\n");
        return;
    }
    uint64_t start = rdtsc();
    for (uint32_t i = 0; i < ROUNDS; i++) {
        lapic_write(LAPIC_ICR_HIGH, (uint32_t)smp_apic_id[1] << 24);
        lapic_write(LAPIC_ICR, ICR_ASSERT | PING);
        while (pongs != i + 1)
            halt();
    }
    show("ipi-ping-pong", start, ROUNDS);
}

/* depth requests in flight; each completion puts the next one in. */
static void bench_virtio(struct virtio_blk *blk, const char *name, uint32_t depth)
{
    uint64_t start = rdtsc();

    for (uint32_t round = 0; round < VIRTIO_ROUNDS / depth; round++) {
        for (uint32_t slot = 0; slot < depth; slot++)
            virtio_queue(blk, slot, VIRTIO_BLK_READ, (round * depth + slot) * 8 % 30000, data[slot], 4096);
        virtio_notify(blk);
        for (uint32_t got = 0; got < depth;)
            got += virtio_completed(blk);
    }
    show(name, start, VIRTIO_ROUNDS);
}

void guest_main(void)
{
    struct virtio_blk blk;

    lapic_enable();
    bench_processor();
    bench_ipi();
    if (virtio_find(&blk) && virtio_start(&blk)) {
        bench_virtio(&blk, "virtio-read-depth-1", 1);
        bench_virtio(&blk, "virtio-read-depth-16", DEPTH_MAX);
    }
    check("ran", true);
}
