/* What a firmware is told about its machine. See firmware_files.c. */
#pragma once

struct fw_cfg;

/* Adds all items and files. What does not fit is left out, and said in the log. */
void firmware_files(struct fw_cfg *cfg);
