# Nullring. `make help` lists the goals. Everything that is built lies in build/, everything fetched in cache/.
#
# Each directory is compiled with the include paths it may use and no others (docs/design.md, section 2): a wrong include does
# not compile. Sources are found by pattern: a new file needs no line here.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
B := build
CACHE ?= $(or $(NULLRING_CACHE),cache)
export NULLRING_CACHE := $(abspath $(CACHE))

# V=1 shows whole commands.
Q := $(if $(V),,@)
say = $(if $(V),,@echo '  $(1)  $@')

CC := gcc
NASM := nasm
WARN := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wundef
COMMON := -std=c17 $(WARN) -g -O2 -MMD -MP -ffreestanding -fno-builtin-printf -fno-strict-aliasing -fno-asynchronous-unwind-tables \
  -fno-pic -fno-pie -mgeneral-regs-only -mno-red-zone -fcf-protection=none -fstack-protector-strong -mstack-protector-guard=global \
  -ffunction-sections -fdata-sections
# Each program is optimised as a whole: the path of an exit crosses seven files in ring 0, and as many in ring 3.
RING0 := $(COMMON) -flto=1 -flto-partition=one -mcmodel=kernel -fno-omit-frame-pointer -fstack-usage
RING3 := $(COMMON) -flto=1 -flto-partition=one -mcmodel=small
HOSTED := -std=c17 $(WARN) -g -O2 -MMD -MP -D_GNU_SOURCE

# What each directory may include.
INC_core := -Iinclude -Ilib -Icore -Imm -Ichecks
INC_mm := $(INC_core)
INC_svm := $(INC_core) -Isvm
INC_vmx := $(INC_core) -Ivmx
INC_checks := $(INC_core)
INC_lib := -Iinclude -Ilib
INC_loaders := -Iinclude -Ilib -Iloaders
INC_devices := -Iinclude -Ilib -Iloaders -Idevices -I$(B)/gen
INC_service := -Iinclude -Ilib -Iservice
INC_tools := -Iinclude -Ilib -Itools
INC_tests := -Iinclude -Ilib -Icore -Imm -Isvm -Ivmx -Ichecks -Idevices -Iloaders -Iservice -Itools -Itests/unit -I$(B)/gen

# The part of lib/ that ring 0 links; it counts against ring 0's budget, but for the tables of entry checks in it
# (tests/check.mk).
LIB_CHECKS := lib/real_mode.c
LIB_RING0 := lib/string.c lib/format.c lib/walk.c $(LIB_CHECKS)
# lib/ files that need libfdt: linked by the service and by nr.
LIB_FDT := $(wildcard lib/description*.c)

include $(sort $(wildcard tools/setup/*.mk))

RING0_C := $(wildcard core/*.c mm/*.c svm/*.c vmx/*.c checks/*.c) $(LIB_RING0)
RING0_ASM := $(wildcard core/*.asm mm/*.asm svm/*.asm vmx/*.asm)
DEVMODEL_C := $(wildcard devices/*.c loaders/*.c) $(filter-out $(LIB_FDT),$(wildcard lib/*.c))
SERVICE_C := $(wildcard service/*.c) $(wildcard lib/*.c)
USER_ASM := $(wildcard lib/*.asm)
# What of lib/ the host tool uses: descriptions, kernel images, formatted text, the control protocol.
NR_C := $(wildcard tools/*.c) $(LIB_FDT) $(wildcard lib/image_*.c) lib/format.c lib/ide_places.c lib/control_frame.c lib/cp437.c lib/picture.c

RING0_O := $(RING0_C:%.c=$(B)/ring0/%.o) $(RING0_ASM:%.asm=$(B)/ring0/%.o)
DEVMODEL_O := $(DEVMODEL_C:%.c=$(B)/ring3/%.o) $(USER_ASM:%.asm=$(B)/ring3/%.o)
SERVICE_O := $(SERVICE_C:%.c=$(B)/ring3/%.o) $(USER_ASM:%.asm=$(B)/ring3/%.o)
NR_O := $(NR_C:%.c=$(B)/host/%.o)

directory = $(firstword $(subst /, ,$(1)))

$(B)/ring0/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(RING0) $(INC_$(call directory,$*)) -c $< -o $@
$(B)/ring0/%.o: %.asm
	@mkdir -p $(@D)
	$(call say,NASM)
	$(Q)$(NASM) -f elf64 -g -F dwarf -Icore/ -MD $(@:.o=.d) $< -o $@
$(B)/ring3/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(RING3) $(INC_$(call directory,$*)) -c $< -o $@
$(B)/ring3/%.o: %.asm
	@mkdir -p $(@D)
	$(call say,NASM)
	$(Q)$(NASM) -f elf64 -g -F dwarf $< -o $@
$(B)/host/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(HOSTED) $(INC_$(call directory,$*)) -c $< -o $@

.PHONY: all help clean
all: $(B)/nullring $(B)/nr

help:
	@sed -n 's/^##  *//p' $(MAKEFILE_LIST)

##  make            the monitor (build/nullring) and the host tool (build/nr)
##  make clean      remove build/ (the cache of fetched packages stays)
clean:
	rm -rf $(B)

$(B)/nr: $(NR_O)
	$(call say,LINK)
	$(Q)$(CC) -o $@ $^ -lfdt -lz

include $(sort $(wildcard core/*.mk devices/*.mk tests/*.mk tests/*/*.mk))

-include $(shell find $(B) -name '*.d' 2>/dev/null)
