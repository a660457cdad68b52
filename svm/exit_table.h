/*
 * Every architectural exit of SVM with its code, its name and a decision, the members of struct exit_decision
 * (AMD APM Vol. 2, appendix C). EXITS() has the first and the last code of several alike, and the name of the
 * first. Who includes it says what to make of a line: vmcb.h the names, exits.c the table. So it has no
 * guard.
 */
/* clang-format off */

/* Control registers. CR2, CR3: with nested paging the guest's own. CR0 and CR4 are read freely
 * unless the VMCB's value is not the guest's. CR0 writes leave by the selective intercept: TS and MP
 * change freely. All CR4 writes: reserved bits must fault, and under TCG would end the entry; LME
 * depends on PAE. CR8 is TPR of the local APIC. Others: #UD anyway. With the vTLB CR3 is its root, and
 * bits of CR0 are not the guest's: the selective intercept does not see what it writes as they are. */
EXIT(0x00, CR0_READ, MODE, VCPU_EXIT_CR_ACCESS, 0, describe_cr)
EXIT(0x04, CR4_READ, MODE, VCPU_EXIT_CR_ACCESS, 0, describe_cr)
EXIT(0x08, CR8_READ, ALWAYS, VCPU_EXIT_CR_ACCESS, 0, describe_cr)
EXIT(0x14, CR4_WRITE, ALWAYS, VCPU_EXIT_CR_ACCESS, 0, describe_cr)
EXIT(0x18, CR8_WRITE, ALWAYS, VCPU_EXIT_CR_ACCESS, 0, describe_cr)
EXIT(0x65, CR0_SEL_WRITE, ALWAYS, VCPU_EXIT_CR_ACCESS, 0, describe_cr)
EXIT(0x10, CR0_WRITE, MODE, VCPU_EXIT_CR_ACCESS, 0, describe_cr)
EXIT(0x03, CR3_READ, SHADOW, VCPU_EXIT_CR_ACCESS, 0, describe_cr)
EXIT(0x13, CR3_WRITE, SHADOW, VCPU_EXIT_CR_ACCESS, 0, describe_cr)
/* Debug registers are switched with the vCPU. */
EXITS(0x20, 0x3f, DR0_READ, NEVER)
/* Exceptions: #DB and #AC because delivering them can raise them again for ever (docs/design.md, section
 * 12); #MC is the host's. With the vTLB #PF is its own, and those that make #DF of a #PF whose delivery they
 * interrupt: TCG does not do that if the #PF was injected. All others go straight to the guest. INT3 is a
 * debugger's, and with TCG INT n, which stands for it there. */
EXIT(0x41, DB, ALWAYS, VCPU_EXIT_EXCEPTION, 0, describe_exception)
EXIT(0x43, BP, MODE, VCPU_EXIT_INSTRUCTION, 0, NULL)
EXITS(0x4a, 0x4d, TS, SHADOW, VCPU_EXIT_EXCEPTION, 0, describe_exception)
EXIT(0x4e, PF, SHADOW, VCPU_EXIT_EXCEPTION, 0, describe_page_fault)
EXIT(0x51, AC, ALWAYS, VCPU_EXIT_EXCEPTION, 0, describe_exception)
EXIT(0x52, MC, ALWAYS, VCPU_EXIT_EXCEPTION, 0, describe_exception)
/* The host's interrupts. SMI belongs to the firmware. INIT comes from nobody; TCG would reset after
 * the exit. */
EXIT(0x60, INTR, ALWAYS, VCPU_EXIT_EXTERNAL, 0, NULL)
EXIT(0x61, NMI, ALWAYS, VCPU_EXIT_EXTERNAL, 0, NULL)
EXIT(0x62, SMI, NEVER)
EXIT(0x63, INIT, NEVER)
EXIT(0x64, VINTR, MODE, VCPU_EXIT_INTERRUPT_WINDOW, 0, NULL)
/* Descriptor tables and TR are the guest's own; but see task_switch.c. */
EXITS(0x66, 0x6c, IDTR_READ, NEVER)
EXIT(0x6d, TR_WRITE, MODE, VCPU_EXIT_UNFIT, 0, svm_task_describe)
/* The TSC runs with an offset. Without performance counters RDPMC faults. PUSHF and POPF are
 * harmless. */
