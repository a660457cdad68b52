/*
 * The virtio block device: found by its capabilities, features, capacity, reads of a known pattern, writes
 * read back, many requests at once, a read over the end, an unknown request, flush, interrupt through INTx
 * and the IOAPIC with the ISR byte, reset of the device. Manual: Virtual I/O Device Specification 1.2, 4.1
 * and 5.2. Real hardware: none; QEMU's device.
 *
 * guest: disk=4
 */
#include "guest.h"
#include "memory.h"
#include "pci.h"
#include "apic.h"
#include "virtio.h"
#include "power.h"

enum {
    SECTORS = 4 * 2048,
    PATTERN = 0x5ec70125,
    BATCH = 16,
    PAGE = 4096,
    VECTOR = 0x59,
    PCI_INTERRUPT = 0x3c
};
static uint32_t data[BATCH][PAGE / 4] __attribute__((aligned(4096)));
static struct virtio_blk blk;
static volatile uint32_t isr_seen;

static void handler(struct interrupt_frame *frame)
{
    (void)frame;
    isr_seen |= *blk.isr;
    lapic_write(LAPIC_EOI, 0);
}

static void test_transfers(void)
{
    check_value("read of sector 5", virtio_transfer(&blk, VIRTIO_BLK_READ, 5, data[0], VIRTIO_SECTOR), 0);
    check_value("  its number", data[0][0], 5);
    check_value("  its pattern", data[0][1], PATTERN);
    check_value("  its last byte", data[0][127] >> 24, 5);
    check_value("read of eight sectors", virtio_transfer(&blk, VIRTIO_BLK_READ, 1000, data[0], PAGE), 0);
    check_value("  number of the last", data[0][7 * 128], 1007);
    for (uint32_t i = 0; i < PAGE / 4; i++)
        data[1][i] = i * 0x01010101;
    check_value("write of eight sectors", virtio_transfer(&blk, VIRTIO_BLK_WRITE, 2000, data[1], PAGE), 0);
    memset(data[0], 0, PAGE);
    check_value("  read back", virtio_transfer(&blk, VIRTIO_BLK_READ, 2000, data[0], PAGE), 0);
    check_value("  the same", (uint32_t)memcmp(data[0], data[1], PAGE), 0);
    virtio_transfer(&blk, VIRTIO_BLK_READ, 1999, data[0], PAGE);
    check_value("  sector before untouched", data[0][0], 1999);
    check_value("last sector", virtio_transfer(&blk, VIRTIO_BLK_READ, SECTORS - 1, data[0], VIRTIO_SECTOR),
                0);
    check_value("  its number", data[0][0], SECTORS - 1);
    check_value("read over the end", virtio_transfer(&blk, VIRTIO_BLK_READ, SECTORS - 1, data[0], PAGE), 1);
    check_value("unknown request", virtio_transfer(&blk, 0x55, 0, data[0], VIRTIO_SECTOR), 2);
    check_value("flush", virtio_transfer(&blk, VIRTIO_BLK_FLUSH, 0, NULL, 0), 0);
}

static void test_batch(void)
{
    uint32_t done = 0, good = 0;

    memset(data, 0, sizeof(data));
    for (uint32_t i = 0; i < BATCH; i++)
        virtio_queue(&blk, i, VIRTIO_BLK_READ, 3000 + 8 * i, data[i], PAGE);
    virtio_notify(&blk);
    for (uint32_t i = 0; i < 50000 && done < BATCH; i++) {
        done += virtio_completed(&blk);
        delay_us(100);
    }
    check_value("sixteen at once: completed", done, BATCH);
    for (uint32_t i = 0; i < BATCH; i++)
        good += !virtio_status(i) && data[i][0] == 3000 + 8 * i && data[i][7 * 128] == 3007 + 8 * i;
    check_value("  right", good, BATCH);
}

static void test_interrupt(void)
{
    uint8_t line = (uint8_t)pci_read(blk.function, PCI_INTERRUPT);

    lapic_enable();
    interrupt_set(VECTOR, handler);
    check_value("interrupt pin", pci_read(blk.function, PCI_INTERRUPT) >> 8 & 0xff, 1);
    check("interrupt line set by firmware", line && line < 16);
    (void)*blk.isr;
    ioapic_route(line, VECTOR | TRIGGER_LEVEL, 0);
    virtio_queue(&blk, 0, VIRTIO_BLK_READ, 7, data[0], VIRTIO_SECTOR);
    virtio_notify(&blk);
    for (uint32_t i = 0; i < 20000 && !interrupt_count[VECTOR]; i++) {
        __asm__ volatile("sti; nop; cli");
        delay_us(100);
    }
    check_value("interrupts", interrupt_count[VECTOR], 1);
    check_value("  ISR: queue", isr_seen, 1);
    check_value("  completed", virtio_completed(&blk), 1);
    ioapic_route(line, LVT_MASKED, 0);
}

void guest_main(void)
{
    check("found", virtio_find(&blk));
    blk.common->device_feature_select = 1;
    check_value("feature VERSION_1", blk.common->device_feature & 1, 1);
    check_value("capacity in sectors", blk.config[0], SECTORS);
    check("started", virtio_start(&blk));
    check_value("status", blk.common->device_status, 0xf);
    test_transfers();
    test_batch();
    test_interrupt();
    blk.common->device_status = 0;
    check_value("reset: status", blk.common->device_status, 0);
    check_value("reset: queue off", (blk.common->queue_select = 0, blk.common->queue_enable), 0);
    check("started again", virtio_start(&blk));
    check_value("  read", virtio_transfer(&blk, VIRTIO_BLK_READ, 77, data[0], VIRTIO_SECTOR), 0);
    check_value("  its number", data[0][0], 77);
}
