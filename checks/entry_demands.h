/*
 * The rules that hold for some processors only: the second table of entry_check().
 */
#pragma once

#include "entry_checks.h"

const char *entry_demands_check(const struct vcpu_state *state, const struct entry_demands *demands);
