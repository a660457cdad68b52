# The ring-3 programs: linked at USER_PROGRAM_BASE, embedded in the monitor without names and debug information. The test
# build of the device model has misbehave.c in place of behave.c.

USER_LINK := $(CC) $(RING3) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack \
  -Wl,--gc-sections -T lib/user.ld
MISBEHAVE_O := $(B)/ring3/devices/misbehave.o
BEHAVE_O := $(B)/ring3/devices/behave.o

# What runs when a guest starts, or when somebody asks, is made small: the whole monitor has its budget.
SELDOM := service/% loaders/% $(addprefix devices/,acpi_tables.o ata_identify.o atapi% boot_order.o cmos_clock.o cpuid.o \
  debugger% dma8237.o emulate_task.o emulate_x87.o fdc% firmware% fw_cfg.o hpet.o i440fx.o i8042.o memory_map.o mptable.o \
  msr.o pam.o piix% ps2% screen_answer.o smbios% table_area.o vbe.o vga_screen.o vga_text.o)
$(filter $(addprefix $(B)/ring3/,$(SELDOM)),$(DEVMODEL_O) $(SERVICE_O)): RING3 += -Os

$(B)/device-model.debug: $(filter-out $(MISBEHAVE_O),$(DEVMODEL_O)) lib/user.ld
	$(call say,LINK)
	$(Q)$(USER_LINK) $(filter %.o,$^) -o $@
$(B)/device-model-test.debug: $(filter-out $(BEHAVE_O),$(DEVMODEL_O)) lib/user.ld
	$(call say,LINK)
	$(Q)$(USER_LINK) $(filter %.o,$^) -o $@
$(B)/service.debug: $(SERVICE_O) lib/user.ld
	$(call say,LINK)
	$(Q)$(USER_LINK) $(filter %.o,$^) $(shell $(CC) -print-file-name=libfdt.a) -o $@

$(B)/device-model.bin $(B)/device-model-test.bin $(B)/service.bin: %.bin: %.debug
	$(call say,STRIP)
	$(Q)objcopy -O binary $< $@

.PHONY: device-model
device-model: $(B)/device-model.bin $(B)/device-model-test.bin
