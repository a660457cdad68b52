/*
 * A load from fuzzer input, for all loaders: the guest's RAM, the modules, and what must hold whatever they
 * hold.
 */
#pragma once

#include <stdlib.h>
#include <string.h>
#include "errors.h"
#include "layout.h"
#include "loader.h"

enum { FUZZ_MEMORY_MIB = 32, FUZZ_STEPS_MAX = 200 };

static inline void fuzz_require(int holds)
{
    if (!holds)
        abort();
}

/* Loads and checks: bounded steps, the hole at 640 KiB untouched, a sentence on refusal, a first instruction
 * in RAM on success. */
static inline void fuzz_load(const struct guest_config *config, const struct process_module *module,
                             uint32_t count)
{
    static uint8_t hole[GUEST_VGA_HOLE_END - GUEST_VGA_HOLE];
    static uint8_t *ram;
    static struct loader loader;
    static struct vcpu_state state;
    uint64_t size = (uint64_t)FUZZ_MEMORY_MIB << 20;
    uint32_t groups = 0;
    int result = NR_EAGAIN;

    if (ram == NULL)
        ram = calloc(1, size);
    const struct loader_input input = {config, module, count, ram, size, 0, 0, NULL};
    loader_start(&loader);
    for (unsigned i = 0; i < FUZZ_STEPS_MAX && result == NR_EAGAIN; i++)
        result = loader_run(&loader, &input, &state, &groups);
    fuzz_require(result == NR_OK || result == NR_EINVAL);
    fuzz_require(memcmp(ram + GUEST_VGA_HOLE, hole, sizeof hole) == 0);
    if (result == NR_EINVAL) {
        fuzz_require(loader.sentence[0] != '\0' &&
                     memchr(loader.sentence, 0, sizeof loader.sentence) != NULL);
    } else {
        fuzz_require((groups & VCPU_GPR) != 0 && state.gpr.rip < size);
    }
}

/* Loads a kernel, of the module "k", with `count` (reduced to what may be) modules of zeros. */
static inline void fuzz_load_kernel(struct guest_config *config, const uint8_t *kernel, size_t size,
                                    uint32_t count)
{
    enum { MODULE_SIZE = 3 << 20 };
    static uint8_t *contents;
    struct process_module module[2] = {{.name = "g:k"}, {.name = "g:m"}};

    if (contents == NULL)
        contents = calloc(1, MODULE_SIZE);
    config->module_count = count % (GUEST_MODULES_MAX + 1);
    for (uint32_t i = 0; i < config->module_count; i++)
        strcpy(config->module[i].path, "m");
    module[0].address = (uintptr_t)kernel;
    module[0].size = size;
    module[1].address = (uintptr_t)contents;
    module[1].size = MODULE_SIZE;
    fuzz_load(config, module, 2);
}
