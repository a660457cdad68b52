/*
 * What goes wrong on AHCI: addresses past the end, commands that do not exist, tables that are too short,
 * with the registers and the FIS that tell of it and the commands that wait behind (AHCI 1.3.1, 6.2.2);
 * COMRESET, SRST and a reset of the controller while commands are at work (10.4), after which a sector is as
 * it was or as it should have become.
 */
#include "disk_ahci.h"
#include "guest.h"
#include "memory.h"
#include "power.h"

enum { AT = 6000, COUNT = 8, PARTS = 8, LONG = 256, IS_TFES = 1 << 30, IS_PCS = 1 << 6 };
/* Status without DSC, which is obsolete; what a drive is free to set in its signature (SATA 2.6, 11.4). */
enum { TFD_STATUS = 0xef, TFD_ERROR = 0x41, TFD_ANY = 0x70 };
enum { SERR_EXCHANGED = 1 << 26, CCS_SHIFT = 8 };
static uint8_t *const data = (uint8_t *)0xb00000;

static struct dma_pieces sectors_of_data(uint32_t first, uint32_t count)
{
    return dma_one(data + first * DISK_SECTOR, count * DISK_SECTOR);
}

/* Sectors of which it depends on the controller, or on chance, what they hold get something known. */
static void renew(uint32_t sector, uint32_t count)
{
    struct dma_pieces pieces = sectors_of_data(0, count);

    disk_script_renew(sector, count, data);
    check_value("  written again", ahci_do(0x35, sector, count, true, &pieces), 0);
}

/* IDNF or ABRT, as the drive likes (ATA/ATAPI-6, 8.25.6). */
static bool not_there(uint32_t error)
{
    return error & 0x14;
}

static void check_reads(void)
{
    struct dma_pieces pieces = sectors_of_data(0, COUNT);

    check_value("  a read", ahci_do(0x25, AT, COUNT, false, &pieces), 0);
    check("  right", disk_script_same(AT, COUNT, data));
}

/* The failed command stays issued, and stops those behind it until software has started the port again. */
static void past_the_end(void)
{
    struct dma_pieces first = sectors_of_data(0, 1), second = sectors_of_data(COUNT, 1);

    memset(data, 0xa5, 2 * COUNT * DISK_SECTOR);
    ahci_prepare(3, 0x25, SECTORS, 1, false, &first);
    ahci_prepare(5, 0x25, AT, 1, false, &second);
    ahci_issue(1u << 3 | 1u << 5);
    check("READ DMA EXT past the end fails", not_there(ahci_end(1u << 3)));
    check_value("  PxIS: task file error", ahci_read(AHCI_PX_IS) & IS_TFES, IS_TFES);
    delay_us(2000);
    check_value("  status", ahci_read(AHCI_PX_TFD) & TFD_STATUS, TFD_ERROR);
    observe("  PxCI", ahci_read(AHCI_PX_CI));
    observe("  PxCMD: current slot", ahci_read(AHCI_PX_CMD) >> CCS_SHIFT & 31);
    check_value64("  reported", ahci_reported(), SECTORS);
    observe("  the command behind it has run", data[COUNT * DISK_SECTOR] != 0xa5);
    check("started again", ahci_start());
    check_value("  PxCI", ahci_read(AHCI_PX_CI), 0);
    check_value("  PxIS: task file error", ahci_read(AHCI_PX_IS) & IS_TFES, 0);
    check_reads();
}

static void over_the_end(void)
{
    struct dma_pieces pieces = sectors_of_data(0, 4);

    check("READ SECTORS EXT far past the end fails",
          not_there(ahci_do(0x24, 0x123456789abc, 1, false, &pieces)));
    check_value64("  reported", ahci_reported(), 0x123456789abc);
    check("WRITE DMA EXT past the end fails", not_there(ahci_do(0x35, SECTORS + 7, 1, true, &pieces)));
    disk_script_next(SECTORS - 1, 1, data);
    check("WRITE DMA EXT over the end fails", not_there(ahci_do(0x35, SECTORS - 1, 4, true, &pieces)));
    observe("  reported", ahci_reported());
    check_value("  read back",
                ahci_do(0x25, SECTORS - 1, 1, false, &(struct dma_pieces){1, {{data, DISK_SECTOR}}}), 0);
    check("  the sector before is whole, old or new", disk_script_settle(SECTORS - 1, 1, data));
    renew(SECTORS - 1, 1);
}

