/* The floppy controller with its drives: state block. See fdc.c. */
#pragma once

#include <stdint.h>
#include "device.h"

enum { FDC_UNITS = 4, FDC_DRIVES = 2 /* the units that have a cable */, FDC_SECTOR = 512 };

enum fdc_phase {
    FDC_COMMAND, /* takes the bytes of a command */
    FDC_WAITING, /* has them, and the diskette turns */
    FDC_DATA,    /* non-DMA mode: a byte waits, or is waited for */
    FDC_RESULT,
};

struct fdc_unit {
    uint8_t present;  /* cylinder number as the controller counts */
    uint8_t cylinder; /* where the heads are */
    uint8_t target;   /* of a seek; present cylinder number when it has ended */
    uint8_t step_out; /* a relative seek to lower cylinders */
    uint8_t steps;    /* of a relative seek; 0: none */
    uint8_t recalibrate;
    uint8_t status;  /* ST0 for SENSE INTERRUPT STATUS */
    uint8_t changed; /* the disk change line */
    uint8_t next_id; /* the sector, from 0, that comes next under the heads */
    uint8_t reserved[3];
};

struct fdc {
    uint64_t execute_at; /* guest time in ns at which a waiting command is carried out, or DEADLINE_NONE */
    uint64_t settle_at;  /* the same for seeks, and for the interrupt after a reset */
    uint8_t phase;       /* enum fdc_phase */
    uint8_t dor, rate, tape;
    uint8_t command[9], command_count;
    uint8_t result[10], result_count, result_next;
    uint8_t seeking; /* a bit for each unit */
    uint8_t pending; /* units whose status SENSE INTERRUPT STATUS has not told yet */
    uint8_t polled;  /* they are those of a reset: one interrupt for all */
    uint8_t interrupt, irq;
    uint8_t specify[2], configure, precompensation, lock, perpendicular;
    uint8_t last_sector;            /* EOT, or SC of FORMAT TRACK: what DUMPREG shows */
    uint8_t cylinder, head, sector; /* of the data command: the sector that comes next */
    uint8_t side;                   /* of the diskette */
    uint8_t seek_end, control_mark; /* to be told in ST0 and ST2 */
    uint8_t full;                   /* the overlay; said once */
    uint16_t done;                  /* sectors of FORMAT TRACK or VERIFY */
    uint16_t position;              /* in buffer, in non-DMA mode */
    uint8_t buffer[FDC_SECTOR];
    struct fdc_unit unit[FDC_UNITS];
};

extern const struct device fdc_device;

/* Another diskette is in the drive of that number, or none: the disk change line tells of it. */
void fdc_change(struct fdc *fdc, unsigned unit);
