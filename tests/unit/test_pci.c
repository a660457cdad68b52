/*
 * PCI configuration space, the host bridge, interrupt routing, and power management, against PCI 3.0 and the
 * data sheets of 82441FX, 82371SB and 82371AB.
 *
 * sources: devices/bus.c devices/p[ci]i*.c devices/i440fx.c devices/pam.c devices/ioapic.c devices/msix.c
 * sources: devices/virt*.c lib/format.c
 */
#include "pci_fixture.h"

enum { BRIDGE = PCI_DEVFN(0, 0), ISA = PCI_DEVFN(1, 0), PM = PCI_DEVFN(1, 3), DISK = PCI_DEVFN(4, 0) };

static void test_identities(void **state)
{
    (void)state;
    assert_int_equal(world_config_read(BRIDGE, 0, 4), 0x12378086);
    assert_int_equal(world_config_read(ISA, 0, 4), 0x70008086);
    assert_int_equal(world_config_read(PM, 0, 4), 0x71138086);
    assert_int_equal(world_config_read(DISK, 0, 4), 0x10011af4);
    assert_int_equal(world_config_read(ISA, PCI_HEADER_TYPE, 1), 0x80);
    assert_int_equal(world_config_read(DISK, PCI_CLASS_CODE, 1), 0);
    assert_int_equal(world_config_read(DISK, PCI_REVISION_ID, 4), 0x01000000);
    /* Nobody is in slot 2, on bus 1, or in the slot of a disk that the description does not have. */
    assert_int_equal(world_config_read(PCI_DEVFN(2, 0), 0, 4), 0xffffffff);
    assert_int_equal(world_config_read(1 << 8, 0, 4), 0xffffffff);
    assert_int_equal(world_config_read(PCI_DEVFN(5, 0), 0, 4), 0xffffffff);
    world_out(0xcf8, 4, 0);
    assert_int_equal(world_in(0xcfc, 4), 0xffffffff);
}

/* Linux and others look for mechanism 1 so: a byte at 0xCFB changes nothing, a doubleword at 0xCF8 is kept.
 */
static void test_mechanism(void **state)
{
    (void)state;
    world_out(0xcf8, 4, 0);
    world_out(0xcfb, 1, 1);
    assert_int_equal(world_in(0xcf8, 4), 0);
    world_out(0xcf8, 4, 0x80000003);
    assert_int_equal(world_in(0xcf8, 4), 0x80000000);
    assert_int_equal(world_in(0xcfc, 2), 0x8086);
    assert_int_equal(world_in(0xcfe, 2), 0x1237);
    assert_int_equal(world_in(0xcff, 1), 0x12);
}

static void test_read_only(void **state)
{
    (void)state;
    for (unsigned reg = 0; reg < 256; reg += 4)
        world_config_write(BRIDGE, reg, 4, 0xffffffff);
    assert_int_equal(world_config_read(BRIDGE, 0, 4), 0x12378086);
    assert_int_equal(world_config_read(BRIDGE, PCI_BAR0, 4), 0);
    /* PAM: reserved bits stay 0. */
    assert_int_equal(world_config_read(BRIDGE, 0x59, 1), 0x30);
    assert_int_equal(world_config_read(BRIDGE, 0x5a, 1), 0x33);
    assert_int_equal(world_config_read(BRIDGE, 0x5f, 1), 0x33);
}

static void test_sizing(void **state)
{
    (void)state;
    world_config_write(DISK, PCI_BAR0, 4, 0xffffffff);
    assert_int_equal(world_config_read(DISK, PCI_BAR0, 4), 0xffffff81);
    world_config_write(DISK, PCI_BAR0 + 4, 4, 0xffffffff);
    assert_int_equal(world_config_read(DISK, PCI_BAR0 + 4, 4), 0xffffc000);
    world_config_write(DISK, PCI_BAR0 + 8, 4, 0xffffffff);
    assert_int_equal(world_config_read(DISK, PCI_BAR0 + 8, 4), 0);
}

