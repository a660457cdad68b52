# Test kernels: one for each directory tests/guests/NAME with a main.c (and NAME.asm files where C is not enough), linked
# with the library in lib/ into build/guests/NAME.elf, a 32-bit Multiboot image.

GUESTS := $(patsubst tests/guests/%/main.c,%,$(wildcard tests/guests/*/main.c))
GUEST_CFLAGS := -std=c17 $(WARN) -m32 -march=i686 -g -O2 -MMD -MP -ffreestanding -fno-strict-aliasing -fno-pic -fno-pie \
  -mgeneral-regs-only -mno-red-zone -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
  -fno-delete-null-pointer-checks -Itests/guests/lib -Iinclude
GUEST_LIB := $(patsubst tests/guests/lib/%,$(B)/guests/lib/%.o,$(wildcard tests/guests/lib/*.c tests/guests/lib/*.asm))
guest_objects = $(patsubst tests/guests/%,$(B)/guests/%.o,$(wildcard tests/guests/$(1)/*.c tests/guests/$(1)/*.asm))

$(B)/guests/%.c.o: tests/guests/%.c
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -c $< -o $@
$(B)/guests/%.asm.o: tests/guests/%.asm
	@mkdir -p $(@D)
	$(NASM) -f elf32 -g -F dwarf -MD $(@:.o=.d) $< -o $@

define guest_rule
$(B)/guests/$(1).elf: $(call guest_objects,$(1)) $(GUEST_LIB) tests/guests/lib/guest.ld
	@printf 'extern const char guest_name[];\nconst char guest_name[] = "$(1)";\n' | $(CC) $(GUEST_CFLAGS) -MF /dev/null -x c -c - -o $(B)/guests/$(1)/name.o
	ld -m elf_i386 -n -z noexecstack --no-warn-rwx-segments --build-id=none -T tests/guests/lib/guest.ld -o $$@ $(call guest_objects,$(1)) $(B)/guests/$(1)/name.o $(GUEST_LIB)
endef
$(foreach g,$(GUESTS),$(eval $(call guest_rule,$(g))))

$(B)/guests/boot_sector.bin: tests/guests/boot_sector.asm
	@mkdir -p $(@D)
	$(NASM) -f bin $< -o $@

.PHONY: guests test-guests test-guests-native mutations
##  make guests     the test kernels (build/guests/NAME.elf)
guests: $(GUESTS:%=$(B)/guests/%.elf) $(B)/guests/boot_sector.bin

##  make test-guests     the test kernels natively and under the monitor, compared
test-guests: guests $(B)/nr $(B)/nullring
	tests/guests/run.py
test-guests-native: guests $(B)/nr
	tests/guests/run.py --machine native
##  make mutations  break the monitor once for each test kernel, and see that the kernel notices (a quarter of an hour)
mutations: all guests
	tests/guests/mutate
