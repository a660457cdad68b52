/*
 * Loaders: bring a guest to its first instruction. They run in the device model, because they parse images
 * that somebody else made.
 *
 * A load is a plan and its execution. The first call checks the image and writes the plan: pieces of guest
 * RAM to copy or to clear. Each call then moves at most LOADER_STEP bytes. The last one writes the tables
 * that the guest's kernel reads and the state of the first vCPU. struct loader is a state block: plain data.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "guest_config.h"
#include "process_info.h"
#include "upcall.h"
#include "vcpu_state.h"

enum {
    LOADER_STEP = 1 << 20, /* bytes of one call */
    LOADER_PIECES_MAX = 48,
    LOADER_SENTENCE_SIZE = UPCALL_TEXT_SIZE,
};

/* What a loader gets: the description, the boot modules (read-only images), the guest's RAM. */
struct loader_input {
    const struct guest_config *config;
    const struct process_module *module;
    uint32_t module_count;
    uint8_t *ram;       /* guest-physical address 0 */
    uint64_t low_size;  /* bytes of address space from 0, the hole at GUEST_VGA_HOLE included; page-aligned */
    uint64_t high_size; /* bytes of RAM from GUEST_HIGH_RAM */
    uint64_t rsdp;      /* guest-physical address of the ACPI tables' root pointer; 0: there is none */
    uint8_t *rom;       /* SPARE_ROM_SIZE bytes that the guest sees below 4 GiB; NULL: it has none */
};

/* A stretch of guest RAM [start, end): filled bytes from a module, zeros after them if clear is set; only
 * taken if there are none of either. */
struct loader_piece {
    uint64_t start, end; /* guest-physical */
    uint64_t offset;     /* in the module */
    uint64_t filled;     /* bytes from the module, <= end - start */
    uint32_t module;     /* index in loader_input.module, or LOADER_NO_MODULE */
    uint32_t clear;
};

#define LOADER_NO_MODULE 0xffffffffu

enum loader_stage { LOADER_PLAN, LOADER_COPY, LOADER_FINISH, LOADER_DONE };

/* Where a loader put what its tables name. */
struct loader_linux {
    uint64_t initrd_start, initrd_size;
    uint32_t code_start; /* of the protected-mode part */
    uint32_t entry64;    /* start in long mode */
    uint32_t header_end;
    uint32_t kernel; /* module */
};

struct loader_multiboot {
    uint32_t entry;
    uint32_t base; /* of its lowest segment */
    uint32_t info; /* guest-physical address of the information */
    uint32_t start[GUEST_MODULES_MAX], end[GUEST_MODULES_MAX];
};

/* The initrd and the modules. */
enum { PVH_MODULES_MAX = 1 + GUEST_MODULES_MAX };

struct loader_pvh_module {
    uint64_t start, size;
};

struct loader_pvh {
    uint32_t entry;
    uint32_t info; /* guest-physical address of the start structure */
    uint64_t kernel_end;
    uint32_t module_count;
    uint32_t reserved;
    struct loader_pvh_module module[PVH_MODULES_MAX];
};

struct loader_bios {
    uint32_t module;
};

struct loader {
    uint32_t stage; /* enum loader_stage */
    uint32_t piece_count;
    uint32_t piece_at; /* cursor: a piece, and the bytes of it that are done */
    uint32_t reserved;
    uint64_t done;
    struct loader_piece piece[LOADER_PIECES_MAX];
    union {
        struct loader_linux linux_boot;
        struct loader_multiboot multiboot;
        struct loader_pvh pvh;
        struct loader_bios bios;
    };
    char sentence[LOADER_SENTENCE_SIZE]; /* NR_EINVAL: file, place, cause, cure */
};

/* Forgets what was loaded: the next loader_run() starts from the beginning. */
void loader_start(struct loader *loader);

/* One bounded step. NR_EAGAIN: call again. NR_OK: all is in RAM, and *state holds the groups in *groups, for
 * the first vCPU; the others wait for SIPI. NR_EINVAL: the guest cannot start, loader->sentence says why. */
int loader_run(struct loader *loader, const struct loader_input *input, struct vcpu_state *state,
               uint32_t *groups);
