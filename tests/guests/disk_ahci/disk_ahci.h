/* Between the script (main.c) and what goes wrong (errors.c). */
#pragma once

#include "ahci.h"
#include "disk_script.h"

enum { SECTORS = 4 * 2048, WRONG_COUNT = 0xbad3, PIO = 1 };

void disk_errors(void);
