# The service's program, embedded in the monitor.

LIBFDT := $(shell $(CC) -print-file-name=libfdt.a)

$(B)/service.elf: $(SERVICE_O) lib/user.ld
	ld -nostdlib -z max-page-size=4096 -z noexecstack --gc-sections --no-warn-rwx-segments -T lib/user.ld -o $@ $(SERVICE_O) $(LIBFDT)
