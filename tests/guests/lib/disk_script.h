/*
 * A fixed script of random reads and writes of a medium, the same on every bus, and what the medium must hold
 * afterwards. Each sector has a generation, which a write raises; what a sector holds is computed of its
 * number and its generation, so that a whole medium is known by two bytes a sector. Generation 0 is what
 * run.py made.
 *
 * A bus brings its ways to read and to write. The script picks a way, a place, a length, and the pieces of
 * memory that the data come from or go to; a way may draw from the script's random numbers, too. All of it
 * follows from the seed: nothing depends on time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "dma.h"

enum {
    DISK_SCRIPT_SECTORS = 16384,
    DISK_SCRIPT_COMMANDS = 10000,
    DISK_SECTOR = 512,
    DISK_DATA_MAX = 0x20000 /* bytes of a command */
};

struct disk_way {
    const char *name;
    /* Moves `count` sectors from `sector` on; 0, or an error. */
    uint32_t (*move)(const struct disk_way *way, uint32_t sector, uint32_t count,
                     const struct dma_pieces *pieces);
    bool write;
    uint8_t code;         /* the bus's: a command */
    uint8_t flags;        /* the bus's */
    uint16_t most;        /* sectors in one command */
    uint32_t reach;       /* sectors that it can address; 0: all */
    uint8_t one_in;       /* taken as often as others only one time in so many; 0: always */
    uint8_t pieces;       /* of memory, at most, for one command */
    uint8_t align;        /* of their addresses and lengths: 1, 2 or 4 */
    uint32_t piece_bytes; /* of each, at most; up to 64 KiB, and then none crosses 64 KiB, or DISK_DATA_MAX */
};

struct disk_medium {
    uint32_t sectors;
    uint32_t sector_bytes;
    uint32_t pattern; /* word 1 of each sector of generation 0 */
    const struct disk_way *ways;
    uint32_t way_count;
};

/* Begins with a medium that is as run.py made it. */
void disk_script_begin(const struct disk_medium *medium);
/* The script; prints how often each way was taken, and a sum of all that was read. */
void disk_script_run(uint32_t commands);
uint32_t disk_script_random(uint32_t below);
/* Reads the whole medium, by all ways to read in turn, and checks it; prints its checksum. */
void disk_script_check(const char *name);

/* For what a bus tries beside the script: the next generation of some sectors; and that they have it now,
 * after a write that succeeded, or, after one that was cut off, if what was read of them says so. False: a
 * sector is neither as it was nor as it should have become. */
void disk_script_next(uint32_t sector, uint32_t count, void *to);
void disk_script_written(uint32_t sector, uint32_t count);
bool disk_script_settle(uint32_t sector, uint32_t count, const void *read);
/* What sectors get that hold one or the other by chance, so that it is the same in every run. */
void disk_script_renew(uint32_t sector, uint32_t count, void *to);
/* Whether bytes are what the sectors must hold. */
bool disk_script_same(uint32_t sector, uint32_t count, const void *read);
