/*
 * In place of checks/entry_checks.c in build/nullring-unchecked, a monitor for one test: the first state that
 * breaks a rule gets past the check of what came from outside, so that the processor has to refuse it. The
 * second question, which is why it did, is answered.
 */
#define entry_check entry_check_made
#include "entry_checks.c"
#undef entry_check

const char *entry_check(const struct vcpu_state *state, const struct entry_demands *demands);

const char *entry_check(const struct vcpu_state *state, const struct entry_demands *demands)
{
    static bool passed;
    const char *rule = entry_check_made(state, demands);
    if (!rule || passed)
        return rule;
    passed = true;
    return NULL;
}
