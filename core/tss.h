/*
 * Task-state segment in long mode (AMD APM Vol. 2, 12.2.5) with an I/O map that reaches the serial ports, the
 * RTC and the keyboard controller.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SERVICE_PORT_1 0x3f8 /* the ports that the service may touch: eight each */
#define SERVICE_PORT_2 0x2f8
#define SERVICE_PORT_3 0x3e8
#define SERVICE_RTC    0x70 /* two */
#define SERVICE_I8042  0x60 /* and 0x64 */
#define TSS_NO_PORTS   0xffff

struct tss {
    uint32_t reserved0;
    uint64_t rsp0, rsp1, rsp2;
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base;
    uint8_t io_bitmap[0x400 / 8 + 1]; /* the last byte must be all ones */
} __attribute__((packed));

_Static_assert(offsetof(struct tss, io_map_base) == 102, "AMD APM Vol. 2, figure 12-8");
