/*
 * The boot report: processor, features of its virtualization extension and how each missing one is replaced,
 * memory, modules. Ring 0 has the facts; the words are here.
 */
#include "layout.h"
#include "process_info.h"
#include "service.h"
#include "string.h"

enum {
    LEAF_NAME = 0x80000002, /* and the two that follow */
    NAME_LEAVES = 3,
};

struct leaf {
    uint32_t eax, ebx, ecx, edx;
};

static const struct process_info *const info = (const struct process_info *)USER_INFO;

static struct leaf cpuid(uint32_t index)
{
    struct leaf r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(index), "c"(0));
    return r;
}

/* Line by line. */
static void report_features(void)
{
    const char *line = info->features;
    for (const char *end = strchr(line, '\n'); end; line = end + 1, end = strchr(line, '\n'))
        service_log("%.*s", (int)(end - line), line);
}

void boot_report(void)
{
    union {
        struct leaf leaf[NAME_LEAVES];
        char text[NAME_LEAVES * sizeof(struct leaf) + 1];
    } name = {0};

    for (uint32_t i = 0; i < NAME_LEAVES; i++)
        name.leaf[i] = cpuid(LEAF_NAME + i);
    service_log("processor: %s, %u MHz, %u of it", name.text, info->tsc_khz / 1000, info->cpu_count);
    report_features();
    service_log("memory: %lu MiB free for guests, %lu KiB the monitor's own", info->memory_free >> 20,
                info->memory_held >> 10);
    service_log("Multiboot %u, %u modules, options \"%s\"", info->multiboot, info->module_count,
                info->options);
    for (uint32_t i = 0; i < info->module_count; i++)
        service_log("module %s, %lu bytes", info->module[i].name, info->module[i].size);
    if (info->modules_lost > 0)
        service_log("%u modules left out: more than %u, or not on a page boundary", info->modules_lost,
                    PROCESS_MODULES_MAX);
}
