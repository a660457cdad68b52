/*
 * Device memory in all widths: byte, word and dword forms on registers of a virtio device, which allow them:
 * MOVZX, MOVSX, MOV with AL, AH and AX, ALU with byte operands, immediate bytes, CMP, TEST, MOVSB, MOVSW,
 * STOSB, LODSB, PUSH of words. Manual: AMD APM Vol. 3; Virtual I/O Device Specification 1.2, 4.1.3.1. Real
 * hardware: none; QEMU's device.
 *
 * guest: disk=1
 */
#include "guest.h"
#include "processor.h"
#include "virtio.h"

static struct virtio_blk blk;

/* An instruction on the 16-bit queue_select register %1, and EAX after it. */
#define WORD(code, before, eax, eax_after, memory)                                                           \
    do {                                                                                                     \
        uint32_t a = eax;                                                                                    \
        blk.common->queue_select = before;                                                                   \
        __asm__ volatile(code : "+a"(a), "+m"(blk.common->queue_select) : : "ecx", "memory", "cc");          \
        uint32_t m = blk.common->queue_select;                                                               \
        print("%s: %x %x", code, m, a);                                                                      \
        check("", m == (memory) && a == (eax_after));                                                        \
    } while (0)

void guest_main(void)
{
    uint8_t bytes[4] = {0x12, 0x34, 0x02, 0x78};
    uint32_t si, di;

    check("found", virtio_find(&blk));
    /* Values stay below 0x400, the most that a device must take for a queue's number. */
    WORD("movzwl %1, %%eax", 0x234, 0xffffffff, 0x234, 0x234);
    WORD("movswl %1, %%eax", 0x234, 0xffffffff, 0x234, 0x234);
    WORD("movzbl %1, %%eax", 0x2f4, 0xffffffff, 0xf4, 0x2f4);
    WORD("movsbl %1, %%eax", 0x2f4, 0, 0xfffffff4, 0x2f4);
    WORD("movsbw %1, %%ax", 0x2f4, 0xaaaa0000, 0xaaaafff4, 0x2f4);
    WORD("movb %1, %%al", 0x234, 0xaabbccdd, 0xaabbcc34, 0x234);
    WORD("movb %1, %%ah", 0x234, 0xaabbccdd, 0xaabb34dd, 0x234);
    WORD("movw %1, %%ax", 0x234, 0xaabbccdd, 0xaabb0234, 0x234);
    WORD("movw %%ax, %1", 0, 0xaabb01dd, 0xaabb01dd, 0x1dd);
    WORD("movw $0x321, %1", 0, 0, 0, 0x321);
    WORD("addw %%ax, %1", 0x111, 0x222, 0x222, 0x333);
    WORD("addw %1, %%ax", 0x111, 0xffff2222, 0xffff2333, 0x111);
    WORD("cmpw $0x111, %1; setz %%al", 0x111, 0, 1, 0x111);
    WORD("testw $0x100, %1; setnz %%al", 0x111, 0, 1, 0x111);
    WORD("xchgw %%ax, %1", 0x111, 0xffff0222, 0xffff0111, 0x222);
    WORD("orw $0x40, %1", 0x111, 0, 0, 0x151);
    WORD("pushw %1; popw %%ax", 0x357, 0, 0x357, 0x357);
    WORD("shlw $4, %1", 0x31, 0, 0, 0x310);

    volatile uint8_t *status = &blk.common->device_status;
    *status = 0;
    *status = 1;
    check_value("byte register", *status, 1);
    __asm__ volatile("orb $2, %0" : "+m"(*status));
    check_value("OR byte", *status, 3);
    bool bit;
    __asm__ volatile("testb $2, %1; setnz %0" : "=q"(bit) : "m"(*status));
    check_value("TEST byte", bit, 1);
    di = (uint32_t)bytes;
    si = (uint32_t)status;
    __asm__ volatile("movsb" : "+S"(si), "+D"(di) : : "memory");
    check_value("MOVSB", bytes[0], 3);
    di = (uint32_t)&blk.common->queue_select;
    si = (uint32_t)&bytes[1];
    __asm__ volatile("movsw" : "+S"(si), "+D"(di) : : "memory");
    check_value("MOVSW", blk.common->queue_select, 0x234);
    di = (uint32_t)&blk.common->queue_select;
    __asm__ volatile("stosw" : "+D"(di) : "a"(0x2ef) : "memory");
    check_value("STOSW", blk.common->queue_select, 0x2ef);
    si = (uint32_t)status;
    uint32_t value = 0;
    __asm__ volatile("lodsb" : "+S"(si), "+a"(value) : : "memory");
    check_value("LODSB", value, 3);
    di = (uint32_t)status;
    __asm__ volatile("scasb; setz %%al" : "+D"(di), "+a"(value) : : "memory");
    check_value("SCASB equal", value & 0xff, 1);
    *status = 0;
}
