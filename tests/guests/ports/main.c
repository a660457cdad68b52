/*
 * Ports that nobody has read as ones in each width and ignore writes; port 0x92 A20; the delay ports 0x80 and
 * 0xed; no game port; word access to two byte ports; memory that nobody has reads as ones. Manual: 82371SB;
 * ISA bus convention. Real hardware: as checked here.
 */
#include "guest.h"
#include "processor.h"

void guest_main(void)
{
    check_value("unclaimed port, byte", inb(0x278), 0xff);
    check_value("unclaimed port, word", inw(0x278), 0xffff);
    check_value("unclaimed port, dword", inl(0x278), 0xffffffff);
    outb(0x278, 1);
    outl(0x278, 1);
    check_value("  after writes", inb(0x278), 0xff);
    outb(0x80, 0x12);
    outb(0xed, 0x12);
    check("write to ports 0x80 and 0xed passes", true);
    check_value("no game port", inb(0x201), 0xff);
    outw(0x70, 0x7755);
    outb(0x70, 0x55);
    check_value("word write to index and data", inb(0x71), 0x77);
    check_value("A20 on", inb(0x92) & 2, 2);
    outb(0x21, 0xa5);
    outb(0xa1, 0x5a);
    check_value("byte port of a pair", inb(0x21) | inb(0xa1) << 8, 0x5aa5);
    observe("memory that nobody has", *(volatile uint32_t *)0xd0000000);
    *(volatile uint32_t *)0xd0000000 = 0;
    observe("  of it after a write", *(volatile uint32_t *)0xd0000000);
    observe("  of it a byte", *(volatile uint8_t *)0xd0000003);
    check_value("i8042 status: no output pending or system flag", inb(0x64) != 0xff, 1);
}
