# The ring-3 programs: linked at USER_PROGRAM_BASE, embedded in the monitor without names and debug information. The test
# build of the device model has misbehave.c in place of behave.c.

USER_LINK := $(CC) $(RING3) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack \
  -Wl,--gc-sections -T lib/user.ld
MISBEHAVE_O := $(B)/ring3/devices/misbehave.o
BEHAVE_O := $(B)/ring3/devices/behave.o

# What runs when a guest starts, or when somebody asks, is made small: the whole monitor has its budget.
SELDOM := service/% loaders/% devices/acpi_tables.o devices/ata_identify.o devices/atapi_info.o devices/boot_order.o \
  devices/cpuid.o devices/debugger% devices/firmware% devices/memory_map.o devices/mptable.o devices/screen_answer.o \
  devices/table_area.o devices/vga_screen.o devices/vga_text.o devices/emulate_task.o devices/emulate_x87.o
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
