# `make bench`: what the monitor costs, next to its budgets. tests/bench/count.c counts instructions inside QEMU; its header
# comes from QEMU's source package. The disk is read by a program of ours in the examples' initrd.

$(CACHE)/qemu/qemu-plugin.h:
	$(SETUP)/plugin.sh $(CACHE)
$(B)/bench/count.so: tests/bench/count.c $(CACHE)/qemu/qemu-plugin.h
	@mkdir -p $(@D)
	$(CC) -std=c17 $(WARN) -O2 -fPIC -shared -D_GNU_SOURCE -isystem $(CACHE)/qemu -o $@ $<
$(B)/bench/disk-reads: tests/bench/disk_reads.c
	@mkdir -p $(@D)
	$(CC) -std=c17 $(WARN) -m32 -march=i686 -O2 -ffreestanding -nostdlib -static -fno-pic -no-pie -mgeneral-regs-only \
	  -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables -Wl,--build-id=none -o $@ $<
# Linux unpacks several archives that follow each other.
$(B)/bench/initrd.gz: $(EXAMPLES)/686/initrd.gz $(B)/bench/disk-reads
	rm -rf $(@D)/initrd && mkdir -p $(@D)/initrd/bin && cp $(B)/bench/disk-reads $(@D)/initrd/bin/
	(cat $<; cd $(@D)/initrd && find . | cpio --quiet -o -H newc -R 0:0 | gzip -n) >$@

.PHONY: bench
##  make bench      speed and size next to their budgets, natively and under the monitor
bench: all guests examples $(B)/bench/count.so $(B)/bench/initrd.gz
	@$(PYTHON) tests/bench/bench.py --ring0 "$(RING0_COUNTED)"
