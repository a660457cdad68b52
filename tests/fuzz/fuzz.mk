# Fuzz targets: one libFuzzer program for each tests/fuzz/fuzz_*.c, under ASan and UBSan. The head comment of a target names
# what it links, in a line " * sources: lib/decode.c ...", the files whose line coverage is printed and must reach
# FUZZ_COVERAGE in a line " * coverage: ..." (default: the sources), and libraries in " * libraries: -lfdt". A line
# " * seconds: 30" says how long it runs in `make test`, where ten seconds do not reach what it is about.
# tests/fuzz/NAME.dict, where it is there, is the target's dictionary; tests/fuzz/NAME.seeds/ its first inputs.

FUZZ := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_CC := clang
FUZZ_CFLAGS := -std=c17 $(WARN) -Wno-include-next-absolute-path -g -O1 -D_GNU_SOURCE -DUNIT_TEST -fno-strict-aliasing -fno-omit-frame-pointer \
  -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -fprofile-instr-generate -fcoverage-mapping $(INC_tests)
FUZZ_COVERAGE ?= 80
SECONDS ?= 30
fuzz_sources = $(shell sed -n "s/^ \* sources: *//p" $(1))
fuzz_libraries = $(shell sed -n "s/^ \* libraries: *//p" $(1))
# What it includes of the sources it is about, so that they call what the target has in place of others.
fuzz_included = $(shell sed -n 's,^\#include "../../\(.*\)",\1,p' $(1))
fuzz_seconds = $(or $(TEST_SECONDS),$(shell sed -n "s/^ \* seconds: *//p" tests/fuzz/fuzz_$(1).c),10)
fuzz_coverage = $(or $(shell sed -n 's/^ \* coverage: *//p' $(1)),$(call fuzz_sources,$(1)))

define fuzz_rule
$(B)/fuzz/$(1): tests/fuzz/fuzz_$(1).c $(call fuzz_sources,tests/fuzz/fuzz_$(1).c) $(call fuzz_included,tests/fuzz/fuzz_$(1).c) $(wildcard include/*.h lib/*.h devices/*.h loaders/*.h tests/unit/*.h) $$(FUZZ_DEPS)
	@mkdir -p $(B)/fuzz
	$(FUZZ_CC) $(FUZZ_CFLAGS) -o $$@ tests/fuzz/fuzz_$(1).c $(call fuzz_sources,tests/fuzz/fuzz_$(1).c) $(call fuzz_libraries,tests/fuzz/fuzz_$(1).c)
fuzz-$(1): $(B)/fuzz/$(1)
	@tests/fuzz/run $(B)/fuzz/$(1) tests/fuzz/$(1) $(SECONDS) $(FUZZ_COVERAGE) $(call fuzz_coverage,tests/fuzz/fuzz_$(1).c)
endef
$(foreach t,$(FUZZ),$(eval $(call fuzz_rule,$(t))))

.PHONY: fuzz fuzz-build fuzz-smoke $(FUZZ:%=fuzz-%)
fuzz-build: $(FUZZ:%=$(B)/fuzz/%)
##  make fuzz       all fuzz targets in turn, SECONDS=30 each; make fuzz-NAME runs one; SECONDS=0 runs one until it is stopped
fuzz: $(FUZZ:%=fuzz-%)
##  make fuzz-smoke the same, two at a time, 30 seconds each
fuzz-smoke: fuzz-build
	@printf '%s\n' $(FUZZ) | xargs -P 2 -I{} $(MAKE) --no-print-directory fuzz-{} SECONDS=30

# Targets that include sources, so that the rule above does not know of them.
$(B)/fuzz/control: $(wildcard service/*.c service/*.h) tests/unit/service_world.h
$(B)/fuzz/debugger: tests/fuzz/debugger_machine.h devices/debugger.c
