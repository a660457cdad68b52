# Tests that include the sources they test (each says why), so that unit.mk does not know of them.
$(patsubst %,$(B)/unit/%,test_lapic test_lapic_ipi test_lapic_timer test_lapic_pv_eoi test_event): \
  $(wildcard core/lapic*.c) core/event.c
$(B)/unit/test_entry_checks: $(wildcard checks/*)
$(B)/unit/test_fpu: core/fpu.c
$(B)/unit/test_pages: mm/pages.c
$(B)/unit/test_boot_info: core/multiboot.c
$(B)/unit/test_host_acpi: core/acpi.c
$(B)/unit/test_console: service/console.c service/prompt.c $(wildcard service/*.h)
$(B)/unit/test_report: service/ending.c service/report.c $(wildcard service/*.h)
$(B)/unit/test_string: lib/string.c lib/string_ring3.c
# The test kernels that run in the emulator.
$(B)/unit/test_emulate_guests: $(patsubst %,$(B)/guests/%.elf,task_switch segments exceptions double_fault mode_real \
  mode_unreal mode_vm86 paging cr_rules self_modifying)
$(B)/unit/test_effects: devices/effects_ring3.c
$(B)/unit/test_svm_probe: svm/svm.c
$(B)/unit/test_vmx_probe: vmx/vmx.c $(wildcard vmx/*.h)
$(B)/unit/test_control: $(wildcard service/control*.[ch])
$(B)/unit/test_disk_copy: tools/disk_command.c
