/*
 * Instructions on device memory: each form that compilers and kernels use there gives the same memory,
 * register and flags as on RAM. The device is a virtio disk whose queue addresses are six 32-bit registers
 * that hold what is written; queue_select is one of 16 bits, device_status one of 8. Natively QEMU executes
 * these, under the monitor the emulator does. Manual: Intel SDM Vol. 2; virtio 1.1, 4.1.4.3. Real hardware:
 * as checked here.
 *
 * guest: disk=1
 */
#include "guest.h"
#include "long.h"
#include "memory.h"
#include "pci.h"
#include "processor.h"

enum { VENDOR_REDHAT = 0x1af4, COMMAND = 4, BAR0 = 0x10, CAPABILITIES = 0x34, COMMAND_MEMORY = 2 };
enum {
    CAPABILITY_VENDOR = 9,
    TYPE_COMMON = 1,
    DEVICE_STATUS = 0x14,
    QUEUE_SELECT = 0x16,
    QUEUE_DESC = 0x20,
    CELLS = 6
};
enum { CF = 1, PF_FLAG = 4, AF = 0x10, ZF = 0x40, SF = 0x80, OF_FLAG = 0x800, STATUS = 0x8d5 };
#define BAR_PLACE 0xfd000000u

volatile uint32_t *window; /* the six registers */
uint32_t mmio_results[16];
void mmio_long(void);
static volatile uint16_t *half;
static volatile uint8_t *byte;

/* Base of a memory BAR, which is given a place if the firmware has not done so. */
static uint32_t bar_base(uint8_t function, unsigned bar)
{
    uint8_t offset = (uint8_t)(BAR0 + 4 * bar);

    if (!(pci_read(function, offset) & ~0xfu)) {
        pci_write(function, offset, BAR_PLACE);
        if (pci_read(function, offset) & 4)
            pci_write(function, offset + 4, 0);
    }
    pci_write(function, COMMAND, pci_read(function, COMMAND) | COMMAND_MEMORY);
    return pci_read(function, offset) & ~0xfu;
}

static uint32_t find_common(void)
{
    for (unsigned function = 0; function < 256; function += 8) {
        if ((pci_read((uint8_t)function, 0) & 0xffff) != VENDOR_REDHAT)
            continue;
        uint8_t at = (uint8_t)pci_read((uint8_t)function, CAPABILITIES);
        for (unsigned i = 0; at && i < 16; i++) {
            uint32_t head = pci_read((uint8_t)function, at);
            if ((head & 0xff) == CAPABILITY_VENDOR && head >> 24 == TYPE_COMMON)
                return bar_base((uint8_t)function, pci_read((uint8_t)function, at + 4) & 0xff) +
                       pci_read((uint8_t)function, at + 8);
            at = (uint8_t)(head >> 8);
        }
    }
    return 0;
}

/* Runs code with EDI at the window, EAX, EBX and ECX as given; holds memory and EAX, then the flags, to the
 * manual's. */
#define FORM(name, code, memory, eax, ebx, memory_after, eax_after, flags_mask, flags_after)                 \
    do {                                                                                                     \
        uint32_t a_ = (eax), f_, b_ = (ebx);                                                                 \
        window[0] = (memory);                                                                                \
        __asm__ volatile("pushl $2\n popfl\n" code "\n pushfl\n popl %2"                                     \
                         : "+a"(a_), "+b"(b_), "=&r"(f_)                                                     \
                         : "D"(window), "c"(3)                                                               \
                         : "memory", "cc");                                                                  \
        check_value64(name, (uint64_t)window[0] << 32 | a_,                                                  \
                      (uint64_t)(uint32_t)(memory_after) << 32 | (uint32_t)(eax_after));                     \
        check_value("  flags", f_ &(flags_mask), flags_after);                                               \
    } while (0)

