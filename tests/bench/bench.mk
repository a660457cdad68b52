# `make bench`: what the monitor costs, next to its budgets. tests/bench/count.c counts instructions inside QEMU; its header
# comes from QEMU's source package.

$(CACHE)/qemu/qemu-plugin.h:
	$(SETUP)/plugin.sh $(CACHE)
$(B)/bench/count.so: tests/bench/count.c $(CACHE)/qemu/qemu-plugin.h
	@mkdir -p $(@D)
	$(CC) -std=c17 $(WARN) -O2 -fPIC -shared -D_GNU_SOURCE -isystem $(CACHE)/qemu -o $@ $<

.PHONY: bench
##  make bench      speed and size next to their budgets, natively and under the monitor
bench: all guests examples $(B)/bench/count.so
	@$(PYTHON) tests/bench/bench.py --ring0 "$(RING0_COUNTED)"
