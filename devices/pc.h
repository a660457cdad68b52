/*
 * struct pc: all state of a guest's PC that outlives the device model's process. It lies at USER_STATE.
 */
#pragma once

#include <stdint.h>
#include "ahci.h"
#include "ahead_history.h"
#include "board.h"
#include "bus.h"
#include "debug_ports.h"
#include "fw_cfg.h"
#include "debugger.h"
#include "dma8237.h"
#include "fdc.h"
#include "hpet.h"
#include "i440fx.h"
#include "i8042.h"
#include "ide.h"
#include "ioapic.h"
#include "layout.h"
#include "loader.h"
#include "media.h"
#include "memory_map.h"
#include "msr.h"
#include "pic.h"
#include "piix3.h"
#include "piix4_pm.h"
#include "pit.h"
#include "processor.h"
#include "cmos_clock.h"
#include "system_ports.h"
#include "uart.h"
#include "vga.h"
#include "virtio_blk.h"

/* How far a START or RESET has come. */
enum pc_stage { PC_STAGE_NEW, PC_STAGE_LOADING, PC_STAGE_RUNNING };

struct pc {
    struct bus bus; /* first: state blocks are at offsets from it */
    struct board board;
    struct memory_map memory;
    struct pic pic;
    struct pit pit;
    struct ioapic ioapic;
    struct rtc rtc;
    struct hpet hpet;
    struct i8042 i8042;
    struct uart uart;
    struct i440fx i440fx;
    struct piix3 piix3;
    struct ide ide;
    struct ahci ahci;
    struct piix4_pm piix4_pm;
    struct system_ports system_ports;
    struct debug_ports debug_ports;
    struct fw_cfg fw_cfg;
    struct vga vga;
    struct dma8237 dma;
    struct fdc fdc;
    struct media media;
    struct virtio_blk disk[GUEST_DISKS_MAX];
    struct msr_state msrs;
    struct processor_limits limits; /* of all the guest's processors */
    uint32_t stage;                 /* enum pc_stage */
    uint32_t misbehaved;            /* how often the test build has; it goes on from there after a restart */
    uint32_t refused;               /* instructions that could not be emulated; the first ones are logged */
    uint32_t reserved;
    uint64_t timer;          /* what SYS_TIMER_SET was told last, in guest TSC ticks; 0: off */
    uint64_t timer_deadline; /* the same in ns, as the bus has it; 0: to be told again */
    struct ahead_history history;
    struct loader loader;
    struct debugger debugger;
};

_Static_assert(sizeof(struct pc) <= USER_STATE_SIZE, "state blocks");
