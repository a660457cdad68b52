/* From the boot loader to the test, and from the test to the end; the protocol of checks (docs/design.md,
 * section 11). */
#include "guest.h"
#include "memory.h"
#include "processor.h"
#include "descriptors.h"
#include "power.h"

enum { MULTIBOOT_LOADED = 0x2badb002, MULTIBOOT2_LOADED = 0x36d76289 };
enum { TAG_COMMAND = 1, TAG_MODULE = 3, TAG_MEMORY = 4, TAG_MAP = 6, TAG_OLD_RSDP = 14 };
enum { INFO_MEMORY = 1, INFO_COMMAND = 4, INFO_MODULES = 8, INFO_MAP = 64 };
enum { MARKER_BASIS = 0x811c9dc5, MARKER_PRIME = 0x01000193 };

enum { PIC_MASTER_MASK = 0x21, PIC_SLAVE_MASK = 0xa1 };

struct boot_info boot_info;
static uint32_t checks, failed;
_Noreturn void guest_start(uint32_t magic, const uint32_t *info);

static void copy_command_line(const char *text)
{
    for (uint32_t i = 0; i < sizeof(boot_info.command_line) - 1 && text[i]; i++)
        boot_info.command_line[i] = text[i];
}

/* Multiboot2 Specification 2.0, section 3.6: flags has a bit for each type of tag. */
static void copy_tags(const uint32_t *info)
{
    const uint32_t *end = info + info[0] / 4;

    for (const uint32_t *tag = info + 2; tag < end && tag[0] != 0; tag += (tag[1] + 7) / 8 * 2) {
        boot_info.flags |= 1u << (tag[0] & 31);
        if (tag[0] == TAG_COMMAND) {
            copy_command_line((const char *)(tag + 2));
        } else if (tag[0] == TAG_MEMORY) {
            boot_info.memory_lower = tag[2];
            boot_info.memory_upper = tag[3];
        } else if (tag[0] == TAG_OLD_RSDP) {
            boot_info.rsdp = (uint32_t)(tag + 2);
        } else if (tag[0] == TAG_MODULE && boot_info.module_count < ARRAY_LENGTH(boot_info.module)) {
            boot_info.module[boot_info.module_count].start = tag[2];
            boot_info.module[boot_info.module_count++].end = tag[3];
        }
        for (uint32_t at = 4; tag[0] == TAG_MAP && 4 * at < tag[1]; at += tag[2] / 4) {
            uint32_t i = boot_info.map_length;
            if (i == ARRAY_LENGTH(boot_info.map))
                break;
            boot_info.map[i].base = (uint64_t)tag[at + 1] << 32 | tag[at];
            boot_info.map[i].length = (uint64_t)tag[at + 3] << 32 | tag[at + 2];
            boot_info.map[i].type = tag[at + 4];
            boot_info.map_length++;
        }
    }
}

/* Multiboot Specification 0.6.96, section 3.3. */
static void copy_boot_info(uint32_t magic, const uint32_t *info)
{
    boot_info.magic = magic;
    if (magic == MULTIBOOT2_LOADED)
        copy_tags(info);
    if (magic != MULTIBOOT_LOADED)
        return;
    boot_info.flags = info[0];
    boot_info.memory_lower = info[0] & INFO_MEMORY ? info[1] : 0;
    boot_info.memory_upper = info[0] & INFO_MEMORY ? info[2] : 0;
    if (info[0] & INFO_COMMAND)
        copy_command_line((const char *)info[4]);
    for (uint32_t i = 0; (info[0] & INFO_MODULES) && i < info[5] && i < ARRAY_LENGTH(boot_info.module); i++) {
        const uint32_t *module = (const uint32_t *)info[6] + 4 * i;
        boot_info.module[i].start = module[0];
        boot_info.module[i].end = module[1];
        boot_info.module_count++;
    }
    if (!(info[0] & INFO_MAP))
        return;
    for (uint32_t at = 0; at < info[11] && boot_info.map_length < ARRAY_LENGTH(boot_info.map);) {
        const uint32_t *entry = (const uint32_t *)(info[12] + at);
        uint32_t i = boot_info.map_length++;
        boot_info.map[i].base = (uint64_t)entry[2] << 32 | entry[1];
        boot_info.map[i].length = (uint64_t)entry[4] << 32 | entry[3];
        boot_info.map[i].type = entry[5];
        at += entry[0] + 4;
    }
}

void guest_start(uint32_t magic, const uint32_t *info)
{
    copy_boot_info(magic, info);
    descriptors_initialise();
    serial_initialise();
    outb(PIC_MASTER_MASK, 0xff); /* some firmware leaves the 8254's line open */
    outb(PIC_SLAVE_MASK, 0xff);
    print("\nGUEST %s\n", guest_name);
    guest_main();
    guest_end();
}

const char *guest_command_line(void)
{
    return boot_info.command_line;
}

static const char *option_text(const char *name)
{
    const char *text = boot_info.command_line;

    for (; *text; text++) {
        size_t length = 0;
        while (name[length] && text[length] == name[length])
            length++;
        if (!name[length] && text[length] == '=' && (text == boot_info.command_line || text[-1] == ' '))
            return text + length + 1;
    }
    return NULL;
}

uint32_t option_number(const char *name, uint32_t otherwise)
{
    const char *text = option_text(name);
    uint32_t value = 0, base = 10;

    if (!text)
        return otherwise;
    if (text[0] == '0' && text[1] == 'x') {
        base = 16;
        text += 2;
    }
    for (;; text++) {
        uint32_t digit = *text >= '0' && *text <= '9'   ? (uint32_t)(*text - '0')
                         : *text >= 'a' && *text <= 'f' ? (uint32_t)(*text - 'a' + 10)
                                                        : base;
        if (digit >= base)
            return value;
        value = value * base + digit;
    }
}

void check(const char *name, bool holds)
{
    checks++;
    failed += !holds;
    print(*name ? "%s: %s\n" : "%s %s\n", name, holds ? "ok" : "FAIL");
}

void check_value64(const char *name, uint64_t observed, uint64_t expected)
{
    print("%s: %llx", name, observed);
    if (observed != expected)
        print(" expected %llx", expected);
    check("", observed == expected);
}

void check_value(const char *name, uint32_t observed, uint32_t expected)
{
    check_value64(name, observed, expected);
}

void check_text(const char *name, const char *observed, const char *expected)
{
    uint32_t i = 0;

    while (observed[i] && observed[i] == expected[i])
        i++;
    print("%s: %s", name, observed);
    if (observed[i] != expected[i])
        print(" expected %s", expected);
    check("", observed[i] == expected[i]);
}

void observe(const char *name, uint64_t observed)
{
    print("%s: %llx observed\n", name, observed);
}

static uint32_t marker_add(uint32_t marker, uint32_t value)
{
    for (uint32_t i = 0; i < 4; i++)
        marker = (marker ^ (value >> 8 * i & 0xff)) * MARKER_PRIME;
    return marker;
}

/* The marker is FNV-1a over nonce, checks and failures: a log from another run cannot pass for this one. */
void guest_print_end(void)
{
    uint32_t marker =
        marker_add(marker_add(marker_add(MARKER_BASIS, option_number("nonce", 0)), checks), failed);

    print("DONE %u checks, %u failed, marker %08x\n", checks, failed, marker);
}

void guest_end(void)
{
    interrupts_off();
    guest_print_end();
    power_debug_exit(failed ? 1 : 0);
    power_off();
}

void guest_abort(const char *why)
{
    failed++;
    print("ABORT %s\n", why);
    guest_end();
}
