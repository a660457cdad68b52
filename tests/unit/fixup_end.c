/*
 * Linked last: the label stands behind everything that other objects have put into the section .fixup, as
 * core/monitor.ld places it in the monitor.
 */
__asm__(".section .fixup, \"a\"\n.globl fixup_end\nfixup_end:\n.previous");
