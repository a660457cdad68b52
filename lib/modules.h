/* Boot modules by name: "guest:path" is what the description of that guest calls path. */
#pragma once

#include <stdint.h>
#include "process_info.h"

enum { MODULE_NOT_FOUND = -1 };

/* Index of the module that a guest calls path, or MODULE_NOT_FOUND. */
int modules_find(const struct process_module *module, uint32_t count, const char *guest, const char *path);
