/*
 * What the video port of an NT-family system does with the screen's BIOS: INT 10h from virtual-8086 mode at
 * IOPL 0, with a monitor for what traps there (CLI, STI, PUSHF, POPF, INT, IRET and their 32-bit forms) and
 * all ports permitted; the VBE controller and mode information, a mode with the linear frame buffer and with
 * windows, drawn and read back, the state saved and restored, and text. Manual: VBE Core Functions 3.0; SDM
 * Vol. 3B, 21.2. Real hardware: as checked here, with the card's own modes and numbers.
 *
 * guest: firmware=bios
 */
#include "guest.h"
#include "descriptors.h"
#include "memory.h"
#include "pci.h"
#include "processor.h"

enum {
    CODE = 0x1000,
    STACK = 0x2000,
    BUFFER = 0x3000 /* segments */,
    STACK_TOP = 0xfff0,
    BUFFER_SIZE = 0x8000
};
enum {
    PREFIX_32 = 0x66,
    CLI = 0xfa,
    STI = 0xfb,
    PUSHF = 0x9c,
    POPF = 0x9d,
    INT = 0xcd,
    IRET = 0xcf,
    HLT = 0xf4
};
enum { VIDEO = 0x10, OK = 0x4f, TEXT_80 = 3, MODE_12H = 0x12 };
enum {
    MODE = 0x144 /* 1024 by 768 by 32 in this BIOS */,
    LINEAR = 0x4000,
    WIDTH = 1024,
    HEIGHT = 768,
    PITCH = 4 * WIDTH
};
enum {
    MODE_WANTED = 0x9b,
    STATE_ALL = 15,
    SAVE = 1,
    RESTORE = 2,
    BLOCK = 64,
    WINDOW = 0xa0000,
    BANK = 65536
};

/* Shared with v86.asm. */
extern struct v86_call {
    uint32_t eax, ebx, ecx, edx, esi, edi, cs, ss, segment, sp;
} v86_call;
struct v86_call v86_call;
void v86_enter(void *unused);

static uint32_t virtual_flags, emulated;
static uint8_t *const buffer = (uint8_t *)(BUFFER * 16);

static void push16(struct interrupt_frame *frame, uint32_t value)
{
    frame->esp = (frame->esp - 2) & 0xffff;
    *(uint16_t *)((frame->ss & 0xffff) * 16 + frame->esp) = (uint16_t)value;
}

static uint32_t pop16(struct interrupt_frame *frame)
{
    uint32_t value = *(uint16_t *)((frame->ss & 0xffff) * 16 + (frame->esp & 0xffff));
    frame->esp = (frame->esp + 2) & 0xffff;
    return value;
}

static void push_flags(struct interrupt_frame *frame, bool wide)
{
    uint32_t flags = (frame->eflags & ~(uint32_t)FLAG_IF & ~(uint32_t)FLAG_VM) | virtual_flags;
    if (wide)
        push16(frame, flags >> 16);
    push16(frame, flags);
}

/* IF is the monitor's word; what would leave the mode stays. */
static void take_flags(struct interrupt_frame *frame, uint32_t flags)
{
    virtual_flags = flags & FLAG_IF;
    frame->eflags = (flags & 0xcff & ~(uint32_t)FLAG_IF & ~(uint32_t)FLAG_TF) | FLAG_VM | 2;
}

static void pop_flags(struct interrupt_frame *frame, bool wide)
{
    take_flags(frame, pop16(frame));
    if (wide)
        pop16(frame);
}

static void deliver(struct interrupt_frame *frame, uint8_t vector)
{
    uint32_t table = 0;
    __asm__("" : "+r"(table)); /* near zero is no null pointer */
    uint32_t entry = ((const volatile uint32_t *)table)[vector];
    push_flags(frame, false);
    push16(frame, frame->cs);
    push16(frame, frame->eip);
    virtual_flags = 0;
    frame->cs = entry >> 16;
    frame->eip = entry & 0xffff;
}

static void return_from_interrupt(struct interrupt_frame *frame, bool wide)
{
    uint32_t ip = pop16(frame);
    if (wide)
        pop16(frame);
    frame->cs = pop16(frame);
    if (wide)
        pop16(frame);
    pop_flags(frame, wide);
    frame->eip = ip;
}

