/* See fdc.h. */
#include "fdc.h"
#include "guest.h"
#include "pic.h"
#include "power.h"
#include "processor.h"

uint8_t fdc_result[16];
uint32_t fdc_results;

void fdc_initialise(void)
{
    pic_initialise();
    interrupt_set(PIC_VECTOR + FDC_LINE, interrupt_eoi_pic);
    pic_set_mask((uint16_t) ~(1 << FDC_LINE | 1 << 2));
    outb(0xd6, 0xc0); /* the second controller carries the first's requests */
    outb(0xd4, 0x00);
}

uint8_t fdc_wait_status(void)
{
    for (uint32_t i = 0; i < 100000; i++) {
        uint8_t status = inb(FDC_MSR);
        if (status & FDC_MSR_READY)
            return status;
        pause();
    }
    guest_abort("the controller is never ready");
}

void fdc_send(const uint8_t *bytes, uint32_t count)
{
    while (count--) {
        if (fdc_wait_status() & FDC_MSR_TO_HOST)
            guest_abort("the controller has something to say");
        outb(FDC_DATA, *bytes++);
    }
}

void fdc_collect(void)
{
    for (fdc_results = 0; fdc_results < sizeof(fdc_result); fdc_results++) {
        if ((fdc_wait_status() & (FDC_MSR_TO_HOST | FDC_MSR_BUSY)) != (FDC_MSR_TO_HOST | FDC_MSR_BUSY))
            break;
        fdc_result[fdc_results] = inb(FDC_DATA);
    }
}

void fdc_sense(void)
{
    FDC_SEND(0x08);
    fdc_collect();
}

void fdc_wait_interrupt(uint32_t before)
{
    for (uint32_t i = 0; i < 50000 && interrupt_count[PIC_VECTOR + FDC_LINE] == before; i++) {
        interrupts_on();
        delay_us(20);
        interrupts_off();
    }
}

void fdc_reset(void)
{
    uint32_t before = interrupt_count[PIC_VECTOR + FDC_LINE];
    outb(FDC_DOR, 0x08);
    delay_us(10);
    outb(FDC_DOR, FDC_DOR_RUN | 0x30);
    fdc_wait_interrupt(before);
}

void fdc_seek(uint8_t unit, uint8_t cylinder)
{
    uint32_t before = interrupt_count[PIC_VECTOR + FDC_LINE];
    FDC_SEND(0x0f, unit, cylinder);
    fdc_wait_interrupt(before);
    fdc_sense();
}

void fdc_recalibrate(void)
{
    uint32_t before = interrupt_count[PIC_VECTOR + FDC_LINE];
    FDC_SEND(0x07, 0x00);
    fdc_wait_interrupt(before);
    fdc_sense();
}

void fdc_set_dma(uint8_t mode, const void *at, uint32_t length)
{
    uint32_t address = (uint32_t)(uintptr_t)at;
    outb(0x0a, 6);
    outb(0x0c, 0);
    outb(0x0b, mode | 2);
    outb(0x81, (uint8_t)(address >> 16));
    outb(0x04, (uint8_t)address);
    outb(0x04, (uint8_t)(address >> 8));
    outb(0x05, (uint8_t)(length - 1));
    outb(0x05, (uint8_t)((length - 1) >> 8));
    outb(0x0a, 2);
}

void fdc_command(uint8_t code, uint8_t unit, uint32_t track, uint32_t sector, uint32_t last)
{
    uint8_t head = track & 1;
    FDC_SEND(code, (uint8_t)(unit | head << 2), (uint8_t)(track / 2), head, (uint8_t)sector, 2, (uint8_t)last,
             0x1b, 0xff);
}

uint8_t fdc_by_dma(bool write, uint8_t unit, uint32_t track, uint32_t sector, uint32_t count, uint8_t both,
                   uint32_t last, void *bytes)
{
    uint32_t before = interrupt_count[PIC_VECTOR + FDC_LINE];
    fdc_set_dma(write ? 0x48 : 0x44, bytes, count * FDC_SECTOR);
    fdc_command((write ? FDC_WRITE : FDC_READ) | both, unit, track, sector, last);
    fdc_wait_interrupt(before);
    fdc_collect();
    return fdc_result[0] & 0xc0;
}

void fdc_by_bytes(bool write, uint32_t track, uint32_t sector, uint32_t count, uint8_t *bytes)
{
    FDC_SEND(0x03, 0xdf, 0x03);
    fdc_command(write ? FDC_WRITE : FDC_READ, 0, track, sector, sector + count - 1);
    for (uint32_t i = 0; i < count * FDC_SECTOR; i++) {
        if (!(fdc_wait_status() & FDC_MSR_NON_DMA))
            guest_abort("the transfer has ended early");
        if (write)
            outb(FDC_DATA, bytes[i]);
        else
            bytes[i] = inb(FDC_DATA);
    }
    fdc_collect();
    FDC_SEND(0x03, 0xdf, 0x02);
}