EXIT(0x6e, RDTSC, NEVER)
EXIT(0x87, RDTSCP, NEVER)
EXIT(0x6f, RDPMC, ALWAYS, VCPU_EXIT_EXCEPTION, EXCEPTION_GP, exit_refuse)
EXIT(0x70, PUSHF, NEVER)
EXIT(0x71, POPF, NEVER)
EXIT(0x75, SWINT, MODE, VCPU_EXIT_INSTRUCTION, 0, NULL)
EXIT(0x88, ICEBP, NEVER) /* its #DB is intercepted */
EXIT(0x72, CPUID, ALWAYS, VCPU_EXIT_CPUID, SKIPPED, NULL)
EXIT(0x73, RSM, UD) /* as outside of system management mode */
EXIT(0x74, IRET, MODE, VCPU_EXIT_NMI_WINDOW, 0, describe_iret)
/* Caches: all of the guest's memory is ordinary RAM, so they need no flushing; INVD would lose the
 * host's data. */
EXIT(0x76, INVD, ALWAYS, VCPU_EXIT_INSTRUCTION, 0, NULL)
EXIT(0x89, WBINVD, ALWAYS, VCPU_EXIT_INSTRUCTION, 0, NULL)
EXIT(0x77, PAUSE, NEVER) /* a spinning guest uses up its slice */
EXIT(0x78, HLT, ALWAYS, VCPU_EXIT_HLT, SKIPPED, NULL)
EXIT(0x79, INVLPG, SHADOW, VCPU_EXIT_INVLPG, SKIPPED, describe_invlpg)
EXIT(0x7b, IOIO, ALWAYS, VCPU_EXIT_PIO, 0, describe_io)
EXIT(0x7c, MSR, ALWAYS, VCPU_EXIT_RDMSR, 0, describe_msr)
EXIT(0x7d, TASK_SWITCH, SHADOW, VCPU_EXIT_UNFIT, 0, svm_task_describe) /* with the vTLB: it would load CR3 */
EXIT(0x7e, FERR_FREEZE, NEVER) /* the host's next interrupt ends the freeze */
EXIT(0x7f, SHUTDOWN, ALWAYS, VCPU_EXIT_SHUTDOWN, 0, NULL)
/* Guests have no SVM: #UD, as with EFER.SVME clear. */
EXIT(0x80, VMRUN, UD)
EXIT(0x82, VMLOAD, UD)
EXIT(0x83, VMSAVE, UD)
EXIT(0x84, STGI, UD)
EXIT(0x85, CLGI, UD)
EXIT(0x86, SKINIT, UD)
EXIT(0x7a, INVLPGA, UD)
EXIT(0x81, VMMCALL, ALWAYS, VCPU_EXIT_HYPERCALL, 0, NULL)
/* Hidden by CPUID: MONITOR would watch an address for the host, RDPRU and the broadcasts of INVLPGB
 * reach beyond the guest. */
EXIT(0x8a, MONITOR, UD)
EXIT(0x8b, MWAIT, UD)
EXIT(0x8c, MWAIT_ARMED, UD)
EXIT(0x8e, RDPRU, UD_IF(4))
EXIT(0xa0, INVLPGB, UD_IF(3))
EXIT(0xa1, INVLPGB_ILLEGAL, UD_IF(3))
EXIT(0xa3, MCOMMIT, UD_IF(8))
EXIT(0xa4, TLBSYNC, UD_IF(3))
EXIT(0xa2, INVPCID, NEVER) /* acts within the ASID */
EXIT(0x8d, XSETBV, ALWAYS, VCPU_EXIT_INSTRUCTION, 0, NULL)
/* Traps after writes to EFER and CRn are for encrypted guests. */
EXIT(0x8f, EFER_WRITE_TRAP, NEVER)
EXITS(0x90, 0x9f, CR0_WRITE_TRAP, NEVER)
EXIT(0xa5, BUSLOCK, NEVER)
EXIT(0xa6, IDLE_HLT, NEVER)
/* clang-format on */
#undef EXIT
#undef EXITS
