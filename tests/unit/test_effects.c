/*
 * The device model's effects: what they leave in the shared pages, and after which of them a guest must not
 * be emulated further. The pages lie where the monitor maps them; the system calls are recorders, and
 * effects_ring3.c is included, so that it calls these.
 *
 * sources: devices/vga.c devices/vga_memory.c devices/vga_retrace.c devices/vbe.c
 * sources: devices/pc.c devices/bus.c devices/board.c devices/pic.c devices/pit.c devices/pit_channel.c
 * sources: devices/cmos_clock.c lib/calendar.c devices/i8042.c devices/uart.c devices/ioapic.c
 * sources: devices/ps2_keyboard.c devices/ps2_mouse.c
 * sources: devices/system_ports.c devices/debug_ports.c devices/behave.c devices/reset_rom.c
 * sources: devices/i440fx.c devices/pam.c devices/memory_map.c devices/p[ci]i*.c devices/msix.c
 * sources: devices/fw_cfg.c devices/firmware_files.c devices/boot_order.c devices/acpi_tables.c
 * sources: devices/table_area.c devices/smbios.c devices/cpuid.c
 * sources: devices/virt*.c devices/dma8237.c devices/guest_time.c lib/format.c lib/modules.c
 * sources: devices/disk_image.c devices/ide.c devices/bmide.c devices/ata*.c lib/ide_places.c
 * sources: devices/ahci*.c devices/hpet.c devices/media.c
 * sources: devices/fdc*.c lib/image_floppy.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include "syscall.h"

#define sys_guest_end     recorded_end
#define sys_spare_map     recorded_map
#define sys_intr_level    recorded_intr
#define sys_lapic_message recorded_message
#define sys_lapic_access  recorded_access
#define sys_timer_set     recorded_timer
static int64_t recorded_end(enum guest_end end, uint32_t guest);
static int64_t recorded_intr(uint32_t level);
static int64_t recorded_map(uint64_t gpa, uint64_t offset, uint32_t rights, uint64_t length);
static int64_t recorded_message(uint64_t address, uint32_t data);
static int64_t recorded_access(uint32_t offset, uint32_t write, uint64_t value);
static int64_t recorded_timer(uint64_t ticks);
#include "../../devices/effects_ring3.c"

static unsigned ended;
static enum guest_end ended_how;

static int64_t recorded_end(enum guest_end end, uint32_t guest)
{
    assert_int_equal(guest, 0);
    ended++;
    ended_how = end;
    return 0;
}

static int64_t recorded_intr(uint32_t level)
{
    (void)level;
    return 0;
}

static unsigned messages;
static uint64_t message_address;
static uint32_t message_data;

static int64_t recorded_message(uint64_t address, uint32_t data)
{
    messages++;
    message_address = address;
    message_data = data;
    return 0;
}

static uint32_t apic_base;

static int64_t recorded_access(uint32_t offset, uint32_t write, uint64_t value)
{
    assert_true(offset == LAPIC_MSR_BASE && !write && !value);
    return apic_base;
}

static uint64_t timer;
static unsigned timers;

static int64_t recorded_timer(uint64_t ticks)
{
    timer = ticks;
    timers++;
    return 0;
}

static uint64_t mapped_gpa, mapped_offset, mapped_length;
static unsigned mapped, mapped_rights;
static int64_t map_answer;

static int64_t recorded_map(uint64_t gpa, uint64_t offset, uint32_t rights, uint64_t length)
{
    mapped++;
    mapped_gpa = gpa;
    mapped_offset = offset;
    mapped_rights = rights;
    mapped_length = length;
    return map_answer;
}

static void map(uint64_t address, size_t size)
{
    void *wanted = (void *)(uintptr_t)address;
    void *got =
        mmap(wanted, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    assert_ptr_equal(got, wanted);
}

static int map_all(void **state)
{
    (void)state;
    map(USER_UPCALL, PAGE);
    map(USER_INFO, sizeof(struct process_info));
    map(USER_CONFIG, GUEST_CONFIG_SIZE);
    map(USER_STATE, USER_STATE_SIZE);
    map(USER_CHANNEL, CHANNEL_SIZE);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    memset(ring3_channel(), 0, CHANNEL_SIZE);
    ((struct guest_config *)USER_CONFIG)->spare_mib = 0;
    bus_reset(&ring3_pc()->bus);
    ended = mapped = messages = 0;
    apic_base = 0xfee00900;
    map_answer = NR_OK;
    ((struct guest_config *)USER_CONFIG)->memory_mib = 16;
    ((struct guest_config *)USER_CONFIG)->spare_mib = GUEST_SPARE_MIB;
    memory_map_reset(&ring3_pc()->memory, true);
    effects_begin();
    return 0;
}

/* A guest that has ended does nothing more: what follows in its code would have effects. */
static void the_end_of_a_guest_is_seen(void **state)
{
    (void)state;
    assert_false(effects_seen());
    effect_guest_end(GUEST_END_RESET);
    assert_true(effects_seen());
    assert_int_equal(ended, 1);
    assert_int_equal(ended_how, GUEST_END_RESET);
    effects_begin();
    assert_false(effects_seen());
}

