/*
 * A guest's RAM and boot modules for the loader tests, and kernels made on the spot.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "errors.h"
#include "layout.h"
#include "little_endian.h"
#include "loader.h"

struct machine {
    struct guest_config config;
    struct process_module module[16];
    struct loader_input input;
    struct loader loader;
    struct vcpu_state state;
    uint32_t groups;
    unsigned steps;
};

static inline void machine_init(struct machine *m, uint32_t memory_mib, uint32_t loader)
{
    memset(m, 0, sizeof *m);
    strcpy(m->config.name, "g");
    m->config.memory_mib = memory_mib;
    m->config.cpu_count = 1;
    m->config.loader = loader;
    m->input = (struct loader_input){.config = &m->config,
                                     .module = m->module,
                                     .ram = malloc((size_t)memory_mib << 20),
                                     .low_size = (uint64_t)memory_mib << 20};
    memset(m->input.ram, 0xcc, m->input.low_size);
}

static inline void machine_free(struct machine *m)
{
    free(m->input.ram);
}

/* The image is not copied: a read behind its end is found by ASan when it comes from malloc(). */
static inline void machine_add(struct machine *m, const char *path, const void *image, uint64_t size)
{
    struct process_module *module = &m->module[m->input.module_count++];
    snprintf(module->name, sizeof module->name, "g:%s", path);
    module->address = (uintptr_t)image;
    module->size = size;
}

static inline int machine_load(struct machine *m)
{
    int result;

    loader_start(&m->loader);
    m->steps = 0;
    do {
        result = loader_run(&m->loader, &m->input, &m->state, &m->groups);
        m->steps++;
    } while (result == NR_EAGAIN && m->steps < 1000);
    return result;
}

/* The load fails and the sentence holds the words. */
static inline void machine_expect_refusal(struct machine *m, const char *words)
{
    assert_int_equal(machine_load(m), NR_EINVAL);
    if (strstr(m->loader.sentence, words) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", words, m->loader.sentence);
}