/* The call is over, or cannot go on: registers, and the fault if it is one. */
static void leave(const struct interrupt_frame *frame)
{
    _Noreturn void try_unwind(void);

    v86_call.eax = frame->eax;
    v86_call.ebx = frame->ebx;
    v86_call.ecx = frame->ecx;
    v86_call.edx = frame->edx;
    fault.vector = frame->vector;
    fault.eip = frame->eip;
    fault.cs = frame->cs;
    try_unwind();
}

static void monitor(struct interrupt_frame *frame)
{
    const uint8_t *code = (const uint8_t *)((frame->cs & 0xffff) * 16 + (frame->eip & 0xffff));
    bool wide = *code == PREFIX_32;
    code += wide;
    uint32_t next = frame->eip + wide + 1;
    if (!(frame->eflags & FLAG_VM))
        guest_abort("fault of the monitor");
    emulated++;
    frame->eip = next;
    switch (*code) {
    case CLI:
        virtual_flags = 0;
        return;
    case STI:
        virtual_flags = FLAG_IF;
        return;
    case PUSHF:
        push_flags(frame, wide);
        return;
    case POPF:
        pop_flags(frame, wide);
        return;
    case INT:
        frame->eip = next + 1;
        deliver(frame, code[1]);
        return;
    case IRET:
        return_from_interrupt(frame, wide);
        return;
    case HLT:
        fault.error = frame->cs == CODE ? 0 : 1;
        leave(frame);
    }
    print("not emulated: %x at %x:%x\n", *code, frame->cs, frame->eip);
    fault.error = 2;
    leave(frame);
}

/* INT 10h; the AX that comes back, or all ones if the call did not end. */
static uint32_t call(uint32_t ax, uint32_t bx, uint32_t cx, uint32_t dx)
{
    static const uint8_t code[] = {INT, VIDEO, HLT};
    memcpy((void *)(CODE * 16), code, sizeof(code));
    v86_call = (struct v86_call){.eax = ax,
                                 .ebx = bx,
                                 .ecx = cx,
                                 .edx = dx,
                                 .cs = CODE,
                                 .ss = STACK,
                                 .sp = STACK_TOP,
                                 .segment = BUFFER};
    virtual_flags = FLAG_IF;
    fault_clear();
    try_call(v86_enter, NULL);
    return fault.vector == GP && fault.error == 0 ? v86_call.eax & 0xffff : UINT32_MAX;
}

static uint32_t word(uint32_t offset)
{
    return buffer[offset] | (uint32_t)buffer[offset + 1] << 8;
}

static uint32_t dword(uint32_t offset)
{
    return word(offset) | word(offset + 2) << 16;
}

static void test_text(void)
{
    check_value("get mode", call(0x0f00, 0, 0, 0) & 0x7f, TEXT_80);
    check_value("  columns", call(0x0f00, 0, 0, 0) >> 8, 80);
    call(TEXT_80, 0, 0, 0);
    call(0x0200, 0, 0, 0x0305);
    call(0x094e, 0x1f, 3, 0); /* character, attribute, how often */
    check_value("character and attribute at the cursor", call(0x0800, 0, 0, 0), 0x1f4e);
    check_value("  in memory", *(volatile uint16_t *)(0xb8000 + 2 * (3 * 80 + 5 + 2)), 0x1f4e);
    call(0x0300, 0, 0, 0);
    check_value("  cursor", v86_call.edx & 0xffff, 0x0305);
}

/* VBE 3.0, 4.3: the list of modes ends with all ones. */
static void test_controller(void)
{
    memcpy(buffer, "VBE2", 4);
    check_value("VBE controller information", call(0x4f00, 0, 0, 0), OK);
    check("  signature", memcmp(buffer, "VESA", 4) == 0);
    check_value("  version", word(4), 0x300);
    check_value("  memory, 64 KiB", word(18), 0x100);
    const uint16_t *list = (const uint16_t *)(word(16) * 16 + word(14));
    uint32_t modes = 0;
    bool wanted = false;
    for (; modes < 256 && list[modes] != 0xffff; modes++)
        wanted |= list[modes] == MODE;
    check("  a list that ends", modes > 20 && modes < 256);
    check("  with 1024 by 768 by 32", wanted);
}

static uint32_t screen_memory(void)
{
    for (uint32_t function = 0; function < 256; function++)
        if (pci_read((uint8_t)function, 0) != UINT32_MAX && pci_read((uint8_t)function, 8) >> 16 == 0x0300)
            return pci_read((uint8_t)function, 0x10) & ~15u;
    return 0;
}