/* All processors get an INIT where a firmware is there to take over, and can. */
static void a_reset_of_the_processors_leaves_the_rest(void **state)
{
    (void)state;
    ((struct guest_config *)USER_CONFIG)->loader = LOADER_BIOS;
    bus_write(&ring3_pc()->bus, IO_PORT, 0x92, 1, 3);
    assert_true(effects_seen());
    assert_int_equal(messages, 1);
    assert_int_equal(message_address, 0xfeeff000);
    assert_int_equal(message_data, 0x500);
    assert_int_equal(ended, 0);
    apic_base = 0xfee00100;
    effect_processor_reset();
    assert_int_equal(ended, 1);
    apic_base = 0xfee00900;
    ((struct guest_config *)USER_CONFIG)->loader = LOADER_MULTIBOOT;
    effect_processor_reset();
    assert_int_equal(ended, 2);
    assert_int_equal(ended_how, GUEST_END_RESET);
    assert_int_equal(messages, 1);
}

static void the_debug_port_ends_the_guest_with_its_first_value(void **state)
{
    (void)state;
    bus_write(&ring3_pc()->bus, IO_PORT, 0xf4, 4, 7);
    assert_true(effects_seen());
    assert_int_equal(ended_how, GUEST_END_POWER_OFF);
    /* Another processor comes before the monitor has stopped it. */
    effects_begin();
    bus_write(&ring3_pc()->bus, IO_PORT, 0xf4, 4, 9);
    assert_int_equal(ring3_channel()->exit_value, 7 + 1);
}

static void an_exit_value_of_zero_is_one(void **state)
{
    (void)state;
    assert_int_equal(ring3_channel()->exit_value, 0);
    effect_exit_value(0);
    effect_exit_value(5);
    assert_int_equal(ring3_channel()->exit_value, 0 + 1);
}

static void what_an_interrupt_changes_is_seen(void **state)
{
    (void)state;
    effect_need(NEED_IGNORED, 0);
    assert_true(effect_console_put('x'));
    assert_false(effects_seen());
    effect_intr(true);
    assert_true(effects_seen());
    effects_begin();
    effect_msi(0xfee00000, 0x30);
    assert_true(effects_seen());
}

static void *at(uint64_t gpa)
{
    return (uint8_t *)USER_GUEST_RAM + gpa;
}

static void a_guest_without_spare_memory_has_ram_behind_the_vga_hole(void **state)
{
    (void)state;
    ((struct guest_config *)USER_CONFIG)->spare_mib = 0;
    memory_map_reset(&ring3_pc()->memory, false);
    assert_null(effect_spare(0));
    assert_ptr_equal(effect_ram(0x9f000, 0x1000), at(0x9f000));
    assert_null(effect_ram(0x9f000, 0x1001));
    assert_null(effect_ram(0xbf000, 0x1000));
    assert_ptr_equal(effect_ram(0xc0000, 0x40000), at(0xc0000));
    assert_ptr_equal(effect_ram(0xff000, 0x3000), at(0xff000)); /* over the first MiB's end */
    assert_ptr_equal(effect_ram(0xfff000, 0x1000), at(0xfff000));
    assert_null(effect_ram(0xfff000, 0x1001));
    assert_null(effect_ram(0x1000000, 1));
    assert_null(effect_ram(UINT64_MAX, 2));
}

static void devices_move_data_where_the_guest_may_write(void **state)
{
    (void)state;
    assert_null(effect_ram(0xf0000, 1));
    assert_true(effect_map(0xf0000, effect_spare(SPARE_UPPER), 0x10000, MEMORY_READ | MEMORY_EXECUTE));
    assert_int_equal(mapped_offset, SPARE_UPPER);
    assert_int_equal(mapped_length, 0x10000);
    assert_null(effect_ram(0xf0000, 1));
    assert_ptr_equal(ring3_memory(0xf0000, 0x1000, MEMORY_READ), at(0xf0000));
    assert_null(ring3_memory(0xf0000, 0x1000, MEMORY_READ | MEMORY_WRITE));
    assert_null(ring3_memory(0xef000, 0x1001, MEMORY_READ));
    assert_true(effect_map(0xff000, effect_spare(SPARE_UPPER), 0x1000, MEMORY_ALL));
    assert_null(effect_ram(0xff000, 0x2000));
    ring3_pc()->board.a20_masked = true;
    effect_a20(true);
    assert_int_equal(mapped_gpa, 0x100000);
    assert_int_equal(mapped_offset, SPARE_UPPER + 0x60000);
    assert_int_equal(mapped_length, 0x10000);
    assert_ptr_equal(effect_ram(0xff000, 0x2000), at(0xff000));
    assert_ptr_equal(effect_ram(0xff000, 0x12000),
                     at(0xff000)); /* and over the end of what real mode reaches */
    mapped = 0;
    effect_a20(true); /* as it is */
    assert_int_equal(mapped, 0);
    bus_write(&ring3_pc()->bus, IO_PORT, 0x92, 1, 0);
    assert_int_equal(mapped_gpa, 0x100000);
    assert_int_equal(mapped_rights, MEMORY_NONE);
    assert_null(effect_ram(0x100000, 1));
    assert_ptr_equal(effect_ram(0x110000, 1), at(0x110000));
    assert_true(effect_map(0xff000, NULL, 0x1000, MEMORY_NONE));
    assert_int_equal(mapped_rights, MEMORY_NONE);
    assert_null(ring3_memory(0xff000, 1, MEMORY_READ));
}

