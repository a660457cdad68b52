# What unit.mk does not see: sources that a test includes by a header of its own, and what else it looks at.
$(patsubst %,$(B)/unit/%,test_lapic test_lapic_ipi test_lapic_timer test_lapic_pv_eoi test_event): \
  $(wildcard core/lapic*.c) core/event.c
$(B)/unit/test_entry_checks: $(wildcard checks/*)
$(B)/unit/test_fpu: core/fpu.c
# The test kernels that run in the emulator.
$(B)/unit/test_emulate_guests: $(patsubst %,$(B)/guests/%.elf,task_switch segments exceptions double_fault mode_real \
  mode_unreal mode_vm86 paging cr_rules self_modifying)
$(patsubst %,$(B)/unit/%,test_vmx_probe test_vmx_controls): $(wildcard vmx/*.h)
$(B)/unit/test_control: $(wildcard service/control*.c)
