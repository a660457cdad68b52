/*
 * Task switches. See emulate_transfer.h.
 */
#include "emulate_transfer.h"

enum outcome emulate_task_switch(struct emulation *m, enum task_source source, uint16_t selector,
                                 const struct vcpu_event *event, uint64_t next_rip)
{
    (void)m, (void)source, (void)selector, (void)event, (void)next_rip;
    return OUTCOME_UNKNOWN;
}
