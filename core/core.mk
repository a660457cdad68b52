# The monitor: ring 0 linked twice, the second time with the names of its functions for the back-trace of a panic.

PROGRAMS := $(B)/device-model.elf $(B)/service.elf
LINK := ld --no-warn-rwx-segments -nostdlib -z max-page-size=4096 -z noexecstack --gc-sections -T core/monitor.ld

$(B)/ring0/core/programs.o: core/programs.asm $(PROGRAMS)
	@mkdir -p $(@D)
	$(call say,NASM)
	$(Q)$(NASM) -f elf64 '-DDEVICE_MODEL="$(B)/device-model.elf"' '-DSERVICE="$(B)/service.elf"' $< -o $@

$(B)/gen/symbols-none.asm: core/symbols.awk
	@mkdir -p $(@D)
	$(call say,AWK)
	$(Q)awk -f $< /dev/null >$@
$(B)/gen/symbols.asm: core/symbols.awk $(B)/nullring.pass1
	$(call say,NM)
	$(Q)nm -n $(B)/nullring.pass1 | awk -f $< >$@
$(B)/gen/%.o: $(B)/gen/%.asm
	$(call say,NASM)
	$(Q)$(NASM) -f elf64 $< -o $@

$(B)/nullring.pass1: $(RING0_O) $(B)/gen/symbols-none.o core/monitor.ld
	$(call say,LINK)
	$(Q)$(LINK) $(filter %.o,$^) -o $@
$(B)/nullring.debug: $(RING0_O) $(B)/gen/symbols.o core/monitor.ld
	$(call say,LINK)
	$(Q)$(LINK) $(filter %.o,$^) -o $@
$(B)/nullring: $(B)/nullring.debug
	$(call say,STRIP)
	$(Q)objcopy --strip-all $< $@
