/*
 * The DSDT of the virtual PC: what an operating system cannot find by probing. Only devices that exist are
 * named here. Compiled by iasl (devices/acpi.mk) and placed by acpi_tables.c. Follows ACPI 6.4 and the data sheets of
 * the 82371SB (PIIX3) and 82371AB (PIIX4).
 *
 * Interrupts: the four PIRQ lines end at ISA interrupts that the link devices choose, and those are wired to
 * the 8259 pair and to the IOAPIC inputs of the same number. So one _PRT serves both interrupt models, as on
 * the machine that QEMU calls "pc"; the MADT says that these inputs are level-triggered and active high.
 */
DefinitionBlock ("dsdt.aml", "DSDT", 2, "NULLRG", "NULLRING", 1)
{
    /* Soft off is SUS_TYP 0 of the PIIX4 (data sheet 7.2.2, PMCNTRL); it has no other state here. */
    Name (\_S5, Package (4) { 0, 0, 0, 0 })

    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A03"))
            Name (_UID, 0)
            Name (_CRS, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
                    0x0000, 0x0000, 0x0000, 0x0000, 0x0001)
                IO (Decode16, 0x0cf8, 0x0cf8, 1, 8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                    0x0000, 0x0000, 0x0cf7, 0x0000, 0x0cf8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                    0x0000, 0x0d00, 0xffff, 0x0000, 0xf300)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                    0x00000000, 0xc0000000, 0xfebfffff, 0x00000000, 0x3ec00000)
            })

            /* INTx of slot n, pin p arrives at PIRQ (n + p - 1) mod 4: the board's swizzle. */
            Method (_PRT, 0, Serialized)
            {
                Local0 = Package (128) {}
                Local1 = 0
                While (Local1 < 128)
                {
                    Local2 = Local1 >> 2
                    Local3 = (Local1 + Local2) & 3
                    If (Local3 == 0)
                    {
                        Local4 = Package (4) { 0, 0, LNKD, 0 }
                    }
                    ElseIf (Local3 == 1)
                    {
                        Local4 = Package (4) { 0, 0, LNKA, 0 }
                    }
                    ElseIf (Local3 == 2)
                    {
                        Local4 = Package (4) { 0, 0, LNKB, 0 }
                    }
                    Else
                    {
                        Local4 = Package (4) { 0, 0, LNKC, 0 }
                    }
                    Local4 [0] = (Local2 << 16) | 0xffff
                    Local4 [1] = Local1 & 3
                    Local0 [Local1] = Local4
                    Local1++
                }
                Return (Local0)
            }

            Device (ISA)
            {
                Name (_ADR, 0x00010000)
                OperationRegion (PIRQ, PCI_Config, 0x60, 4)
            }

            /* There when its registers answer: a guest's description can leave it out. */
            Device (HPET)
            {
                Name (_HID, EisaId ("PNP0103"))
                Name (_UID, 0)
                OperationRegion (HREG, SystemMemory, 0xfed00000, 4)
                Field (HREG, DWordAcc, NoLock, Preserve)
                {
                    HCAP, 32
                }
                Method (_STA)
                {
                    If (HCAP == 0xffffffff)
                    {
                        Return (0)
                    }
                    Return (0x0f)
                }
                Name (_CRS, ResourceTemplate ()
                {
                    Memory32Fixed (ReadOnly, 0xfed00000, 0x400)
                })
            }
        }
    }

    Scope (\_SB)
    {
        Field (\_SB.PCI0.ISA.PIRQ, ByteAcc, NoLock, Preserve)
        {
            PRQA, 8,
            PRQB, 8,
            PRQC, 8,
            PRQD, 8
        }

        /* A PIRQx route control register: bit 7 set means off, bits 3:0 the ISA interrupt. */
        Method (LSTA, 1)
        {
            If (Arg0 & 0x80)
            {
                Return (0x09)
            }
            Return (0x0b)
        }
        Name (LBUF, ResourceTemplate ()
        {
            Interrupt (ResourceConsumer, Level, ActiveHigh, Shared,,, INTR) { 0 }
        })
        CreateDWordField (LBUF, INTR._INT, LINE)
        Method (LCRS, 1, Serialized)
        {
            LINE = Arg0 & 0x0f
            If (Arg0 & 0x80)
            {
                LINE = 0
            }
            Return (LBUF)
        }
        Name (LPRS, ResourceTemplate ()
        {
            Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { 5, 10, 11 }
        })

        Device (LNKA)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 0)
            Method (_STA) { Return (LSTA (PRQA)) }
            Method (_PRS) { Return (LPRS) }
            Method (_CRS) { Return (LCRS (PRQA)) }
            Method (_DIS) { PRQA |= 0x80 }
            Method (_SRS, 1)
            {
                CreateDWordField (Arg0, 5, WANT)
                PRQA = WANT
            }
        }
        Device (LNKB)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 1)
            Method (_STA) { Return (LSTA (PRQB)) }
            Method (_PRS) { Return (LPRS) }
            Method (_CRS) { Return (LCRS (PRQB)) }
            Method (_DIS) { PRQB |= 0x80 }
            Method (_SRS, 1)
            {
                CreateDWordField (Arg0, 5, WANT)
                PRQB = WANT
            }
        }
        Device (LNKC)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 2)
            Method (_STA) { Return (LSTA (PRQC)) }
            Method (_PRS) { Return (LPRS) }
            Method (_CRS) { Return (LCRS (PRQC)) }
            Method (_DIS) { PRQC |= 0x80 }
            Method (_SRS, 1)
            {
                CreateDWordField (Arg0, 5, WANT)
                PRQC = WANT
            }
        }
        Device (LNKD)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 3)
            Method (_STA) { Return (LSTA (PRQD)) }
            Method (_PRS) { Return (LPRS) }
            Method (_CRS) { Return (LCRS (PRQD)) }
            Method (_DIS) { PRQD |= 0x80 }
            Method (_SRS, 1)
            {
                CreateDWordField (Arg0, 5, WANT)
                PRQD = WANT
            }
        }
    }

    Scope (\_SB.PCI0.ISA)
    {
        Device (PIC)
        {
            Name (_HID, EisaId ("PNP0000"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0020, 0x0020, 1, 2)
                IO (Decode16, 0x00a0, 0x00a0, 1, 2)
                IO (Decode16, 0x04d0, 0x04d0, 1, 2)
                IRQNoFlags () { 2 }
            })
        }
        Device (TIMR)
        {
            Name (_HID, EisaId ("PNP0100"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0040, 0x0040, 1, 4)
                IRQNoFlags () { 0 }
            })
        }
        Device (SPKR)
        {
            Name (_HID, EisaId ("PNP0800"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0061, 0x0061, 1, 1)
            })
        }
        Device (RTC)
        {
            Name (_HID, EisaId ("PNP0B00"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0070, 0x0070, 1, 2)
                IRQNoFlags () { 8 }
            })
        }
        Device (KBD)
        {
            Name (_HID, EisaId ("PNP0303"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0060, 0x0060, 1, 1)
                IO (Decode16, 0x0064, 0x0064, 1, 1)
                IRQNoFlags () { 1 }
            })
        }
        Device (MOU)
        {
            Name (_HID, EisaId ("PNP0F13"))
            Name (_CRS, ResourceTemplate ()
            {
                IRQNoFlags () { 12 }
            })
        }
        /* There when the CMOS names a drive's type. */
        Device (FDC0)
        {
            Name (_HID, EisaId ("PNP0700"))
            OperationRegion (CMOS, SystemIO, 0x70, 2)
            Field (CMOS, ByteAcc, NoLock, Preserve)
            {
                CIDX, 8,
                CDAT, 8
            }
            IndexField (CIDX, CDAT, ByteAcc, NoLock, Preserve)
            {
                Offset (0x10),
                FDRV, 8
            }
            Method (_STA, 0, Serialized)
            {
                If (FDRV == 0)
                {
                    Return (0)
                }
                Return (0x0f)
            }
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x03f2, 0x03f2, 1, 4)
                IO (Decode16, 0x03f7, 0x03f7, 1, 1)
                IRQNoFlags () { 6 }
                DMA (Compatibility, NotBusMaster, Transfer8) { 2 }
            })
        }
        Device (COM1)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 1)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x03f8, 0x03f8, 1, 8)
                IRQNoFlags () { 4 }
            })
        }
        /* Ports of the board that belong to no driver. */
        Device (BRD)
        {
            Name (_HID, EisaId ("PNP0C02"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0092, 0x0092, 1, 1)
                IO (Decode16, 0x00b2, 0x00b2, 1, 2)
                IO (Decode16, 0x00e9, 0x00e9, 1, 1)
                IO (Decode16, 0x00f4, 0x00f4, 1, 4)
                IO (Decode16, 0x0600, 0x0600, 1, 64)
            })
        }
    }
}
