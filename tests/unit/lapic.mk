# The tests of the local APIC include its sources (tests/unit/lapic_world.h says why).
$(patsubst %,$(B)/unit/%,test_lapic test_lapic_ipi test_lapic_timer test_lapic_pv_eoi test_event): \
  $(wildcard core/lapic*.c) core/event.c
$(B)/unit/test_guest_memory: core/guest_memory.c
