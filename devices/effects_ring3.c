/*
 * effects.h in the device model: system calls, the shared pages, and the other blocks of struct pc.
 *
 * The file keeps nothing from one upcall to the next: what is static here is valid within one.
 */
#include "effects.h"
#include "board.h"
#include "guest_time.h"
#include "modules.h"
#include "ring.h"
#include "ring3.h"
#include "string.h"
#include "syscall.h"

enum {
    LOG_LINE = 256,
    PAGE = 4096,
    PREPARE_PAGES = 64 /* SYS_DISK_PREPARE */,
    MAP_BYTES = 2 << 20 /* SYS_SPARE_MAP */
};

static uint64_t now_ticks; /* guest time of this upcall; 0: not looked at yet */
static bool seen;          /* effects_seen() */
static bool output_began;  /* the service had taken everything before a byte of this upcall */

uint64_t effect_read_tsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

uint64_t effect_now_ticks(void)
{
    if (!now_ticks)
        now_ticks = ring3_pc()->debugger.stood_at;
    if (!now_ticks)
        now_ticks = effect_read_tsc() + ring3_info()->clock_offset;
    return now_ticks;
}

uint64_t effect_now(void)
{
    return guest_time_ns(ring3_info(), effect_now_ticks());
}

uint64_t effect_epoch(void)
{
    return ring3_config()->boot_epoch;
}

void effects_begin(void)
{
    now_ticks = 0;
    seen = false;
    output_began = false;
}

void effects_renew(void)
{
    struct pc *pc = ring3_pc();
    now_ticks = 0;
    if (pc->bus.next_deadline != DEADLINE_NONE && pc->bus.next_deadline <= effect_now())
        bus_tick(&pc->bus, effect_now());
}

bool effects_seen(void)
{
    return seen;
}

void effects_end(void)
{
    struct pc *pc = ring3_pc();
    uint64_t deadline = pc->debugger.stood_at ? DEADLINE_NONE : pc->bus.next_deadline;
    if (deadline != pc->timer_deadline) {
        pc->timer_deadline = deadline;
        pc->timer = deadline == DEADLINE_NONE ? 0 : guest_time_ticks(ring3_info(), deadline);
        sys_timer_set(pc->timer);
    }
    if (output_began)
        sys_notify(ring3_info()->guest_index);
}

void effect_irq(unsigned irq, enum irq_source source, bool level)
{
    struct pc *pc = ring3_pc();
    board_set_irq(&pc->board, &pc->pic, &pc->ioapic, irq, source, level);
}

void effect_irq_replace(bool replaced)
{
    struct pc *pc = ring3_pc();
    board_replace_timers(&pc->board, &pc->pic, &pc->ioapic, replaced);
}

void effect_ioapic_pin(unsigned pin, bool level)
{
    ioapic_set_line(&ring3_pc()->ioapic, pin, level);
}

bool effect_irq_waiting(unsigned irq)
{
    return pic_waiting(&ring3_pc()->pic, irq);
}

void effect_pci_interrupt(uint16_t devfn, unsigned pin, bool level)
{
    piix3_set_interrupt(&ring3_pc()->piix3, devfn, pin, level);
}

void effect_msi(uint64_t address, uint32_t data)
{
    seen = true;
    sys_lapic_message(address, data);
}

void effect_intr(bool level)
{
    seen = true;
    sys_intr_level(level);
}

/* The end of memory that is not plain RAM, or not always. */
static uint64_t upper_end(void)
{
    return ring3_config()->spare_mib ? GUEST_HMA_END : GUEST_UPPER_END;
}

/* All of [gpa, gpa + length) below the VGA hole, above the upper memory, or in RAM from GUEST_HIGH_RAM on. */
static bool is_plain_ram(uint64_t gpa, uint64_t length)
{
    uint64_t low = ring3_low_size(), high = ring3_high_size();
    if (gpa >= GUEST_HIGH_RAM)
        return gpa - GUEST_HIGH_RAM <= high && length <= high - (gpa - GUEST_HIGH_RAM);
    uint64_t end = gpa < GUEST_VGA_HOLE && low > GUEST_VGA_HOLE ? GUEST_VGA_HOLE : low;
    return gpa <= end && length <= end - gpa && (gpa < GUEST_VGA_HOLE || gpa >= upper_end());
}