static void a_window_is_mapped_in_pieces_and_taken_back(void **state)
{
    (void)state;
    assert_true(
        effect_map(0xfd000000, effect_spare(SPARE_VIDEO), SPARE_VIDEO_SIZE, MEMORY_READ | MEMORY_WRITE));
    assert_int_equal(mapped, 8);
    assert_int_equal(mapped_gpa, 0xfde00000);
    assert_int_equal(mapped_offset, 0xe00000);
    assert_ptr_equal(effect_ram(0xfdfff000, 0x1000), at(0xfdfff000));
    assert_null(effect_ram(0xfdfff000, 0x1001));
    assert_true(effect_map(0xfd000000, NULL, SPARE_VIDEO_SIZE, MEMORY_NONE));
    assert_null(effect_ram(0xfd000000, 1));
    map_answer = NR_EINVAL;
    assert_false(effect_map(0xfd000000, effect_spare(SPARE_VIDEO), SPARE_VIDEO_SIZE, MEMORY_ALL));
    assert_null(effect_ram(0xfd000000, 1));
}

static void windows_are_counted_and_checked(void **state)
{
    struct memory_map *memory = &ring3_pc()->memory;
    (void)state;
    for (unsigned i = 0; i < MEMORY_WINDOWS; i++)
        assert_true(memory_map_note(memory, 0xd0000000 + i * 0x200000ull, 0x200000, MEMORY_READ));
    assert_false(memory_map_note(memory, 0xe0000000, 0x200000, MEMORY_READ));
    assert_true(memory_map_note(memory, 0xd0000000, 0x200000, MEMORY_ALL)); /* in place of the first */
    assert_int_equal(memory_map_rights(memory, 0xd01fffff, 1), MEMORY_ALL);
    assert_null(memory_map_check(memory));
    memory->window[1].base = 0x1000;
    assert_non_null(memory_map_check(memory));
    memory->window[1] = (struct memory_window){.base = 0xfffff000, .length = 0x2000, .rights = MEMORY_READ};
    assert_non_null(memory_map_check(memory));
    memory_map_reset(memory, true);
    memory->upper[5] = MEMORY_ALL + 1;
    assert_non_null(memory_map_check(memory));
}

/* While a debugger holds the guest no time goes by for its devices, and nothing falls due. */
static void a_clock_that_stands_has_no_deadlines(void **state)
{
    struct process_info *info = (struct process_info *)USER_INFO;
    struct pc *pc = ring3_pc();

    (void)state;
    *info = (struct process_info){.tsc_mult = 1ull << 32, .tsc_shift = 32}; /* a tick is a nanosecond */
    pc->timer_deadline = 0;
    pc->bus.next_deadline = 9000;
    timers = 0;
    effects_end();
    assert_int_equal(timer, 9000);
    pc->debugger.stood_at = 5000;
    effects_begin();
    assert_int_equal(effect_now(), 5000);
    effects_end();
    assert_int_equal(timer, 0);
    effects_end();
    assert_int_equal(timers, 2);
    pc->debugger.stood_at = 0;
    effects_begin();
    assert_true(effect_now() != 5000);
    effects_end();
    assert_int_equal(timer, 9000);
    pc->bus.next_deadline = DEADLINE_NONE;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_end_of_a_guest_is_seen, set_up),
        cmocka_unit_test_setup(a_reset_of_the_processors_leaves_the_rest, set_up),
        cmocka_unit_test_setup(the_debug_port_ends_the_guest_with_its_first_value, set_up),
        cmocka_unit_test_setup(an_exit_value_of_zero_is_one, set_up),
        cmocka_unit_test_setup(what_an_interrupt_changes_is_seen, set_up),
        cmocka_unit_test_setup(a_guest_without_spare_memory_has_ram_behind_the_vga_hole, set_up),
        cmocka_unit_test_setup(devices_move_data_where_the_guest_may_write, set_up),
        cmocka_unit_test_setup(a_window_is_mapped_in_pieces_and_taken_back, set_up),
        cmocka_unit_test_setup(windows_are_counted_and_checked, set_up),
        cmocka_unit_test_setup(a_clock_that_stands_has_no_deadlines, set_up),
    };
    return cmocka_run_group_tests_name("effects", tests, map_all, NULL);
}
