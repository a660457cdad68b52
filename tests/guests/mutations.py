"""For each test kernel one change of the monitor that makes it fail (tests/guests/mutate tries them).

A change is: the test kernel, the file, a text that occurs in it exactly once, and what stands there instead. The comment
above it says what the monitor does wrong then.
"""

# Words for the command line, for kernels that have much to do.
ARGS = {"hostile": "ops=2000"}
# Where a kernel's change shows; the others run on svm.
MACHINES = {"double_fault": "svm:no-npt", "tlb": "svm:no-npt"}

MUTATIONS = [
    # Masked, the memory behind 1 MiB is there all the same.
    ("a20", "devices/guest_machine.c", "        page -= GUEST_UPPER_END;", "        (void)0;"),
    # SLP_EN is ignored: the guest runs on until time is over.
    ("acpi_poweroff", "devices/piix4_pm.c", "if (!(value & CONTROL_SUS_EN))", "if (true)"),
    # The emulator checks the alignment whatever CR0.AM says.
    ("alignment", "devices/emulate_memory.c", "(m->state->control.cr0 & CR0_AM) && ", ""),
    # (devices/ahead.c) Behind an access instructions are emulated without their traps.
    ("emulate_ahead", "devices/emulate_ahead.c", "(e->state->gpr.rflags & FLAG_TF) || ", ""),
    # INVLPG of a page is nothing.
    ("tlb", "core/vtlb.c", "        table[paging_index(linear, LEVEL_4K)] = 0;", "        (void)0;"),
    # The clock of all devices runs 3 % slower than the TSC and the local APIC's timer.
    (
        "clock_agree",
        "core/process.c",
        "process->info.tsc_mult = (1000000ull << 32) / tsc_khz;",
        "process->info.tsc_mult = (1000000ull << 32) / (tsc_khz + tsc_khz / 32);",
    ),
    # The KVM clock runs 3 % slower than they.
    ("clock_agree", "devices/guest_time.c", ".mult = (uint32_t)mult,", ".mult = (uint32_t)(mult - mult / 32),"),
    # OSXSAVE is always shown.
    ("cpuid_rules", "core/exit_cpuid.c", "if (!(vcpu->state.control.cr4 & CR4_OSXSAVE))", "if (false)"),
    # A piece of memory that begins within a sector goes to the disk ahead of the bytes before it.
    ("disk_ide", "devices/ata_transfer.c", "if (n && transfer->position == 0 && transfer->source", "if (n && transfer->source"),
    # The rest of a sector that a region ends in is not taken from the buffer.
    ("disk_ahci", "devices/ata_transfer.c", "bool empty = transfer->position == transfer->filled;", "bool empty = true;"),
    # Data that begin within a piece of memory leave out as much of the next one.
    ("disk_virtio", "devices/virtqueue.c", "        length -= piece;\n        offset = 0;\n", "        length -= piece;\n"),
    # The last byte of a transfer by DMA does not come.
    ("disk_floppy", "devices/dma8237.c", "memcpy(ram, bytes, length);", "memcpy(ram, bytes, length - 1);"),
    # After a reset all drives answer as the first.
    ("floppy", "devices/fdc.c", "(uint8_t)(ST0_POLLING | i)", "(uint8_t)ST0_POLLING"),
    # A reset does not say that the drive has passed its diagnostic.
    ("ide", "devices/ata.c", "drive->registers.error = ATA_DIAGNOSTIC_PASSED;", "drive->registers.error = 0;"),
    # What comes from the mouse does not say so.
    ("keyboard", "devices/i8042.c", "(i8042->full && i8042->from_aux ? STATUS_FROM_AUX : 0)", "0"),
    # Any bit of CR4 is taken: the processor refuses the state.
    (
        "cr_reserved",
        "devices/emulate_control.c",
        "if ((value & ~m->emulator->limits->cr4) || (long_mode && !(value & CR4_PAE)))",
        "if (long_mode && !(value & CR4_PAE))",
    ),
    # CD and NW, which are not in the VMCB, are lost.
    ("cr_rules", "svm/state.c", "control->cr0 = (control->cr0 & ~CR0_OWNED) | (vmcb->cr0 & CR0_OWNED);", "control->cr0 = vmcb->cr0;"),
    # There is no single-step trap behind CPUID, IN, OUT and reads of the local APIC.
    ("debug", "core/vcpu.c", "vcpu_inject_exception(vcpu, EXCEPTION_DB, false, 0);", ""),
    # A page fault is taken for benign: ring 0 makes no double fault of two.
    ("double_fault", "core/vcpu.c", "? EXCEPTIONS_CONTRIBUTORY | 1u << EXCEPTION_PF", "& ~(1u << EXCEPTION_PF) ? EXCEPTIONS_CONTRIBUTORY"),
    # #UD comes as #GP.
    (
        "exceptions",
        "svm/exit_table.h",
        "EXIT(0x41, DB,",
        "EXIT(0x46, UD, ALWAYS, VCPU_EXIT_EXCEPTION, EXCEPTION_GP, exit_refuse)\nEXIT(0x41, DB,",
    ),
    # The 8259 pair reaches a processor whose LINT0 is masked.
    (
        "extint",
        "core/lapic.c",
        "const uint32_t mode = LVT_MASKED | DELIVERY_MODE_MASK",
        "const uint32_t mode = DELIVERY_MODE_MASK",
    ),
    # A vCPU goes on with the registers of the one before it.
    ("fpu", "core/fpu.c", '"xrstor64 %0"', '"# %0"'),
    # An access of a delivery is taken for one of the instruction at RIP.
    (
        "stack_device",
        "core/exit.c",
        "if (vcpu->state.interrupts.event.type != EVENT_NONE)",
        "if (false)",
    ),
    # The 8259 pair does not end HLT.
    (
        "hlt_wake",
        "core/event.c",
        "(lapic_pending_vector(vcpu) >= 0 || extint_requested(vcpu));",
        "lapic_pending_vector(vcpu) >= 0;",
    ),
    # An instruction that the emulator does not know ends the guest.
    (
        "hostile",
        "devices/emulate.c",
        "upcall->status = result == EMULATE_DONE ? UPCALL_OK : UPCALL_INJECT;",
        "upcall->status = result == EMULATE_DONE ? UPCALL_OK : result == EMULATE_REFUSE ? UPCALL_KILL : UPCALL_INJECT;",
    ),
    # The code at the reset vector halts.
    ("init_boot_processor", "devices/reset_rom.c", "{0xb0, 0x01, 0xe6,", "{0xf4, 0x01, 0xe6,"),
    # A masked pin sends its interrupt.
    ("ioapic_edge", "devices/ioapic.c", "else if (rises && !(entry & RED_MASKED))", "else if (rises)"),
    # The IOAPIC does not learn of the end of a level-triggered interrupt.
    ("ioapic_level", "core/lapic.c", "vm_queue_eoi(vcpu->vm, vector);", "(void)vector;"),
    # A fixed IPI to "all but self" includes self.
    (
        "ipi",
        "core/lapic_ipi.c",
        "shorthand == SHORTHAND_OTHERS ? vcpu : NULL",
        "shorthand == SHORTHAND_OTHERS && !fixed ? vcpu : NULL",
    ),
    # Software disable leaves the LVT entries unmasked.
    ("lapic_errors", "core/lapic_registers.c", "if (at == LAPIC_SVR && !(value & SVR_ENABLE))", "if (false)"),
    # An interrupt of the class that is in service is let in.
    (
        "lapic_priority",
        "core/lapic.c",
        "((uint32_t)vector & PRIORITY_CLASS) <= (lapic_processor_priority",
        "((uint32_t)vector & PRIORITY_CLASS) < (lapic_processor_priority",
    ),
    # The periodic timer expires once.
    ("lapic_timer", "core/lapic_timer.c", "if (lapic->timer_entry & LVT_PERIODIC)", "if (false)"),
    # A device model is restarted for ever.
    ("misbehave", "core/upcalls.c", "vm->report.restarts++;", ""),
    # MOVZX extends the sign.
    (
        "mmio_bytes",
        "devices/emulate_move.c",
        "operand_write(m, 0, operand_read(m, 1));",
        "operand_write(m, 0, sign_extend(operand_read(m, 1), m->in->operand[1].size));",
    ),
    # NEG never sets the carry.
    (
        "mmio_forms",
        "devices/emulate_alu.c",
        "set_flags(m, FLAGS_STATUS, flags_of_subtract(0, old, result, size));",
        "set_flags(m, FLAGS_STATUS, flags_of_result(result, size));",
    ),
    # SBB ignores the borrow.
    ("mmio_lapic", "devices/emulate_alu.c", "carry = carry && operation == ALU_SBB;", "carry = false;"),
    # REX.B does not extend the base register.
    (
        "mmio_long",
        "lib/decode_operand.c",
        "in->memory.base = rm | (in->rex & REX_B ? 8 : 0);\n        return;",
        "in->memory.base = rm;\n        return;",
    ),
    # The guest never sees LMA.
    ("mode_compat", "svm/state.c", "        memcpy(&state->msrs.star, &vmcb->star, SWITCHED_MSRS);", "        state->msrs.efer &= ~EFER_LMA;"),
    # CR8 reads as 0.
    ("mode_long", "core/lapic.c", "return (uint8_t)(lapic_get(&vcpu->lapic, LAPIC_TPR) >> CR8_SHIFT);", "return 0;"),
    # Nobody leaves protected mode.
    (
        "mode_real",
        "devices/emulate_control.c",
        "value = (value & CR0_KNOWN) | CR0_ET;",
        "value = (value & CR0_KNOWN) | CR0_ET | (old & CR0_PE);",
    ),
    # LMA stays set when long mode is left.
    ("mode_switches", "devices/emulate_control.c", "efer &= ~(uint64_t)EFER_LMA;", ""),
    # In real mode every limit is 64 KiB.
    (
        "mode_unreal",
        "devices/emulate_memory.c",
        "return last <= segment->limit;",
        "return last <= (m->protected ? segment->limit : 0xffff);",
    ),
    # The emulator takes the permission map for all ones.
    (
        "mode_vm86",
        "devices/emulate_port.c",
        "if (place_load(m, &place) >> port % 8 & ((1u << size) - 1))",
        "if (true)",
    ),
    # There is no TSC_AUX.
    ("msr_rules", "devices/emulate_msr.c", "{MSR_TSC_AUX, offsetof(struct vcpu_msrs, tsc_aux), RULE_LOW_32},", ""),
    # The loader does not say that there is a memory map.
    ("multiboot", "loaders/multiboot.c", "HAS_MODULES | HAS_MEMORY_MAP |", "HAS_MODULES |"),
    # Only the first half of ACPI's old root pointer.
    (
        "multiboot2",
        "loaders/multiboot2.c",
        "memcpy(write_tag(w, TAG_OLD_RSDP, RSDP_V1_LENGTH), rsdp, RSDP_V1_LENGTH);",
        "memcpy(write_tag(w, TAG_OLD_RSDP, RSDP_V1_LENGTH), rsdp, 10);",
    ),
    # A vCPU that can run keeps its processor.
    (
        "neighbour",
        "core/schedule.c",
        "if (last && last->runnable && now < cpu->slice_end)",
        "if (last && last->runnable)",
    ),
    # An NMI interrupts the handler of another.
    ("nmi", "core/event.c", "interrupts->nmi_blocked = 1;", ""),
    # An NMI to another processor only wakes it.
    ("nmi_smp", "core/lapic_ipi.c", "vcpu_request(vcpu, REQUEST_NMI);", "vcpu_request(vcpu, REQUEST_EVENT);"),
    # CR0.WP does not reach the processor.
    (
        "paging",
        "svm/state.c",
        "vmcb->cr0 = r->cr0;",
        "vmcb->cr0 = r->cr0 & ~CR0_WP;",
    ),
    # EFER.NXE does not reach the processor.
    (
        "paging_pae",
        "svm/state.c",
        "efer |= EFER_SVME;",
        "efer = (efer & ~EFER_NXE) | EFER_SVME;",
    ),
    # An empty slot reads as 0.
    ("pci", "devices/bus.c", "io->value = UINT32_MAX;", "io->value = 0;"),
    # A rotating end of interrupt does not rotate.
    ("pic", "devices/pic.c", "chip->lowest = (uint8_t)input;", "(void)rotate;"),
    # ACPI mode is not entered.
    ("nt_acpi_sci", "devices/piix4_pm.c", "        pm->control |= CONTROL_SCI_EN;", "        (void)0;"),
    # The RTC's periodic interrupt comes half as often.
    ("nt_hal_clock", "devices/cmos_clock.c", "rate + 6 : rate - 1);", "rate + 6 : rate);"),
    # A table has one entry.
    ("nt_ide_dma", "devices/bmide.c", "if (!bmide->left && bmide->last)", "if (!bmide->left)"),
    # The BIOS is told of half the memory.
    ("nt_loader_bios", "devices/firmware_files.c", "e820_put(map, 0, low);", "e820_put(map, 0, low / 2);"),
    # The wheel's knock is another one.
    ("nt_ps2", "devices/ps2_mouse.c", "mouse->rates[1] == 100 && rate == 80", "mouse->rates[1] == 60 && rate == 80"),
    # VBE's window stays where it is.
    ("nt_vbe_vm86", "devices/vbe.c", "vga->vbe[VBE_BANK] = value % BANKS;", "vga->vbe[VBE_BANK] = 0;"),
    # The latch command does nothing.
    ("pit", "devices/pit.c", "pit_channel_latch_count(&pit->channel[index], clock);", "(void)index;"),
    # What nobody claims reads as 0.
    ("ports", "devices/bus.c", "uint64_t result = UINT64_MAX;", "uint64_t result = 0;"),
    # The 8042 turns the machine off.
    (
        "reset_8042",
        "devices/i8042.c",
        "if (value >= COMMAND_PULSE) {\n        if (!(value & OUTPUT_RUN))\n            effect_processor_reset();",
        "if (value >= COMMAND_PULSE) {\n        if (!(value & OUTPUT_RUN))\n            effect_guest_end(GUEST_END_POWER_OFF);",
    ),
    # Port 0xcf9 turns it off.
    (
        "reset_cf9",
        "devices/system_ports.c",
        "if (starts && io->value & RESET_SYSTEM)\n        effect_guest_end(GUEST_END_RESET);",
        "if (starts && io->value & RESET_SYSTEM)\n        effect_guest_end(GUEST_END_POWER_OFF);",
    ),
    # The whole machine is reset where only its processors are asked for.
    ("reset_warm", "devices/effects_ring3.c", "if (taken && ring3_config()->loader == LOADER_BIOS)", "if (taken && false)"),
    # The clock goes on while it is being set.
    (
        "rtc",
        "devices/cmos_clock.c",
        "return rtc->cmos[REG_B] & B_SET || (rtc->cmos[REG_A] >> A_DIVIDER_SHIFT & 7) >= A_DIVIDER_RESET;",
        "return (void)rtc, false;",
    ),
    # A TR that is not present goes to the processor as it is.
    ("segments", "svm/state.c", "*tr = (struct segment){.attributes = SEG_P | TSS_32};", ";"),
    # The length of the instruction that was there before is taken.
    (
        "self_modifying",
        "core/known_insn.h",
        " &&\n                 !user_compare(known->address, known->insn.bytes, known->insn.words);",
        ";",
    ),
    # CS.selector of a started processor is wrong.
    ("smp_start", "core/vcpu.c", "cs->selector = (uint16_t)(vector << 8);", "cs->selector = (uint16_t)(vector << 4);"),
    # Nobody looks again when the guest opens its interrupts.
    (
        "sti_shadow",
        "core/event.c",
        "windows |= vector >= 0 || extint ? WINDOW_INTERRUPT : WINDOW_NONE;",
        "windows |= WINDOW_NONE;",
    ),
    # REP ends with the page.
    (
        "string_io",
        "devices/emulate_string.c",
        "outcome == OUTCOME_NEXT && more && left; page++",
        "outcome == OUTCOME_NEXT && more && left && !page; page++",
    ),
    # What the emulator gives back loses NT.
    (
        "task_switch",
        "core/exit.c",
        "vcpu->state.gpr.rflags &= RFLAGS_KNOWN & ~RFLAGS_VM;",
        "vcpu->state.gpr.rflags &= RFLAGS_KNOWN & ~(RFLAGS_VM | 1ull << 14);",
    ),
    # A shutdown turns the machine off.
    (
        "triple_fault",
        "core/exit.c",
        "answers with a reset */\n        vm_end(vcpu->vm, GUEST_END_RESET);",
        "answers with a reset */\n        vm_end(vcpu->vm, GUEST_END_POWER_OFF);",
    ),
    # Each vCPU has its own TSC.
    (
        "tsc_smp",
        "core/vm.c",
        "vcpu->state.time.tsc_offset = vm->clock_offset;",
        "vcpu->state.time.tsc_offset = vm->clock_offset + ((uint64_t)vcpu->index << 32);",
    ),
    # Reading IIR does not take the transmitter's interrupt back.
    ("uart", "devices/uart.c", "if (iir == IIR_THR_EMPTY)", "if (false)"),
    # A read over the end of the disk succeeds.
    (
        "virtio_blk",
        "devices/virtio_blk.c",
        "return bytes && virtqueue_write(chain, 0, bytes, length) ? STATUS_OK : STATUS_IOERR;",
        "return !bytes || virtqueue_write(chain, 0, bytes, length) ? STATUS_OK : STATUS_IOERR;",
    ),
]