static void moves(void)
{
    FORM("mov [m], eax", "movl %%eax, (%%edi)", 0, 0x12345678, 0, 0x12345678, 0x12345678, STATUS, 0);
    FORM("mov eax, [m]", "movl (%%edi), %%eax", 0xcafebabe, 0, 0, 0xcafebabe, 0xcafebabe, STATUS, 0);
    FORM("mov dword [m], imm", "movl $0x11223344, (%%edi)", 0, 0, 0, 0x11223344, 0, STATUS, 0);
    FORM("mov ax, [m]", "movw (%%edi), %%ax", 0xcafebabe, 0x11111111, 0, 0xcafebabe, 0x1111babe, STATUS, 0);
    FORM("mov ah, [m]", "movb (%%edi), %%ah", 0xcafebabe, 0x11111111, 0, 0xcafebabe, 0x1111be11, STATUS, 0);
    FORM("movzx eax, byte [m]", "movzbl (%%edi), %%eax", 0x80fe, ~0u, 0, 0x80fe, 0xfe, STATUS, 0);
    FORM("movzx eax, word [m]", "movzwl (%%edi), %%eax", 0x80fe, ~0u, 0, 0x80fe, 0x80fe, STATUS, 0);
    FORM("movsx eax, byte [m]", "movsbl (%%edi), %%eax", 0x80fe, 0, 0, 0x80fe, 0xfffffffe, STATUS, 0);
    FORM("movsx eax, word [m]", "movswl (%%edi), %%eax", 0x80fe, 0, 0, 0x80fe, 0xffff80fe, STATUS, 0);
    FORM("movnti [m], eax", "movnti %%eax, (%%edi)", 0, 0x77, 0, 0x77, 0x77, STATUS, 0);
    FORM("xchg [m], eax", "xchgl %%eax, (%%edi)", 1, 2, 0, 2, 1, STATUS, 0);
    FORM("cmovz eax, [m] (not)", "cmovzl (%%edi), %%eax", 5, 9, 0, 5, 9, STATUS, 0);
    FORM("cmovnz eax, [m]", "cmovnzl (%%edi), %%eax", 5, 9, 0, 5, 5, STATUS, 0);
    FORM("push [m], pop eax", "pushl (%%edi)\n popl %%eax", 0xabcd, 0, 0, 0xabcd, 0xabcd, STATUS, 0);
    FORM("push eax, pop [m]", "pushl %%eax\n popl (%%edi)", 0, 0x4321, 0, 0x4321, 0x4321, STATUS, 0);
    window[1] = 0x99;
    FORM("[m + index * 4]", "movl $0, %%ebx\n movl 4(%%edi,%%ebx,4), %%eax\n movl %%eax, (%%edi)", 1, 0, 0,
         0x99, 0x99, STATUS, 0);
}

static void arithmetic(void)
{
    FORM("add [m], eax", "addl %%eax, (%%edi)", 0xffffffff, 1, 0, 0, 1, STATUS, CF | PF_FLAG | AF | ZF);
    FORM("add eax, [m]", "addl (%%edi), %%eax", 1, 0x7fffffff, 0, 1, 0x80000000, STATUS,
         PF_FLAG | AF | SF | OF_FLAG);
    FORM("adc [m], imm with CF", "stc\n adcl $1, (%%edi)", 5, 0, 0, 7, 0, STATUS, 0);
    FORM("sbb eax, [m] with CF", "stc\n sbbl (%%edi), %%eax", 5, 5, 0, 5, ~0u, STATUS,
         CF | PF_FLAG | AF | SF);
    FORM("sub [m], imm8", "subl $-1, (%%edi)", 0, 0, 0, 1, 0, STATUS, CF | AF);
    FORM("and [m], imm", "andl $0xff00ff00, (%%edi)", 0x12345678, 0, 0, 0x12005600, 0, STATUS & ~AF, PF_FLAG);
    FORM("or [m], eax", "orl %%eax, (%%edi)", 0xf0, 0x80000000, 0, 0x800000f0, 0x80000000, STATUS & ~AF,
         PF_FLAG | SF);
    FORM("xor [m], eax", "xorl %%eax, (%%edi)", 0xaa, 0xaa, 0, 0, 0xaa, STATUS & ~AF, PF_FLAG | ZF);
    FORM("cmp [m], eax", "cmpl %%eax, (%%edi)", 1, 2, 0, 1, 2, STATUS, CF | PF_FLAG | AF | SF);
    FORM("cmp eax, [m]", "cmpl (%%edi), %%eax", 1, 2, 0, 1, 2, STATUS, 0);
    FORM("test [m], eax", "testl %%eax, (%%edi)", 0xf0, 0x0f, 0, 0xf0, 0x0f, STATUS & ~AF, PF_FLAG | ZF);
    FORM("test byte [m], imm", "testb $0x80, (%%edi)", 0x80, 0, 0, 0x80, 0, STATUS & ~AF, SF);
    FORM("inc [m] keeps CF", "stc\n incl (%%edi)", 0x7fffffff, 0, 0, 0x80000000, 0, STATUS,
         CF | PF_FLAG | AF | SF | OF_FLAG);
    FORM("dec [m]", "decl (%%edi)", 1, 0, 0, 0, 0, STATUS, PF_FLAG | ZF);
    FORM("not [m]", "notl (%%edi)", 0xf0f0f0f0, 0, 0, 0x0f0f0f0f, 0, STATUS, 0);
    FORM("neg [m]", "negl (%%edi)", 1, 0, 0, ~0u, 0, STATUS, CF | PF_FLAG | AF | SF);
    FORM("shl [m], 1", "shll (%%edi)", 0x80000001, 0, 0, 2, 0, STATUS & ~AF, CF | OF_FLAG);
    FORM("shr [m], cl", "shrl %%cl, (%%edi)", 0x24, 0, 0, 4, 0, STATUS & ~(AF | OF_FLAG), CF);
    FORM("sar [m], 4", "sarl $4, (%%edi)", 0x80000000, 0, 0, 0xf8000000, 0, STATUS & ~(AF | OF_FLAG),
         PF_FLAG | SF);
    FORM("rol [m], 8", "roll $8, (%%edi)", 0x12345678, 0, 0, 0x34567812, 0, CF, 0);
    FORM("rcr [m], 1 with CF", "stc\n rcrl (%%edi)", 2, 0, 0, 0x80000001, 0, CF, 0);
    FORM("shld [m], eax, 8", "shldl $8, %%eax, (%%edi)", 0x12345678, 0xab000000, 0, 0x345678ab, 0xab000000,
         CF, 0);
    FORM("imul eax, [m]", "imull (%%edi), %%eax", 7, (uint32_t)-3, 0, 7, (uint32_t)-21, CF | OF_FLAG, 0);
    FORM("mul [m]", "pushl %%edx\n mull (%%edi)\n popl %%edx", 0x10000, 0x10000, 0, 0x10000, 0, CF | OF_FLAG,
         CF | OF_FLAG);
    FORM("div [m]", "pushl %%edx\n xorl %%edx, %%edx\n divl (%%edi)\n popl %%edx", 7, 100, 0, 7, 14, 0, 0);
}