static void bad_commands(void)
{
    static const uint8_t codes[] = {0x01, 0x08, 0x50, 0x80, 0xa0, 0xa1, 0xf7, 0xff};
    struct dma_pieces pieces = sectors_of_data(0, 1);
    uint32_t aborted = 0;

    for (uint32_t i = 0; i < ARRAY_LENGTH(codes); i++)
        aborted += ahci_do(codes[i], 0, 1, false, NULL) == 4;
    check_value("commands that there are not: aborted", aborted, ARRAY_LENGTH(codes));
    check_value("SET MULTIPLE MODE of 3 sectors", ahci_do(0xc6, 0, 3, false, NULL), 4);
    check_reads();
    /* A table too short for a write: no more sectors than it has can be written. */
    disk_script_next(AT, COUNT, data);
    ahci_prepare(0, 0x35, AT, COUNT, true, &pieces);
    ahci_issue(1);
    delay_us(2000);
    check("started again after a table that is too short", ahci_comreset() && ahci_start());
    pieces = sectors_of_data(0, COUNT);
    check_value("  read back", ahci_do(0x25, AT, COUNT, false, &pieces), 0);
    check("  the first sector is whole, old or new", disk_script_settle(AT, 1, data));
    check("  the others are as they were", disk_script_same(AT + 1, COUNT - 1, data + DISK_SECTOR));
    renew(AT, 1);
}

/* Eight long writes, which cannot all be done when the reset comes, and not read back before it is over. */
static void begin_writes(void)
{
    struct dma_pieces part;

    disk_script_next(AT, PARTS * LONG, data);
    for (uint32_t i = 0; i < PARTS; i++) {
        part = sectors_of_data(i * LONG, LONG);
        ahci_prepare(i, 0x35, AT + i * LONG, LONG, true, &part);
    }
    ahci_issue((1u << PARTS) - 1);
}

/* QEMU 7.2 crashes now and then when a port is stopped while a command is at work: there, first to its end.
 */
static void stand_still(void)
{
    if (option_number("still", 0))
        ahci_end((1u << PARTS) - 1);
}

static void check_writes(void)
{
    bool whole = true;

    for (uint32_t i = 0; i < PARTS; i++) {
        struct dma_pieces part = sectors_of_data(0, LONG);
        whole &= ahci_do(0x25, AT + i * LONG, LONG, false, &part) == 0;
        whole &= disk_script_settle(AT + i * LONG, LONG, data);
    }
    check("  all sectors are whole, old or new", whole);
    renew(AT, PARTS * LONG);
    check_value("  SET MULTIPLE MODE", ahci_do(0xc6, 0, 8, false, NULL), 0);
}

static void signature(void)
{
    check_value("  signature", ahci_read(AHCI_PX_SIG), 0x101);
    check_value("  task file: passed, not busy", ahci_read(AHCI_PX_TFD) & ~TFD_ANY, 0x100);
    check_value("  link", ahci_read(AHCI_PX_SSTS) & 15, 3);
}

static void resets(void)
{
    begin_writes();
    check("COMRESET while eight commands are issued", ahci_comreset());
    signature();
    observe("  PxSERR: exchanged", ahci_read(AHCI_PX_SERR) & SERR_EXCHANGED);
    observe("  PxIS: connection changed", ahci_read(AHCI_PX_IS) & IS_PCS);
    check_value("  PxCI", ahci_read(AHCI_PX_CI), 0);
    check("  started", ahci_start());
    check_writes();
    begin_writes();
    stand_still();
    check("SRST behind them: stopped and started", ahci_stop() && ahci_start());
    ahci_prepare_control(0, 4);
    ahci_issue(1);
    check_value("  taken", ahci_end(1), 0);
    delay_us(10);
    ahci_prepare_control(0, 0);
    ahci_issue(1);
    check_value("  and ended", ahci_end(1), 0);
    delay_us(2000);
    signature();
    check_writes();
    begin_writes();
    stand_still();
    ahci_host_write(AHCI_GHC, 1);
    for (uint32_t i = 0; i < 100000 && ahci_host_read(AHCI_GHC) & 1; i++)
        delay_us(10);
    print("reset of the controller behind them\n");
    check_value("  GHC.HR", ahci_host_read(AHCI_GHC) & 1, 0);
    ahci_host_write(AHCI_GHC, 1u << 31);
    check_value("  PxCMD: ST and FRE", ahci_read(AHCI_PX_CMD) & 0x11, 0);
    check_value("  PxCI", ahci_read(AHCI_PX_CI), 0);
    check("  the link comes up", ahci_comreset());
    check("  started", ahci_start());
    check_writes();
}

void disk_errors(void)
{
    past_the_end();
    over_the_end();
    bad_commands();
    resets();
}
