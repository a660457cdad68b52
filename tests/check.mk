# Static checks: form, suspicious code, and the rules of the tree that a program can judge. Each file is looked at again
# only when it or a header has changed.

CHECK_DIRS := core mm svm vmx checks lib devices loaders service tools
CHECK_C := $(foreach d,$(CHECK_DIRS),$(wildcard $(d)/*.c))
CHECK_FORMAT := $(CHECK_C) $(wildcard include/*.h tests/*/*.c tests/*/*.h tests/guests/*/*.c tests/guests/*/*.h) \
  $(foreach d,$(CHECK_DIRS),$(wildcard $(d)/*.h))
CHECK_HEADERS := $(filter %.h,$(CHECK_FORMAT))
# tools/ is hosted C, all else freestanding.
check_flags = $(INC_$(call directory,$(1))) $(if $(filter tools/%,$(1)),-D_GNU_SOURCE,-ffreestanding)
CPPCHECK := cppcheck -q --std=c11 --enable=warning,portability --error-exitcode=1 --inline-suppr \
  --library=tests/check/cppcheck.cfg --suppressions-list=tests/check/cppcheck.suppress

RING0_BUDGET := 8500
# Tables of entry checks are counted apart (docs/design.md, section 2): checks/, which holds nothing else, and what of it lies
# in lib/ because the emulator asks the same.
RING0_COUNTED := $(filter-out checks/% $(LIB_CHECKS),$(RING0_C)) $(RING0_ASM) $(wildcard core/*.inc) $(patsubst %.c,%.h,$(filter-out $(LIB_CHECKS),$(LIB_RING0))) \
  $(foreach d,core mm svm vmx,$(wildcard $(d)/*.h))

$(B)/check/%.format: % .clang-format
	@mkdir -p $(@D)
	@clang-format --dry-run -Werror $<
	@touch $@
$(B)/check/%.tidy: % .clang-tidy $(CHECK_HEADERS)
	@mkdir -p $(@D)
	@echo "clang-tidy $<"
	@clang-tidy --quiet $< -- -std=c17 $(call check_flags,$<) 2>/dev/null
	@touch $@
$(B)/check/%.cppcheck: % tests/check/cppcheck.suppress $(CHECK_HEADERS)
	@mkdir -p $(@D)
	@$(CPPCHECK) $(filter -I%,$(call check_flags,$<)) $<
	@touch $@

.PHONY: check check-format check-tidy check-cppcheck check-rules format
##  make check      static checks: clang-format, clang-tidy, cppcheck, and the tree's own rules
check: check-format check-cppcheck check-rules check-tidy
check-format: $(CHECK_FORMAT:%=$(B)/check/%.format)
check-tidy: $(CHECK_C:%=$(B)/check/%.tidy)
check-cppcheck: $(CHECK_C:%=$(B)/check/%.cppcheck)
check-rules: $(B)/nullring $(B)/nr
	@tests/check/rules $(B) $(RING0_BUDGET) $(RING0_COUNTED)
##  make format     clang-format on every C file
format:
	clang-format -i $(CHECK_FORMAT)
