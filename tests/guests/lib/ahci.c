/* See ahci.h. */
#include "ahci.h"
#include "guest.h"
#include "memory.h"
#include "pci.h"
#include "power.h"

enum { CLASS_AHCI = 0x010601, PCI_COMMAND = 4, COMMAND_ENABLE = 6, PCI_BAR5 = 0x24, BAR_PLACE = 0xfe900000 };
enum { PORTS = 0x100, PORT_SIZE = 0x80, GHC_HR = 1 };
enum { PX_CLB = 0x00, PX_CLBU = 0x04, PX_FB = 0x08, PX_FBU = 0x0c };
enum { CMD_ST = 1, CMD_FRE = 1 << 4, CMD_FR = 1 << 14, CMD_CR = 1 << 15 };
enum {
    TFD_BSY = 0x80,
    TFD_DRQ = 0x08,
    TFD_ERR = 0x01,
    IS_TFES = 1 << 30,
    SSTS_PRESENT = 3,
    WAIT_STEPS = 200000
};
#define GHC_AE (1u << 31)

/* Command header, and command table with its regions (4.2.2, 4.2.3). */
enum { FIS_DWORDS = 5, HEADER_WRITE = 1 << 6, HEADER_RESET = 1 << 8, HEADER_CLEAR_BUSY = 1 << 10 };
enum { FIS_HOST = 0x27, FIS_IS_COMMAND = 0x80, DEVICE_LBA = 0x40, CONTROL_SRST = 4 };
enum { RECEIVED_DEVICE = 0x40 };
static volatile struct {
    uint32_t flags, moved, table, table_high, reserved[4];
} list[AHCI_SLOTS] __attribute__((aligned(1024)));
static struct {
    uint8_t fis[0x80];
    struct {
        uint32_t address, address_high, reserved, count;
    } region[DMA_PIECES_MAX];
} tables[AHCI_SLOTS] __attribute__((aligned(128)));
_Static_assert(sizeof(tables[0]) % 128 == 0, "4.2.2");
static volatile uint8_t received[256] __attribute__((aligned(256)));
static volatile uint8_t *registers, *port;

uint32_t ahci_host_read(uint32_t offset)
{
    return *(volatile uint32_t *)(registers + offset);
}

void ahci_host_write(uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(registers + offset) = value;
}

uint32_t ahci_read(uint32_t offset)
{
    return *(volatile uint32_t *)(port + offset);
}

void ahci_write(uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(port + offset) = value;
}

bool ahci_find(void)
{
    uint32_t function = 0;

    while (pci_read((uint8_t)function, 8) >> 8 != CLASS_AHCI)
        if (++function == 256)
            return false;
    if (!(pci_read((uint8_t)function, PCI_BAR5) & ~0xfu))
        pci_write((uint8_t)function, PCI_BAR5, BAR_PLACE);
    pci_write((uint8_t)function, PCI_COMMAND, COMMAND_ENABLE);
    registers = (volatile uint8_t *)(pci_read((uint8_t)function, PCI_BAR5) & ~0xfu);
    ahci_host_write(AHCI_GHC, GHC_AE);
    for (uint32_t i = 0, there = ahci_host_read(AHCI_PI); there; i++, there >>= 1) {
        port = registers + PORTS + i * PORT_SIZE;
        if (there & 1 && (ahci_read(AHCI_PX_SSTS) & 15) == SSTS_PRESENT)
            return true;
    }
    return false;
}

/* Until all of some bits of a register are clear. */
static bool wait_clear(uint32_t offset, uint32_t bits)
{
    for (uint32_t i = 0; i < WAIT_STEPS; i++) {
        if (!(ahci_read(offset) & bits))
            return true;
        delay_us(10);
    }
    return false;
}

bool ahci_stop(void)
{
    ahci_write(AHCI_PX_CMD, ahci_read(AHCI_PX_CMD) & ~(uint32_t)CMD_ST);
    if (!wait_clear(AHCI_PX_CMD, CMD_CR))
        return false;
    ahci_write(AHCI_PX_CMD, ahci_read(AHCI_PX_CMD) & ~(uint32_t)CMD_FRE);
    return wait_clear(AHCI_PX_CMD, CMD_FR);
}

bool ahci_start(void)
{
    if (!ahci_stop())
        return false;
    ahci_write(PX_CLB, (uint32_t)list);
    ahci_write(PX_CLBU, 0);
    ahci_write(PX_FB, (uint32_t)received);
    ahci_write(PX_FBU, 0);
    ahci_write(AHCI_PX_SERR, 0xffffffff);
    ahci_write(AHCI_PX_IS, 0xffffffff);
    ahci_write(AHCI_PX_CMD, ahci_read(AHCI_PX_CMD) | CMD_FRE);
    if (!wait_clear(AHCI_PX_TFD, TFD_BSY | TFD_DRQ))
        return false;
    ahci_write(AHCI_PX_CMD, ahci_read(AHCI_PX_CMD) | CMD_ST);
    return true;
}