void *ring3_memory(uint64_t gpa, uint64_t length, unsigned rights)
{
    uint64_t mapped = length; /* of it, what comes before the RAM behind the upper memory */
    uint64_t low = ring3_low_size();
    if (gpa >= GUEST_HMA_END && gpa < low && length <= low - gpa) /* nearly always */
        return (uint8_t *)USER_GUEST_RAM + gpa;
    if (is_plain_ram(gpa, length))
        return (uint8_t *)USER_GUEST_RAM + gpa;
    if (gpa < upper_end() && length > upper_end() - gpa)
        mapped = upper_end() - gpa;
    if (rights & ~memory_map_rights(&ring3_pc()->memory, gpa, mapped) ||
        !is_plain_ram(upper_end(), length - mapped))
        return NULL;
    return (uint8_t *)USER_GUEST_RAM + gpa;
}

void *effect_ram(uint64_t gpa, uint64_t length)
{
    return ring3_memory(gpa, length, MEMORY_READ | MEMORY_WRITE);
}

uint8_t *effect_spare(uint64_t offset)
{
    return ring3_config()->spare_mib ? (uint8_t *)USER_SPARE + offset : NULL;
}

bool effect_map(uint64_t gpa, const uint8_t *from, uint64_t length, unsigned rights)
{
    uint64_t offset = rights == MEMORY_NONE ? 0 : (uintptr_t)from - USER_SPARE;
    int64_t result = NR_OK;
    for (uint64_t done = 0; result == NR_OK && done < length; done += MAP_BYTES) {
        uint64_t part = length - done < MAP_BYTES ? length - done : MAP_BYTES;
        result = sys_spare_map(gpa + done, rights ? offset + done : 0, rights, part);
    }
    return result == NR_OK && memory_map_note(&ring3_pc()->memory, gpa, length, rights);
}

/* Masked, the memory there is not shown, so that each access comes to the emulator (machine_ram()). */
void effect_a20(bool on)
{
    const uint8_t *hma = effect_spare(SPARE_UPPER + GUEST_UPPER_END - GUEST_VGA_HOLE);
    struct board *board = &ring3_pc()->board;
    if (!hma || board->a20_masked == !on)
        return;
    board->a20_masked = !on;
    bool there = on && ring3_low_size() >= GUEST_HMA_END;
    effect_map(GUEST_UPPER_END, hma, GUEST_HMA_END - GUEST_UPPER_END, there ? MEMORY_ALL : MEMORY_NONE);
}

uint32_t effect_dma(unsigned channel, bool to_memory, uint8_t *bytes, uint32_t length, bool *terminal)
{
    return dma8237_transfer(&ring3_pc()->dma, channel, to_memory, bytes, length, terminal);
}

bool effect_console_put(uint8_t byte)
{
    struct channel *c = ring3_channel();
    uint32_t before = c->output_head;
    if (!ring_put(c->output, CHANNEL_OUTPUT, &c->output_head, &c->output_tail, byte))
        return false;
    /* Looked at after the byte is there: the service may have emptied the ring, and gone to sleep, in
     * between. */
    if (__atomic_load_n(&c->output_tail, __ATOMIC_SEQ_CST) == before)
        output_began = true;
    return true;
}

int effect_console_get(void)
{
    struct channel *c = ring3_channel();
    return ring_get(c->input, CHANNEL_INPUT, &c->input_head, &c->input_tail);
}

uint32_t effect_console_breaks(void)
{
    return __atomic_load_n(&ring3_channel()->breaks, __ATOMIC_ACQUIRE);
}

bool effect_input(struct input_event *event)
{
    struct channel *c = ring3_channel();
    int at = ring_waiting(CHANNEL_EVENTS, &c->event_head, &c->event_tail);
    if (at < 0)
        return false;
    *event = c->event[at];
    ring_moved(&c->event_tail);
    return true;
}

uint32_t effect_power_presses(void)
{
    return __atomic_load_n(&ring3_channel()->presses, __ATOMIC_ACQUIRE);
}

/* Only for guests that know where they run: others take the time of a read for the speed of their processor.
 */