static void bits_and_locks(void)
{
    FORM("bt [m], 31", "btl $31, (%%edi)", 0x80000000, 0, 0, 0x80000000, 0, CF, CF);
    FORM("bts [m], eax", "btsl %%eax, (%%edi)", 0, 5, 0, 0x20, 5, CF, 0);
    FORM("btr [m + 4], -32 in eax", "btrl %%eax, 4(%%edi)", 0x3, (uint32_t)-32, 0, 2, (uint32_t)-32, CF, CF);
    FORM("lock btc [m], 1", "lock btcl $1, (%%edi)", 2, 0, 0, 0, 0, CF, CF);
    FORM("lock xadd [m], eax", "lock xaddl %%eax, (%%edi)", 5, 3, 0, 8, 5, STATUS, 0);
    FORM("lock cmpxchg [m], ebx equal", "lock cmpxchgl %%ebx, (%%edi)", 5, 5, 9, 9, 5, STATUS, PF_FLAG | ZF);
    FORM("lock cmpxchg [m], ebx other", "lock cmpxchgl %%ebx, (%%edi)", 5, 6, 9, 5, 5, STATUS, 0);
    FORM("lock inc [m]", "lock incl (%%edi)", 41, 0, 0, 42, 0, STATUS, 0);
    FORM("lock or [m], imm", "lock orl $2, (%%edi)", 1, 0, 0, 3, 0, STATUS & ~AF, PF_FLAG);
    window[1] = 0;
    FORM("cmpxchg8b [m]", "pushl %%edx\n xorl %%edx, %%edx\n lock cmpxchg8b (%%edi)\n popl %%edx", 5, 5, 0x11,
         0x11, 5, ZF, ZF);
    check_value("  upper half", window[1], 3);
}

static void narrow_registers(void)
{
    uint16_t old = 0x155;

    *half = 0x100;
    __asm__ volatile("orw $0x55, (%0)\n incw (%0)\n shlw (%0)" : : "r"(half) : "memory", "cc");
    check_value("16 bits: or, inc, shl", *half, 0x2ac);
    __asm__ volatile("xchgw %0, (%1)" : "+r"(old) : "r"(half) : "memory");
    check_value("  xchg", (uint32_t)old << 16 | *half, 0x02ac0155);
    __asm__ volatile("btrw $8, (%0)\n movw $7, 0(%0)\n addw $-1, (%0)" : : "r"(half) : "memory", "cc");
    check_value("  btr, mov, add", *half, 6);
    *half = 0;
    *byte = 0;
    __asm__ volatile("orb $1, (%0)\n addb $2, (%0)" : : "r"(byte) : "memory", "cc");
    check_value("8 bits: or, add", *byte, 3);
    __asm__ volatile("stc\n setc (%0)" : : "r"(byte) : "memory", "cc");
    check_value("  setc", *byte, 1);
    *byte = 0;
}

