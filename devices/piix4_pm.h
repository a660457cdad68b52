/* Power management of the 82371AB (PIIX4): state block. See piix4_pm.c. */
#pragma once

#include "pci.h"

/* Where firmware puts the registers, and the commands of its SMI port: the FADT names them (acpi_tables.c).
 */
enum {
    PIIX4_PM_BASE = 0x600, /* as SeaBIOS has it */
    PIIX4_PM_EVENT = 0x00,
    PIIX4_PM_CONTROL = 0x04,
    PIIX4_PM_TIMER = 0x08,
    PIIX4_GENERAL_EVENT = 0x0c,
    PIIX4_SMI_COMMAND = 0xb2,
    PIIX4_ACPI_ENABLE = 0xf1,
    PIIX4_ACPI_DISABLE = 0xf0,
    PIIX4_SCI = 9,
    PIIX4_REG_PMBA = 0x40,
    PIIX4_REG_PMREGMISC = 0x80,
};

struct piix4_pm {
    struct pci_function pci;
    uint64_t overflows_seen; /* half-periods of the timer when TMROF_STS was last cleared */
    uint32_t presses;        /* of the power button that the guest has been told of */
    uint16_t status, enable, control;
    uint16_t general_status, general_enable;
    uint8_t smi_command, smi_status;
    uint8_t sci; /* level of the interrupt line */
    uint8_t reserved[7];
};

extern const struct device piix4_pm_device;

/* Somebody may have pressed the power button. */
void piix4_pm_look(struct piix4_pm *pm);
