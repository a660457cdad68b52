# The monitor: ring 0 linked twice, the second time with the names of its functions for the back-trace of a panic.
# nullring-test has the device model that misbehaves on command (devices/misbehave.c), nullring-unchecked also lets the first
# state that breaks an entry rule pass (tests/boot/unchecked.c).

LINK := $(CC) $(RING0) -nostdlib -static -no-pie -Wl,--no-warn-rwx-segments -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
  -Wl,-z,noexecstack -Wl,--gc-sections -T core/monitor.ld
# What the compiler calls by itself must be there before it does.
$(B)/ring0/lib/string.o $(B)/ring0/core/panic.o: RING0 += -fno-lto
RING0_COMMON_O := $(filter-out $(B)/ring0/core/programs.o,$(RING0_O))
RING0_UNCHECKED_O := $(filter-out $(B)/ring0/checks/entry_checks.o,$(RING0_COMMON_O)) $(B)/ring0/tests/boot/unchecked.o

# $(1): name of the monitor; $(2): its device model; $(3): the rest of it
define monitor_rules
$(B)/ring0/$(1)-programs.o: core/programs.asm $(2) $(B)/service.bin
	@mkdir -p $$(@D)
	$$(call say,NASM)
	$(Q)$(NASM) -f elf64 '-DDEVICE_MODEL="$(2)"' '-DSERVICE="$(B)/service.bin"' $$< -o $$@
$(B)/$(1).pass1: $(3) $(B)/ring0/$(1)-programs.o $(B)/gen/symbols-none.o core/monitor.ld
	$$(call say,LINK)
	$(Q)$(LINK) $$(filter %.o,$$^) -o $$@
$(B)/gen/$(1)-symbols.asm: core/symbols.awk $(B)/$(1).pass1
	$$(call say,NM)
	$(Q)nm -n $(B)/$(1).pass1 | awk -f $$< >$$@
$(B)/$(1).debug: $(3) $(B)/ring0/$(1)-programs.o $(B)/gen/$(1)-symbols.o core/monitor.ld
	$$(call say,LINK)
	$(Q)$(LINK) $$(filter %.o,$$^) -o $$@
$(B)/$(1): $(B)/$(1).debug
	$$(call say,STRIP)
	$(Q)objcopy --strip-all $$< $$@
endef
$(eval $(call monitor_rules,nullring,$(B)/device-model.bin,$(RING0_COMMON_O)))
$(eval $(call monitor_rules,nullring-test,$(B)/device-model-test.bin,$(RING0_COMMON_O)))
$(eval $(call monitor_rules,nullring-unchecked,$(B)/device-model-test.bin,$(RING0_UNCHECKED_O)))

$(B)/gen/symbols-none.asm: core/symbols.awk
	@mkdir -p $(@D)
	$(call say,AWK)
	$(Q)awk -f $< /dev/null >$@
$(B)/gen/%.o: $(B)/gen/%.asm
	$(call say,NASM)
	$(Q)$(NASM) -f elf64 $< -o $@
