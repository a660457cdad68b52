/* What happens with an interrupt or exception: a test's handler, the recovery of an expected fault, or the
 * end. */
#include "guest.h"
#include "processor.h"
#include "apic.h"
#include "pic.h"

volatile struct fault fault = {.vector = NO_FAULT};
volatile uint32_t fault_resume;
volatile uint32_t interrupt_count[256];
volatile uint32_t interrupt_last;
static interrupt_handler *handlers[256];
extern uint32_t try_stack;
_Noreturn void try_unwind(void);
void interrupt_dispatch(struct interrupt_frame *frame);

static const char *const exception_names[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD",
                                              "#NM", "#DF", "#9",  "#TS", "#NP", "#SS", "#GP",
                                              "#PF", "#15", "#MF", "#AC", "#MC", "#XM"};

void interrupt_set(uint8_t vector, interrupt_handler *handler)
{
    handlers[vector] = handler;
}

void interrupt_eoi_lapic(struct interrupt_frame *frame)
{
    (void)frame;
    lapic_write(LAPIC_EOI, 0);
}

void interrupt_eoi_pic(struct interrupt_frame *frame)
{
    pic_eoi((uint8_t)(frame->vector - PIC_VECTOR));
}

void fault_clear(void)
{
    fault = (struct fault){.vector = NO_FAULT};
}

static void fault_record(const struct interrupt_frame *frame)
{
    fault = (struct fault){frame->vector, frame->error,       read_cr2(),
                           frame->eip,    frame->cs & 0xffff, frame->eflags};
}

void interrupt_dispatch(struct interrupt_frame *frame)
{
    __atomic_fetch_add(&interrupt_count[frame->vector], 1, __ATOMIC_SEQ_CST);
    interrupt_last = frame->vector;
    if (handlers[frame->vector]) {
        handlers[frame->vector](frame);
        return;
    }
    if (fault_resume) {
        fault_record(frame);
        frame->eip = fault_resume;
        frame->eflags &= ~(uint32_t)FLAG_TF;
        fault_resume = 0;
        return;
    }
    if (try_stack) {
        fault_record(frame);
        try_unwind();
    }
    print("vector %u error %x at %x:%x flags %x cr2 %x\n", frame->vector, frame->error, frame->cs, frame->eip,
          frame->eflags, read_cr2());
    guest_abort("unexpected interrupt");
}

static const char *fault_name(uint32_t vector)
{
    return vector == NO_FAULT                       ? "none"
           : vector < ARRAY_LENGTH(exception_names) ? exception_names[vector]
                                                    : "other";
}

void check_fault(const char *name, uint32_t vector, uint32_t error)
{
    bool ok = fault.vector == vector && fault.error == error;

    print("%s: %s(%x)", name, fault_name(fault.vector), fault.error);
    if (!ok)
        print(" expected %s(%x)", fault_name(vector), error);
    check("", ok);
}

void observe_fault(const char *name)
{
    print("%s: %s(%x) observed\n", name, fault_name(fault.vector), fault.error);
}

void try_fetch(uint32_t address)
{
    fault_clear();
    try_call((void (*)(void *))address, NULL);
}

void check_page_fault(const char *name, uint32_t error, uint32_t address)
{
    bool ok = fault.vector == PF && fault.error == error && fault.cr2 == address;

    print("%s: %s(%x) address %x", name, fault_name(fault.vector), fault.error, fault.cr2);
    if (!ok)
        print(" expected #PF(%x) address %x", error, address);
    check("", ok);
}