bool ahci_comreset(void)
{
    if (!ahci_stop())
        return false;
    /* The drive's first FIS tells its signature. */
    ahci_write(PX_FB, (uint32_t)received);
    ahci_write(AHCI_PX_CMD, ahci_read(AHCI_PX_CMD) | CMD_FRE);
    ahci_write(AHCI_PX_SCTL, 1);
    delay_us(2000);
    ahci_write(AHCI_PX_SCTL, 0);
    for (uint32_t i = 0; i < WAIT_STEPS && (ahci_read(AHCI_PX_SSTS) & 15) != SSTS_PRESENT; i++)
        delay_us(10);
    return wait_clear(AHCI_PX_TFD, TFD_BSY | TFD_DRQ);
}

static void fill_header(uint32_t slot, uint32_t flags, uint32_t regions)
{
    list[slot].flags = FIS_DWORDS | flags | regions << 16;
    list[slot].moved = 0;
    list[slot].table = (uint32_t)&tables[slot];
    list[slot].table_high = 0;
}

void ahci_prepare(uint32_t slot, uint8_t code, uint64_t lba, uint32_t count, bool write,
                  const struct dma_pieces *pieces)
{
    uint8_t *fis = tables[slot].fis;
    uint32_t regions = pieces ? pieces->count : 0;
    bool ext = code == 0x24 || code == 0x25 || code == 0x29 || code == 0x34 || code == 0x35 || code == 0x39;

    memset(fis, 0, 4 * FIS_DWORDS);
    fis[0] = FIS_HOST;
    fis[1] = FIS_IS_COMMAND;
    fis[2] = code;
    for (uint32_t i = 0; i < 3; i++) {
        fis[4 + i] = (uint8_t)(lba >> 8 * i);
        fis[8 + i] = (uint8_t)(ext ? lba >> (24 + 8 * i) : 0);
    }
    fis[7] = (uint8_t)(DEVICE_LBA | (ext ? 0 : lba >> 24 & 15));
    fis[12] = (uint8_t)count;
    fis[13] = (uint8_t)(ext ? count >> 8 : 0);
    fill_header(slot, write ? HEADER_WRITE : 0, regions);
    for (uint32_t i = 0; i < regions; i++) {
        tables[slot].region[i].address = (uint32_t)pieces->piece[i].at;
        tables[slot].region[i].address_high = tables[slot].region[i].reserved = 0;
        tables[slot].region[i].count = pieces->piece[i].bytes - 1;
    }
}

void ahci_prepare_control(uint32_t slot, uint8_t control)
{
    uint8_t *fis = tables[slot].fis;

    memset(fis, 0, 4 * FIS_DWORDS);
    fis[0] = FIS_HOST;
    fis[15] = control;
    fill_header(slot, control & CONTROL_SRST ? HEADER_RESET | HEADER_CLEAR_BUSY : 0, 0);
}

void ahci_issue(uint32_t slots)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    ahci_write(AHCI_PX_CI, slots);
}

uint32_t ahci_end(uint32_t slots)
{
    for (uint32_t i = 0; i < WAIT_STEPS; i++) {
        uint32_t task_file = ahci_read(AHCI_PX_TFD);
        if (ahci_read(AHCI_PX_IS) & IS_TFES)
            return task_file & TFD_ERR ? task_file >> 8 & 0xff : ahci_read(AHCI_PX_TFD) >> 8 & 0xff;
        if (!(ahci_read(AHCI_PX_CI) & slots))
            return 0;
        delay_us(10);
    }
    return AHCI_TIMEOUT;
}

uint32_t ahci_do(uint8_t code, uint64_t lba, uint32_t count, bool write, const struct dma_pieces *pieces)
{
    ahci_prepare(0, code, lba, count, write, pieces);
    ahci_issue(1);
    uint32_t result = ahci_end(1);
    if (result)
        ahci_start();
    return result;
}

uint32_t ahci_moved(uint32_t slot)
{
    return list[slot].moved;
}

uint64_t ahci_reported(void)
{
    const volatile uint8_t *fis = received + RECEIVED_DEVICE;
    uint64_t lba = 0;

    for (uint32_t i = 0; i < 3; i++)
        lba |= (uint64_t)fis[4 + i] << 8 * i | (uint64_t)fis[8 + i] << (24 + 8 * i);
    return lba;
}