static uint32_t test_mode_information(void)
{
    check_value("VBE mode information", call(0x4f01, 0, MODE, 0), OK);
    check_value("  there, colour, graphics, linear", word(0) & MODE_WANTED, MODE_WANTED);
    check_value("  window's granularity and size, KiB", word(4) << 16 | word(6), 64 << 16 | 64);
    check_value("  window", word(8), WINDOW / 16);
    check_value("  bytes of a line", word(16), PITCH);
    check_value("  width and height", word(18) << 16 | word(20), WIDTH << 16 | HEIGHT);
    check_value("  bits of a pixel", buffer[25], 32);
    check_value("  red, green, blue", (uint32_t)buffer[32] << 16 | buffer[34] << 8 | buffer[36], 0x100800);
    check("  frame buffer is the card's memory", dword(40) == screen_memory());
    return dword(40);
}

static void test_linear(volatile uint32_t *frame)
{
    check_value("set it, linear", call(0x4f02, MODE | LINEAR, 0, 0), OK);
    check_value("  get mode", call(0x4f03, 0, 0, 0), OK);
    check_value("  it", v86_call.ebx & 0xffff, MODE | LINEAR);
    check_value("  cleared", frame[HEIGHT * WIDTH - 1], 0);
    for (uint32_t i = 0; i < HEIGHT; i++)
        frame[i * WIDTH + i] = i * 0x010203;
    check_value("  drawn", frame[700 * WIDTH + 700], 700 * 0x010203);
    check_value("line of 2048 pixels", call(0x4f06, 0, 2048, 0), OK);
    check_value("  bytes", v86_call.ebx & 0xffff, 8192);
    check_value("display start", call(0x4f07, 0, 64, 32), OK);
    check_value("  get it", call(0x4f07, 1, 0, 0), OK);
    check_value("  it", (v86_call.ecx & 0xffff) << 16 | (v86_call.edx & 0xffff), 64 << 16 | 32);
}

static void test_windows(volatile const uint32_t *frame)
{
    check_value("set it, with windows, memory kept", call(0x4f02, MODE | 0x8000, 0, 0), OK);
    check_value("window 5", call(0x4f05, 0, 0, 5), OK);
    *(volatile uint32_t *)(WINDOW + 0x1230) = 0x00c0ffee;
    check_value("  seen in the frame buffer", frame[(5 * BANK + 0x1230) / 4], 0x00c0ffee);
    check_value("  get it", call(0x4f05, 0x100, 0, 0), OK);
    check_value("  it", v86_call.edx & 0xffff, 5);
    check_value("window 0", call(0x4f05, 0, 0, 0), OK);
    check_value("  its pixel of before", *(volatile uint32_t *)(WINDOW + 3 * (PITCH + 4)), 3 * 0x010203);
}

static void test_state(void)
{
    check_value("size of the state", call(0x4f04, 0, STATE_ALL, 0), OK);
    uint32_t bytes = (v86_call.ebx & 0xffff) * BLOCK;
    check("  fits", bytes && bytes <= BUFFER_SIZE);
    check_value("save", call(0x4f04, 0, STATE_ALL, SAVE), OK);
    call(MODE_12H, 0, 0, 0);
    check_value("mode 12h", call(0x0f00, 0, 0, 0) & 0x7f, MODE_12H);
    check_value("restore", call(0x4f04, 0, STATE_ALL, RESTORE), OK);
    call(0x4f03, 0, 0, 0);
    check_value("  mode", v86_call.ebx & 0x1ff, MODE);
    call(TEXT_80, 0, 0, 0);
    check_value("text again", call(0x0f00, 0, 0, 0) & 0x7f, TEXT_80);
}

void guest_main(void)
{
    uint32_t table = VIDEO * 4;
    __asm__("" : "+r"(table));
    check("INT 10h leads to the card's BIOS", *(const volatile uint32_t *)table >> 28 == 0xc);
    interrupt_set(GP, monitor);
    memset(tss.io, 0, sizeof(tss.io) - 1);
    test_text();
    test_controller();
    volatile uint32_t *frame = (volatile uint32_t *)test_mode_information();
    test_linear(frame);
    test_windows(frame);
    test_state();
    check("instructions that trapped were emulated", emulated > 0);
}
