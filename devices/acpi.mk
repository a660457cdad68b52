# The ACPI tables: DSDT source to AML (iasl) to a C array that acpi_tables.c includes.

$(B)/gen/dsdt.aml: devices/acpi/dsdt.asl
	@mkdir -p $(@D)
	iasl -we -vi -p $(@:.aml=) $< > $(@:.aml=.log) || { cat $(@:.aml=.log); exit 1; }

$(B)/gen/dsdt.h: $(B)/gen/dsdt.aml
	{ echo '/* Made from devices/acpi/dsdt.asl. */'; \
	  echo 'static const uint8_t dsdt_aml[] = {'; \
	  od -An -v -tx1 $< | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'; \
	  echo '};'; } > $@

$(B)/ring3/devices/acpi_tables.o: $(B)/gen/dsdt.h
UNIT_DEPS += $(B)/gen/dsdt.h
