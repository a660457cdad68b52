# The ring-3 programs: linked at USER_PROGRAM_BASE, embedded in the monitor without names and debug information. The test
# build of the device model has misbehave.c in place of behave.c.

USER_LINK := $(CC) $(RING3) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack \
  -Wl,--gc-sections -T lib/user.ld
MISBEHAVE_O := $(B)/ring3/devices/misbehave.o
BEHAVE_O := $(B)/ring3/devices/behave.o

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
