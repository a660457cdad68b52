/*
 * The device model's effects: what they leave in the shared pages, and after which of them a guest must not
 * be emulated further. The pages lie where the monitor maps them; the system calls are recorders, and
 * effects_ring3.c is included, so that it calls these.
 *
 * sources: devices/pc.c devices/bus.c devices/board.c devices/pic.c devices/pit.c devices/pit_channel.c
 * sources: devices/cmos_clock.c lib/calendar.c devices/i8042.c devices/uart.c devices/ioapic.c
 * sources: devices/system_ports.c devices/debug_ports.c devices/behave.c devices/reset_rom.c
 * sources: devices/i440fx.c devices/p[ci]i*.c devices/msix.c devices/virt*.c devices/guest_time.c
 * sources: devices/dma8237.c lib/format.c lib/modules.c
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
#define sys_intr_level    recorded_intr
#define sys_lapic_message recorded_message
static int64_t recorded_end(enum guest_end end, uint32_t guest);
static int64_t recorded_intr(uint32_t level);
static int64_t recorded_message(uint64_t address, uint32_t data);
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

static int64_t recorded_message(uint64_t address, uint32_t data)
{
    (void)address, (void)data;
    return 0;
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
    map(USER_INFO, PAGE);
    map(USER_CONFIG, PAGE);
    map(USER_STATE, USER_STATE_SIZE);
    map(USER_CHANNEL, CHANNEL_SIZE);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    memset(channel(), 0, CHANNEL_SIZE);
    bus_reset(&ring3_pc()->bus);
    ended = 0;
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

static void the_debug_port_ends_the_guest_with_its_first_value(void **state)
{
    (void)state;
    bus_write(&ring3_pc()->bus, IO_PORT, 0xf4, 4, 7);
    assert_true(effects_seen());
    assert_int_equal(ended_how, GUEST_END_POWER_OFF);
    /* Another processor comes before the monitor has stopped it. */
    effects_begin();
    bus_write(&ring3_pc()->bus, IO_PORT, 0xf4, 4, 9);
    assert_int_equal(channel()->exit_value, 7 + 1);
}

static void an_exit_value_of_zero_is_one(void **state)
{
    (void)state;
    assert_int_equal(channel()->exit_value, 0);
    effect_exit_value(0);
    effect_exit_value(5);
    assert_int_equal(channel()->exit_value, 0 + 1);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_end_of_a_guest_is_seen, set_up),
        cmocka_unit_test_setup(the_debug_port_ends_the_guest_with_its_first_value, set_up),
        cmocka_unit_test_setup(an_exit_value_of_zero_is_one, set_up),
        cmocka_unit_test_setup(what_an_interrupt_changes_is_seen, set_up),
    };
    return cmocka_run_group_tests_name("effects", tests, map_all, NULL);
}