static void strings(void)
{
    static uint32_t from[CELLS] = {0x10, 0x20, 0x30, 0x40, 0x50, 0x60};
    uint32_t to[CELLS] = {0}, count = CELLS, place, same, eax;
    void *s, *d;

    d = (void *)window, s = from;
    __asm__ volatile("rep movsl" : "+c"(count), "+S"(s), "+D"(d) : : "memory");
    check_value64("rep movsd to the device", (uint64_t)window[0] << 32 | window[5], 0x0000001000000060ull);
    check_value64("  ecx, edi", (uint64_t)count << 32 | ((uint32_t)d - (uint32_t)window), 24);
    count = CELLS, s = (void *)(window + 5), d = to + 5;
    __asm__ volatile("std\n rep movsl\n cld" : "+c"(count), "+S"(s), "+D"(d) : : "memory");
    check("rep movsd from the device, backwards", memcmp(from, to, sizeof(to)) == 0);
    count = CELLS, d = (void *)window;
    __asm__ volatile("repne scasl" : "+c"(count), "+D"(d) : "a"(0x40) : "memory", "cc");
    check_value("repne scasd", count, 2);
    count = CELLS, d = (void *)window, s = to, to[3] = 0;
    __asm__ volatile("repe cmpsl\n setc %b3" : "+c"(count), "+S"(s), "+D"(d), "=q"(same) : : "memory", "cc");
    check_value("repe cmpsd", count << 8 | (same & 0xff), 0x201);
    s = (void *)(window + 2);
    __asm__ volatile("lodsl" : "+S"(s), "=a"(eax) : : "memory");
    check_value("lodsd", eax, 0x30);
    count = CELLS, d = (void *)window;
    __asm__ volatile("rep stosl" : "+c"(count), "+D"(d) : "a"(0x5a5a) : "memory");
    check_value64("rep stosd", (uint64_t)window[0] << 32 | window[5], 0x00005a5a00005a5aull);

    place = 0x80000000;
    s = &place;
    __asm__ volatile("outsl" : "+S"(s) : "d"(PCI_ADDRESS) : "memory");
    check_value("outsd", inl(PCI_ADDRESS), 0x80000000);
    count = 3, d = to;
    __asm__ volatile("rep insl" : "+c"(count), "+D"(d) : "d"(PCI_DATA) : "memory");
    check("rep insd", to[0] == inl(PCI_DATA) && to[1] == to[0] && to[2] == to[0] && count == 0);
    check_value("  edi", (uint32_t)d - (uint32_t)to, 12);
    count = 0, d = to;
    __asm__ volatile("rep stosl" : "+c"(count), "+D"(d) : "a"(1) : "memory");
    check_value("rep with ecx 0", (uint32_t)d - (uint32_t)to, 0);
}

static void branches(void)
{
    uint32_t eax = 0;

    __asm__ volatile("movl $1f, (%1)\n jmp *(%1)\n movl $1, %0\n 1:" : "+r"(eax) : "r"(window) : "memory");
    check_value("jmp [m]", eax, 0);
    __asm__ volatile("movl $1f, (%1)\n call *(%1)\n jmp 2f\n 1: movl $5, %0\n ret\n 2:"
                     : "+r"(eax)
                     : "r"(window)
                     : "memory");
    check_value("call [m]", eax, 5);
}

