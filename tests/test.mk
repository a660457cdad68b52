# `make test`: everything is built first, as far as it can be, then tests/run.py runs the parts two at a time and sums up.
# A fragment that brings tests of another kind adds to TEST_BUILD what is to be built and to TEST_PARTS its parts, by
# $(call test_part,KIND,NAME,SECONDS,COMMAND).

define newline


endef
comma := ,
space := $(subst ,, )
with_commas = $(subst $(space),$(comma),$(1))
test_part = $(1)|$(2)|$(3)|$(4)$(newline)

# The one that Debian's python3-pytest belongs to, whatever else is called python3 here.
PYTHON := /usr/bin/python3
BOOT_TESTS := $(wildcard tests/boot/test_*.py)
TEST_LOGS := $(B)/test-logs
TEST_BUILD += all $(B)/nullring-test $(B)/nullring-unchecked guests examples unit-build fuzz-build
# Of the generations (tests/matrix.py has all): SVM with nested paging and without, VT-x with EPT and without. The hostile guest,
# and the one beside it, would take most of the time on Bochs, and the scripts of disks a minute: they run there in the matrix only;
# the scripts, which are about devices, without nested paging, too.
DISK_SCRIPTS := disk_ide disk_ahci disk_virtio disk_floppy
VMX_MATRIX_ONLY := $(call with_commas,hostile neighbour $(DISK_SCRIPTS))
NO_NPT_MATRIX_ONLY := $(call with_commas,$(DISK_SCRIPTS:%=%@svm:no-npt))
TEST_PARTS += $(call test_part,guests,svm,2700,$(PYTHON) tests/guests/run.py --jobs 1 --seeds-on svm --without $(NO_NPT_MATRIX_ONLY) --machine native$(comma)svm$(comma)svm:no-npt)
TEST_PARTS += $(call test_part,guests,vmx,2700,$(PYTHON) tests/guests/run.py --jobs 1 --without $(VMX_MATRIX_ONLY) --machine vmx:haswell$(comma)vmx:penryn)
TEST_PARTS += $(foreach t,$(BOOT_TESTS),$(call test_part,boot,$(t:tests/boot/test_%.py=%),1500,$(PYTHON) -m pytest -q -rs -p no:cacheprovider $(t)))
TEST_PARTS += $(foreach t,$(FUZZ),$(call test_part,fuzz,$(t),300,$(MAKE) -s --no-print-directory fuzz-$(t) SECONDS=$(call fuzz_seconds,$(t))))
TEST_PARTS += $(foreach t,$(UNIT),$(call test_part,unit,$(t:test_%=%),300,$(B)/unit/$(t)))

.PHONY: test test-build test-boot run
test-build: $(TEST_BUILD)

##  make test       all tests; the last line is their sum (make test KINDS="unit boot" runs some kinds only)
test:
	@$(shell mkdir -p $(TEST_LOGS))$(file >$(TEST_LOGS)/parts,$(TEST_PARTS))
	@echo "building; the log is $(TEST_LOGS)/build.log"
	@$(MAKE) -k --no-print-directory test-build >$(TEST_LOGS)/build.log 2>&1; \
	  { echo "build|all|10|grep -E 'error|\*\*\*|undefined' $(TEST_LOGS)/build.log; exit $$?"; \
	    sed 's/^ *//' $(TEST_LOGS)/parts; } | tests/run.py $(if $(KINDS),--kinds "$(KINDS)") $(TEST_LOGS)

##  make test-matrix  all test kernels and boots of Debian's kernels on every generation of both vendors, as a table
.PHONY: test-matrix
test-matrix: all guests examples
	$(PYTHON) tests/matrix.py --jobs 2 --keep $(B)/matrix

##  make test-boot  the whole-system runs only
test-boot: KINDS := boot
test-boot: test

##  make run        boot examples/debian-686 with the console on the terminal (Ctrl-a h: keys, Ctrl-a x: leave)
run: all $(EXAMPLES)/686/vmlinuz $(EXAMPLES)/686/initrd.gz $(EXAMPLES)/686/disk.img
	@if [ -t 0 ] && [ -t 1 ]; then $(B)/nr boot examples/debian-686.dts; else \
	  $(B)/nr boot --append "mode=report nonce=$$$$" examples/debian-686.dts; fi
