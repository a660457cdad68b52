/*
 * Attacks on ports, PCI configuration space, device memory and addresses that nobody has. What ends a machine
 * by right is left out: the debug exit, power management, reset, and the port of the results.
 */
#include "guest.h"
#include "hostile.h"
#include "processor.h"
#include "apic.h"
#include "pci.h"
#include "power.h"

enum { PORT_DEBUG_EXIT = 0xf4, PORT_RESET = 0xcf9, PORT_92 = 0x92, PORT_8042 = 0x64, COM1 = 0x3f8 };
enum { DEVFN_POWER_MANAGEMENT = 1 << 3 | 3 };

uint8_t arena[ARENA_PAGES * 4096] __attribute__((aligned(4096)));
static uint32_t saved_base;

void attack_devices_prepare(void)
{
    saved_base = power_base();
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

void attack_port(void)
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
void attack_pci(void)
{
    uint8_t function = (uint8_t)(random32() % 64), offset = (uint8_t)random32();

    if (function == DEVFN_POWER_MANAGEMENT)
        return;
    if (random32() & 1)
        (void)pci_read(function, offset);
    else
        pci_write(function, offset, random32());
}

uint32_t device_address(void)
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

void attack_memory(void)
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
