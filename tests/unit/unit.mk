# Unit tests: one cmocka program for each tests/unit/test_*.c, under ASan and UBSan. The head comment of a test names what
# it links, in a line " * sources: lib/walk.c devices/pic.c ...".

UNIT := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
UNIT_CFLAGS := -std=c17 $(WARN) -g -O1 -D_GNU_SOURCE -DUNIT_TEST -fno-strict-aliasing -fsanitize=address,undefined \
  -fno-sanitize-recover=all $(INC_tests)
sources = $(shell sed -n 's/^ \* sources: *//p' $(1))
libraries = $(shell sed -n 's/^ \* libraries: *//p' $(1))
# What it includes of the sources it tests, so that they call what the test has in place of others.
included = $(shell sed -n 's,^\#include "../../\(.*\)",\1,p' $(1))

define unit_rule
$(B)/unit/$(1): tests/unit/$(1).c $(call sources,tests/unit/$(1).c) $(call included,tests/unit/$(1).c) $(wildcard service/*.h include/*.h lib/*.h core/*.h mm/*.h svm/*.h devices/*.h loaders/*.h tests/unit/*.h) $$(UNIT_DEPS)
	@mkdir -p $(B)/unit
	$(CC) $(UNIT_CFLAGS) -o $$@ tests/unit/$(1).c $(call sources,tests/unit/$(1).c) -lcmocka $(call libraries,tests/unit/$(1).c)
endef
$(foreach t,$(UNIT),$(eval $(call unit_rule,$(t))))

.PHONY: unit unit-build $(UNIT:%=unit-%)
##  make unit       the unit tests (cmocka, ASan, UBSan); make unit-test_NAME runs one
unit-build: $(UNIT:%=$(B)/unit/%)
unit: $(UNIT:%=unit-%)
$(UNIT:%=unit-%): unit-%: $(B)/unit/%
	$<
