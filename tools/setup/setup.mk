# What a fresh machine lacks: packages, installed before anything else is looked at, and guests, fetched when an example
# wants them. Packages come from Debian's mirrors into $(CACHE); build/examples is what the descriptions in examples/ name.

SETUP := tools/setup
SETUP_GOALS := $(or $(MAKECMDGOALS),all)
SETUP_SET := $(if $(filter all,$(SETUP_GOALS)),build) \
  $(if $(filter run examples build/examples/%,$(SETUP_GOALS)),run) \
  $(if $(filter-out all run examples build/examples/% help clean,$(SETUP_GOALS)),test)
# At parse time, because the rules below and elsewhere need the tools to be parsed; not under `make -n`.
ifneq ($(strip $(SETUP_SET)),)
ifeq ($(findstring n,$(firstword -$(MAKEFLAGS))),)
ifneq ($(shell $(SETUP)/packages.sh $(lastword $(SETUP_SET)) >&2 || echo failed),)
$(error packages are missing; what to do is said above)
endif
endif
endif

EXAMPLES := $(B)/examples
FLAVOURS := 686 686-pae amd64
FETCHED := $(CACHE)/guests
.PHONY: setup examples
##  make setup      install what is missing on this machine and fetch the guests (other goals do it by themselves)
setup: examples

##  make examples   everything that the descriptions in examples/ name, in build/examples
examples: $(foreach f,$(FLAVOURS),$(EXAMPLES)/$(f)/vmlinuz $(EXAMPLES)/$(f)/initrd.gz) $(EXAMPLES)/installer/vmlinuz \
  $(EXAMPLES)/installer/initrd.gz $(EXAMPLES)/disk/disk.img $(EXAMPLES)/686/disk.img \
  $(EXAMPLES)/grub-rescue/cdrom.iso $(EXAMPLES)/grub-rescue/floppy.img $(EXAMPLES)/memtest86/memtest86.iso \
  $(EXAMPLES)/ipxe/ipxe.iso $(EXAMPLES)/installer/installer.iso

$(FLAVOURS:%=$(FETCHED)/%/vmlinuz) &:
	$(SETUP)/guests.sh $(CACHE) kernels
$(FETCHED)/busybox-i386 $(FETCHED)/busybox-amd64 &:
	$(SETUP)/guests.sh $(CACHE) busybox
$(FETCHED)/installer/vmlinuz $(FETCHED)/installer/initrd.gz &:
	$(SETUP)/guests.sh $(CACHE) installer
$(FETCHED)/grub-rescue/cdrom.iso $(FETCHED)/grub-rescue/floppy.img &:
	$(SETUP)/guests.sh $(CACHE) rescue
$(FETCHED)/memtest86/memtest86.iso:
	$(SETUP)/guests.sh $(CACHE) memtest
$(FETCHED)/ipxe/ipxe.iso:
	$(SETUP)/guests.sh $(CACHE) ipxe
$(FETCHED)/disk/disk.img: $(SETUP)/disk.sh
	$(SETUP)/disk.sh $(CACHE)

# Links, so that a description names the same path wherever the cache lies and the files are the packages' own.
$(EXAMPLES)/%/vmlinuz: $(FETCHED)/%/vmlinuz
	@mkdir -p $(@D)
	ln -sfn $(abspath $<) $@
# An empty file system. mke2fs lies in sbin, which a user's PATH may lack.
$(EXAMPLES)/686/disk.img:
	@mkdir -p $(@D)
	PATH=$$PATH:/usr/sbin:/sbin mke2fs -q -F -t ext2 -U 5eed0686-0000-4000-8000-000000000686 $@ 4M
$(EXAMPLES)/installer/initrd.gz: $(FETCHED)/installer/initrd.gz
	@mkdir -p $(@D)
	ln -sfn $(abspath $<) $@
$(EXAMPLES)/grub-rescue/floppy.img: $(FETCHED)/grub-rescue/floppy.img
	@mkdir -p $(@D)
	ln -sfn $(abspath $<) $@
# A disc whose GRUB starts the installer, as packaged, with its text front end on the serial port.
$(EXAMPLES)/installer/installer.iso: $(SETUP)/installer.cfg $(FETCHED)/installer/initrd.gz
	@mkdir -p $(@D)
	grub-mkrescue --fonts= --locales= --themes= -o $@ boot/grub/grub.cfg=$< vmlinuz=$(abspath $(FETCHED)/installer/vmlinuz) \
	  initrd.gz=$(abspath $(FETCHED)/installer/initrd.gz) 2>$@.log || { cat $@.log; exit 1; }
$(EXAMPLES)/%.iso: $(FETCHED)/%.iso
	@mkdir -p $(@D)
	ln -sfn $(abspath $<) $@
$(EXAMPLES)/disk/disk.img: $(FETCHED)/disk/disk.img
	@mkdir -p $(@D)
	ln -sfn $(abspath $<) $@

$(EXAMPLES)/686/initrd.gz $(EXAMPLES)/686-pae/initrd.gz: BUSYBOX := busybox-i386
$(EXAMPLES)/amd64/initrd.gz: BUSYBOX := busybox-amd64
$(FLAVOURS:%=$(EXAMPLES)/%/initrd.gz): $(EXAMPLES)/%/initrd.gz: $(FETCHED)/%/vmlinuz $(FETCHED)/busybox-i386 \
  $(FETCHED)/busybox-amd64 $(SETUP)/init.sh $(SETUP)/initrd.sh
	@mkdir -p $(@D)
	$(SETUP)/initrd.sh $@ $(FETCHED)/$(BUSYBOX) $(FETCHED)/$*/modules $(SETUP)/init.sh