/* The device answers where its register says, while its space is enabled, and nowhere else. */
static void test_mapping(void **state)
{
    (void)state;
    world_config_write(DISK, PCI_BAR0, 4, 0xc000);
    assert_int_equal(world_in(0xc00c, 2), 0xffff);
    world_config_write(DISK, PCI_COMMAND, 2, PCI_COMMAND_IO);
    assert_int_equal(world_in(0xc00c, 2), VIRTQUEUE_SIZE_MAX);
    world_config_write(DISK, PCI_BAR0, 4, 0xd000);
    assert_int_equal(world_in(0xc00c, 2), 0xffff);
    assert_int_equal(world_in(0xd00c, 2), VIRTQUEUE_SIZE_MAX);
    world_config_write(DISK, PCI_BAR0, 4, 0xfffff000); /* beyond the 64 KiB of ports */
    assert_int_equal(world_in(0xd00c, 2), 0xffff);
    world_config_write(DISK, PCI_BAR0, 4, 0x500); /* in the bus's table of low ports, and out again */
    assert_int_equal(world_in(0x50c, 2), VIRTQUEUE_SIZE_MAX);
    world_config_write(DISK, PCI_COMMAND, 2, 0);
    assert_int_equal(world_in(0x50c, 2), 0xffff);
    world_config_write(DISK, PCI_BAR0 + 4, 4, 0xfe000000);
    world_config_write(DISK, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
    assert_int_equal(bus_read(&world.pc.bus, IO_MEMORY, 0xfe000018, 2), VIRTQUEUE_SIZE_MAX);
}

static unsigned asserted_irqs(void)
{
    unsigned irqs = 0;
    for (unsigned irq = 0; irq < 16; irq++)
        irqs |= world.irq_sources[irq] ? 1u << irq : 0;
    return irqs;
}

static void test_routing(void **state)
{
    (void)state;
    /* INTA of slot 4 is PIRQ D; routing is off after reset. */
    effect_pci_interrupt(PCI_DEVFN(4, 0), 0, true);
    assert_int_equal(asserted_irqs(), 0);
    world_config_write(ISA, 0x60, 4, 0x0b0a0a05);
    assert_int_equal(asserted_irqs(), 1u << 11);
    /* The line moves with its route and is the OR of its functions. */
    world_config_write(ISA, 0x63, 1, 0x05);
    assert_int_equal(asserted_irqs(), 1u << 5);
    effect_pci_interrupt(PCI_DEVFN(8, 0), 0, true);
    effect_pci_interrupt(PCI_DEVFN(4, 0), 0, false);
    assert_int_equal(asserted_irqs(), 1u << 5);
    effect_pci_interrupt(PCI_DEVFN(8, 0), 0, false);
    assert_int_equal(asserted_irqs(), 0);
    for (unsigned pin = 0; pin < 4; pin++) {
        static const unsigned irq_of_pirq[] = {5, 10, 10, 5};
        effect_pci_interrupt(PCI_DEVFN(2, 1), pin, true);
        assert_int_equal(asserted_irqs(), 1u << irq_of_pirq[(2 + pin - 1) % 4]);
        effect_pci_interrupt(PCI_DEVFN(2, 1), pin, false);
    }
    effect_pci_interrupt(PCI_DEVFN(4, 0), 0, true);
    world_config_write(ISA, 0x63, 1, 0x85);
    assert_int_equal(asserted_irqs(), 0);
}

static void test_interrupt_disable(void **state)
{
    (void)state;
    struct pci_function *disk = &world.pc.disk[0].virtio.pci;
    world_config_write(ISA, 0x63, 1, 11);
    world.pc.disk[0].virtio.isr = VIRTIO_ISR_QUEUE; /* what the pin shows */
    pci_set_interrupt(disk, true);
    assert_int_equal(asserted_irqs(), 1u << 11);
    assert_true(world_config_read(DISK, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
    world_config_write(DISK, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
    assert_int_equal(asserted_irqs(), 0);
    assert_true(world_config_read(DISK, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
    world_config_write(DISK, PCI_COMMAND, 2, 0);
    assert_int_equal(asserted_irqs(), 1u << 11);
    pci_set_interrupt(disk, false);
    assert_false(world_config_read(DISK, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
}

static void pm_enable(void)
{
    world_config_write(PM, PIIX4_REG_PMBA, 4, PIIX4_PM_BASE | 1);
    assert_int_equal(world_in(PIIX4_PM_BASE, 2), 0xffff);
    world_config_write(PM, PIIX4_REG_PMREGMISC, 1, 1);
    assert_int_equal(world_config_read(PM, PIIX4_REG_PMBA, 4), PIIX4_PM_BASE | 1);
    assert_int_equal(world_in(PIIX4_PM_BASE, 2), 0);
}

static void test_pm_timer(void **state)
{
    (void)state;
    pm_enable();
    world.now = 1000000000;
    assert_int_equal(world_in(PIIX4_PM_BASE + PIIX4_PM_TIMER, 4), 3579545);
    world.now = 4000000000ull + 999999999;
    assert_int_equal(world_in(PIIX4_PM_BASE + PIIX4_PM_TIMER, 4), 17897724 & 0xffffff);
    world.now = 86400ull * 365 * 1000000000; /* a year, without overflow on the way */
    assert_int_equal(world_in(PIIX4_PM_BASE + PIIX4_PM_TIMER, 4), 3579545ull * 86400 * 365 & 0xffffff);
    assert_int_equal(world_in(PIIX4_PM_BASE + PIIX4_PM_TIMER + 2, 2), 3579545ull * 86400 * 365 >> 16 & 0xff);
}

static void test_pm_overflow(void **state)
{
    (void)state;
    pm_enable();
    assert_true(world.pc.bus.next_deadline == DEADLINE_NONE);
    world_out(PIIX4_PM_BASE + 2, 2, 1);
    world_out(PIIX4_SMI_COMMAND, 1, PIIX4_ACPI_ENABLE);
    assert_int_equal(world_in(PIIX4_PM_BASE + PIIX4_PM_CONTROL, 2), 1);
    /* Bit 23 changes after 2^23 ticks: 2.343 s. */
    assert_in_range(world.pc.bus.next_deadline, 2343484436, 2343484438);
    world.now = world.pc.bus.next_deadline - 2;
    bus_tick(&world.pc.bus, world.now);
    assert_int_equal(asserted_irqs(), 0);
    world.now = world.pc.bus.next_deadline;
    bus_tick(&world.pc.bus, world.now);
    assert_int_equal(asserted_irqs(), 1u << PIIX4_SCI);
    assert_int_equal(world_in(PIIX4_PM_BASE, 2), 1);
    world_out(PIIX4_PM_BASE, 2, 1);
    assert_int_equal(asserted_irqs(), 0);
    assert_in_range(world.pc.bus.next_deadline, 4686968873, 4686968876);
}

static void test_pm_power_button(void **state)
{
    (void)state;
    pm_enable();
    world_out(PIIX4_PM_BASE + 2, 2, 1 << 8);
    piix4_pm_look(&world.pc.pm);
    assert_int_equal(world_in(PIIX4_PM_BASE, 2), 0);
    world.presses++;
    piix4_pm_look(&world.pc.pm);
    assert_int_equal(asserted_irqs(), 0); /* SCI_EN is off */
    world_out(PIIX4_SMI_COMMAND, 1, PIIX4_ACPI_ENABLE);
    assert_int_equal(asserted_irqs(), 1u << PIIX4_SCI);
    world_out(PIIX4_PM_BASE, 2, 1 << 8);
    piix4_pm_look(&world.pc.pm); /* one press is one event */
    assert_int_equal(asserted_irqs(), 0);
    world_out(PIIX4_SMI_COMMAND, 1, PIIX4_ACPI_DISABLE);
    assert_int_equal(world_in(PIIX4_PM_BASE + PIIX4_PM_CONTROL, 2), 0);
}

/* Systems write the general events byte by byte (ACPI 6.4, 4.8.4.1). */
static void test_pm_bytes(void **state)
{
    (void)state;
    pm_enable();
    world_out(PIIX4_PM_BASE + PIIX4_GENERAL_EVENT + 2, 1, 0x01);
    world_out(PIIX4_PM_BASE + PIIX4_GENERAL_EVENT + 3, 1, 0x0f);
    assert_int_equal(world_in(PIIX4_PM_BASE + PIIX4_GENERAL_EVENT + 2, 2), 0x0f01);
    assert_int_equal(world_in(PIIX4_PM_BASE + PIIX4_GENERAL_EVENT + 3, 1), 0x0f);
    world_out(PIIX4_PM_BASE + PIIX4_GENERAL_EVENT + 2, 1, 0);
    assert_int_equal(world_in(PIIX4_PM_BASE + PIIX4_GENERAL_EVENT, 4), 0x0f000000);
    /* Clearing a byte of the status leaves the other byte's bits. */
    world.now = 3000000000;
    world.presses++;
    piix4_pm_look(&world.pc.pm);
    assert_int_equal(world_in(PIIX4_PM_BASE, 2), 0x101);
    world_out(PIIX4_PM_BASE + 1, 1, 0xff);
    assert_int_equal(world_in(PIIX4_PM_BASE, 2), 0x001);
    /* Soft off in the upper byte of the control register. */
    world_out(PIIX4_PM_BASE + PIIX4_PM_CONTROL + 1, 1, 0x20);
    assert_int_equal(world.ended, GUEST_END_POWER_OFF);
}

static void test_pm_soft_off(void **state)
{
    (void)state;
    pm_enable();
    world_out(PIIX4_PM_BASE + PIIX4_PM_CONTROL, 2, 5 << 10 | 1 << 13); /* another sleeping state */
    assert_int_equal(world.ended, 0);
    world_out(PIIX4_PM_BASE + PIIX4_PM_CONTROL, 2, 1);
    assert_int_equal(world.ended, 0);
    world_out(PIIX4_PM_BASE + PIIX4_PM_CONTROL, 2, 1 << 13);
    assert_int_equal(world.ended, GUEST_END_POWER_OFF);
}

static void test_check(void **state)
{
    (void)state;
    const char *device;
    world.pc.i440fx.pci.config[PCI_DEVICE_ID] ^= 1;
    assert_non_null(bus_check(&world.pc.bus, &device));
    world_reset();
    world.pc.piix3.pci.config[0x60] = 0x10;
    assert_non_null(bus_check(&world.pc.bus, &device));
    world_reset();
    world.pc.pm.enable = 2;
    assert_non_null(bus_check(&world.pc.bus, &device));
    world_reset();
    world.pc.disk[0].virtio.queue[0].size = 3;
    assert_non_null(bus_check(&world.pc.bus, &device));
    world_reset();
    world.pc.disk[0].virtio.msix.count = 9;
    assert_non_null(bus_check(&world.pc.bus, &device));
    world_reset();
    world.pc.disk[0].sectors++;
    assert_non_null(bus_check(&world.pc.bus, &device));
    world_reset();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_identities),  TEST(test_mechanism),       TEST(test_read_only),         TEST(test_sizing),
        TEST(test_mapping),     TEST(test_routing),         TEST(test_interrupt_disable), TEST(test_pm_timer),
        TEST(test_pm_overflow), TEST(test_pm_power_button), TEST(test_pm_soft_off),       TEST(test_pm_bytes),
        TEST(test_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