/* No register allocation for XMM here: the compiler does not use them. */
static void vectors(void)
{
    static uint32_t from[4] __attribute__((aligned(16))) = {1, 2, 3, 4}, to[4] __attribute__((aligned(16)));

    write_cr4(read_cr4() | 1 << 9); /* OSFXSR */
    write_cr0((read_cr0() & ~0xcu) | 2);
#define VECTOR(name, code)                                                                                   \
    do {                                                                                                     \
        memset(to, 0, sizeof(to));                                                                           \
        for (unsigned i = 0; i < CELLS; i++)                                                                 \
            window[i] = 0x100 + i;                                                                           \
        __asm__ volatile(code : : "r"(from), "r"(to), "r"(window) : "memory");                               \
        check_value64(name, (uint64_t)window[3] << 32 | window[1], vector_expected[vector_index]);           \
        check_value64("  loaded", (uint64_t)to[3] << 32 | to[1], vector_expected[vector_index + 1]);         \
        vector_index += 2;                                                                                   \
    } while (0)
    static const uint64_t vector_expected[] = {0x0000000400000002, 0x0000000400000002, 0x0000000400000002,
                                               0x0000000400000002, 0x0000000400000002, 0x0000000400000002,
                                               0x0000010300000002, 0x0000000000000002, 0x0000010300000101,
                                               0x0000000000000000, 0x0000000200000101, 0x0000000200000101};
    unsigned vector_index = 0;

    VECTOR("movups", "movups (%0), %%xmm0\n movups %%xmm0, (%2)\n movups (%2), %%xmm1\n movups %%xmm1, (%1)");
    VECTOR("movdqa", "movdqa (%0), %%xmm0\n movdqa %%xmm0, (%2)\n movdqa (%2), %%xmm1\n movdqa %%xmm1, (%1)");
    VECTOR("movntdq",
           "movdqa (%0), %%xmm0\n movntdq %%xmm0, (%2)\n movdqu (%2), %%xmm1\n movdqa %%xmm1, (%1)");
    VECTOR("movq", "movdqa (%0), %%xmm0\n movq %%xmm0, (%2)\n movq (%2), %%xmm1\n movdqa %%xmm1, (%1)");
    VECTOR("movd", "movdqa (%0), %%xmm0\n movd %%xmm0, (%2)\n movd (%2), %%xmm1\n movdqa %%xmm1, (%1)");
    VECTOR("movhps",
           "movdqa (%0), %%xmm0\n movhps (%2), %%xmm0\n movlps %%xmm0, 8(%2)\n movhps 8(%2), %%xmm0\n"
           "movlps (%2), %%xmm0\n movdqa %%xmm0, (%1)");
}

/* Loads and stores of numbers: 1.5 and its kin through the device in all formats, and memory copied as a
 * number. */
static void numbers(void)
{
    static const uint32_t from[2] = {0x89abcdef, 0x81234567};
    uint32_t to[2] = {0};

    __asm__ volatile("fninit");
    window[0] = 0x3fc00000;
    __asm__ volatile("flds (%0); fstpl 8(%0); fldl 8(%0); fistl 4(%0); fchs; fsts 16(%0); fistpl 20(%0)"
                     :
                     : "r"(window)
                     : "memory");
    check_value64("fld m32, fstp m64", (uint64_t)window[3] << 32 | window[2], 0x3ff8000000000000ull);
    check_value("fld m64, fist m32: to even", window[1], 2);
    check_value("fst m32", window[4], 0xbfc00000);
    check_value("fistp m32", window[5], 0xfffffffe);
    __asm__ volatile("fildll (%0); fistpll (%2); fildll (%2); fistpll (%1)"
                     :
                     : "r"(from), "r"(to), "r"(window)
                     : "memory");
    check_value64("fild m64, fistp m64", (uint64_t)window[1] << 32 | window[0], 0x8123456789abcdefull);
    check_value64("  loaded", (uint64_t)to[1] << 32 | to[0], 0x8123456789abcdefull);
    window[0] = 0xfffffff9;
    __asm__ volatile("fildl (%0); flds 16(%0); fstpl 8(%0); fstps 4(%0)" : : "r"(window) : "memory");
    check_value("fild m32, fstp m32", window[1], 0xc0e00000);
    check_value64("fld m32 negative", (uint64_t)window[3] << 32 | window[2], 0xbff8000000000000ull);
}

/* What code.asm leaves in mmio_results. */
static const struct {
    const char *name;
    uint32_t expected;
} long_forms[] = {
    {"mov [m], rax: upper half", 0x11223344},
    {"mov rbx, [m]: upper half", 0x11223344},
    {"movsxd rax, [m]: positive", 0},
    {"not qword [m], movsxd: negative", 0xffffffff},
    {"add qword [m], 1", 0xaa998878},
    {"rep stosq: last upper half", 0xa5a5a5a5},
    {"lodsq", 0xdeadbeef},
    {"xchg [m], rcx", 0xdeadbeef},
    {"push qword [m]", 0xa5a5a5a5},
    {"pop qword [m]", 0x77},
};

void guest_main(void)
{
    uint32_t common = find_common();

    check("a virtio device with a memory BAR", common != 0);
    if (!common)
        return;
    byte = (volatile uint8_t *)(common + DEVICE_STATUS);
    half = (volatile uint16_t *)(common + QUEUE_SELECT);
    window = (volatile uint32_t *)(common + QUEUE_DESC);
    *half = 0;
    moves();
    arithmetic();
    bits_and_locks();
    narrow_registers();
    strings();
    branches();
    vectors();
    numbers();
    long_call(mmio_long, 0);
    for (unsigned i = 0; i < ARRAY_LENGTH(long_forms); i++)
        check_value(long_forms[i].name, mmio_results[i], long_forms[i].expected);
}
