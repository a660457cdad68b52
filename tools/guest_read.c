/* Reads the properties of a compiled description that an image needs. */
#include <libfdt.h>
#include <stdio.h>
#include <string.h>
#include "guest.h"
#include "nr.h"

static void copy_string(const void *dtb, int node, const char *name, char *out, size_t size)
{
    const char *value = node >= 0 ? fdt_getprop(dtb, node, name, NULL) : NULL;

    snprintf(out, size, "%s", value != NULL ? value : "");
}

static uint32_t read_cell(const void *dtb, const char *path, const char *name)
{
    int node = fdt_path_offset(dtb, path), length = 0;
    const fdt32_t *value = node >= 0 ? fdt_getprop(dtb, node, name, &length) : NULL;

    return value != NULL && length == sizeof(*value) ? fdt32_ld(value) : 0;
}

int guest_read(struct guest_config *config, const void *dtb, const char *source)
{
    (void)source;
    char loader[16];
    int chosen = fdt_path_offset(dtb, "/chosen");

    copy_string(dtb, 0, "model", config->name, sizeof(config->name));
    copy_string(dtb, chosen, "loader", loader, sizeof(loader));
    copy_string(dtb, chosen, "kernel", config->kernel, sizeof(config->kernel));
    copy_string(dtb, chosen, "initrd", config->initrd, sizeof(config->initrd));
    copy_string(dtb, chosen, "bootargs", config->bootargs, sizeof(config->bootargs));
    config->loader = strcmp(loader, "multiboot") == 0 ? LOADER_MULTIBOOT : LOADER_LINUX;
    config->memory_mib = read_cell(dtb, "/memory", "size-mib");
    config->cpu_count = read_cell(dtb, "/cpus", "count");
    return NR_DONE;
}