void effect_rest(uint64_t ns)
{
    if (!guest_config_has_kvm(ring3_config()))
        return;
    seen = true;
    ((struct upcall *)USER_UPCALL)->rest_until = guest_time_ticks(ring3_info(), ns);
}

/* Nobody would take the message while the local APIC is switched off. */
void effect_processor_reset(void)
{
    enum { INIT_ALL = 0xfeeff000, INIT = 5 << 8, APIC_ENABLE = 1 << 11 };
    bool taken = sys_lapic_access(LAPIC_MSR_BASE, 0, 0) & APIC_ENABLE;
    if (taken && ring3_config()->loader == LOADER_BIOS)
        effect_msi(INIT_ALL, INIT);
    else
        effect_guest_end(GUEST_END_RESET);
}

void effect_guest_end(enum guest_end end)
{
    seen = true;
    sys_guest_end(end, ring3_info()->guest_index);
}

void effect_exit_value(uint32_t value)
{
    if (ring3_channel()->exit_value == 0)
        ring3_channel()->exit_value = value + 1;
}

void effect_need(enum need_kind kind, uint64_t address)
{
    struct channel *c = ring3_channel();
    uint32_t count = c->need_count < CHANNEL_NEEDS ? c->need_count : CHANNEL_NEEDS;
    if (kind == NEED_MEMORY_READ || kind == NEED_MEMORY_WRITE)
        address &= ~0xfffull;
    for (uint32_t i = 0; i < count; i++) {
        if (c->need[i].address == address && c->need[i].kind == kind) {
            c->need[i].count++;
            return;
        }
    }
    if (count == CHANNEL_NEEDS) {
        c->needs_lost++;
        return;
    }
    c->need[count] = (struct need){.address = address, .kind = kind, .count = 1};
    c->need_count = count + 1;
}

void effect_region(const void *state, unsigned region, uint64_t base, uint32_t length)
{
    bus_map(&ring3_pc()->bus, state, region, base, length);
}

void effect_config_io(uint16_t devfn, struct io *io)
{
    bus_config_io(&ring3_pc()->bus, devfn, io);
}

const struct guest_config *effect_guest_config(void)
{
    return ring3_config();
}

static uint8_t *image_find(const char *image, uint64_t *size)
{
    const struct process_info *info = ring3_info();
    int found = modules_find(info->module, info->module_count, ring3_config()->name, image);
    if (found < 0)
        return NULL;
    *size = info->module[found].size;
    return (uint8_t *)info->module[found].address;
}

const uint8_t *effect_file(const char *path, uint64_t *size)
{
    return image_find(path, size);
}

uint8_t *effect_disk(unsigned unit, uint64_t *size)
{
    const struct guest_config *config = ring3_config();
    bool there = unit < config->disk_count && unit < GUEST_DISKS_MAX;
    return there ? image_find(config->disk[unit].image, size) : NULL;
}

uint8_t *effect_cd(unsigned unit, uint64_t *size)
{
    const char *path = media_in_cd(&ring3_pc()->media, unit);
    return path ? image_find(path, size) : NULL;
}

uint8_t *effect_floppy(unsigned unit, uint64_t *size)
{
    const char *path = media_in_floppy(&ring3_pc()->media, unit);
    return path ? image_find(path, size) : NULL;
}

uint64_t effect_floppy_described(unsigned unit)
{
    uint64_t size = 0;
    return unit < GUEST_FLOPPIES_MAX && image_find(ring3_config()->floppy[unit].image, &size) ? size : 0;
}

int effect_disk_prepare(uint8_t *bytes, uint64_t length)
{
    uint64_t from = (uintptr_t)bytes & ~(uint64_t)(PAGE - 1);
    uint64_t pages = ((uintptr_t)bytes + length + PAGE - 1 - from) / PAGE;
    int64_t result = 0;
    for (uint64_t done = 0; result >= 0 && done < pages; done += PREPARE_PAGES)
        result =
            sys_disk_prepare(from + done * PAGE, pages - done < PREPARE_PAGES ? pages - done : PREPARE_PAGES);
    return result < 0 ? (int)result : NR_OK;
}

void effect_log(const char *sentence)
{
    sys_print(sentence, strnlen(sentence, LOG_LINE));
}
