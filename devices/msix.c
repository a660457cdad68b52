/*
 * MSI-X: message-signalled interrupts, each with a message and a mask of its own.
 *
 * Document: PCI Local Bus Specification 3.0, 6.8.2. State: struct msix, inside the block of the device.
 * Missing: nothing that a guest can see but 64-bit accesses in one piece; the bus splits them. Ignored bits:
 * reserved bits of the vector control word, which read 0.
 */
#include "msix.h"
#include "effects.h"

enum { CAPABILITY_ID = 0x11, MESSAGE_CONTROL = 2, TABLE_OFFSET = 4, PBA_OFFSET = 8 };
enum { CONTROL_ENABLE = 1 << 15, CONTROL_FUNCTION_MASK = 1 << 14 };
enum { VECTOR_MASKED = 1 };

static uint16_t msix_control(const struct msix *msix, const struct pci_function *function)
{
    return pci_get16(function, msix->capability + MESSAGE_CONTROL);
}

bool msix_enabled(const struct msix *msix, const struct pci_function *function)
{
    return msix_control(msix, function) & CONTROL_ENABLE;
}

void msix_reset(struct msix *msix, struct pci_function *function, uint8_t capability, unsigned count,
                unsigned bar, uint32_t table, uint32_t pba)
{
    *msix = (struct msix){.count = (uint8_t)count, .capability = capability};
    for (unsigned i = 0; i < MSIX_VECTORS_MAX; i++)
        msix->entry[i].control = VECTOR_MASKED;
    pci_add_capability(function, CAPABILITY_ID, capability);
    pci_put16(function, capability + MESSAGE_CONTROL, (uint16_t)(count - 1));
    pci_put32(function, capability + TABLE_OFFSET, table | bar);
    pci_put32(function, capability + PBA_OFFSET, pba | bar);
}

/* Sends the pending messages that nothing masks any more. */
static void msix_send_pending(struct msix *msix, const struct pci_function *function)
{
    uint16_t control = msix_control(msix, function);
    if (!(control & CONTROL_ENABLE) || control & CONTROL_FUNCTION_MASK)
        return;
    for (unsigned i = 0; i < msix->count && msix->pending; i++) {
        const struct msix_entry *entry = &msix->entry[i];
        if (!(msix->pending & 1u << i) || entry->control & VECTOR_MASKED)
            continue;
        msix->pending &= ~(1u << i);
        effect_msi((uint64_t)entry->address_high << 32 | entry->address_low, entry->data);
    }
}

void msix_raise(struct msix *msix, const struct pci_function *function, unsigned vector)
{
    if (vector >= msix->count)
        return;
    msix->pending |= 1u << vector;
    msix_send_pending(msix, function);
}

void msix_config_written(struct msix *msix, const struct pci_function *function)
{
    if (msix->pending)
        msix_send_pending(msix, function);
}

/* The word of the table at a byte offset, or NULL beyond its end. */
static uint32_t *msix_word(struct msix *msix, uint32_t offset)
{
    uint32_t vector = offset / MSIX_ENTRY_SIZE;
    if (vector >= msix->count)
        return NULL;
    struct msix_entry *entry = &msix->entry[vector];
    uint32_t *const words[] = {&entry->address_low, &entry->address_high, &entry->data, &entry->control};
    return words[offset % MSIX_ENTRY_SIZE / 4];
}

void msix_table_io(struct msix *msix, const struct pci_function *function, uint32_t offset, struct io *io)
{
    uint32_t *word = msix_word(msix, offset);
    if (!word) {
        io->value = io->write ? io->value : 0;
        return;
    }
    if (!io->write) {
        io->value = *word >> 8 * (offset & 3);
        return;
    }
    /* Drivers write whole words (6.8.2: anything else is undefined). */
    if (io->size != 4) {
        effect_need(NEED_IGNORED, offset);
        return;
    }
    *word = word == &msix->entry[offset / MSIX_ENTRY_SIZE].control ? io->value & VECTOR_MASKED : io->value;
    msix_send_pending(msix, function);
}

void msix_pba_io(const struct msix *msix, uint32_t offset, struct io *io)
{
    if (!io->write)
        io->value = offset < 4 ? msix->pending >> 8 * offset : 0;
}

const char *msix_check(const struct msix *msix, unsigned count, uint8_t capability)
{
    if (msix->count != count || msix->capability != capability || count > MSIX_VECTORS_MAX)
        return "number of MSI-X vectors";
    return msix->pending >> count ? "pending MSI-X vectors" : NULL;
}
