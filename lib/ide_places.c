/* See ide_places.h. */
#include "ide_places.h"

void ide_places(const struct guest_config *config, struct ide_place place[IDE_DRIVES])
{
    static const uint8_t cd_order[IDE_DRIVES] = {2, 3, 1, 0};
    uint32_t next = 0;

    for (uint32_t i = 0; i < IDE_DRIVES; i++)
        place[i] = (struct ide_place){0};
    for (uint32_t i = 0; i < config->disk_count && i < GUEST_DISKS_MAX; i++)
        if (config->disk[i].kind == DISK_IDE && next < IDE_DRIVES)
            place[next++] = (struct ide_place){.used = true, .unit = i};
    for (uint32_t i = 0; i < config->cd_count && i < GUEST_CDS_MAX; i++) {
        for (uint32_t j = 0; j < IDE_DRIVES; j++) {
            if (place[cd_order[j]].used)
                continue;
            place[cd_order[j]] = (struct ide_place){.used = true, .is_cd = true, .unit = i};
            break;
        }
    }
}
