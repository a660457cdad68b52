/* What a try behind an access to a device has shown: see ahead_history.h. */
#include "ahead_history.h"

void ahead_learn(struct ahead_place *place, uint32_t accesses)
{
    static const uint8_t waits[] = {15, 120, UINT8_MAX, UINT8_MAX};
    if (!accesses) {
        place->trust = 0;
        place->wait = waits[place->failures];
        if (place->failures < sizeof waits - 1)
            place->failures++;
        return;
    }
    place->failures = 0;
    if (place->trust) {
        place->trust--; /* fewer than before are no reason to expect fewer: what follows may differ */
    } else if (accesses <= AHEAD_MOST) {
        place->most = accesses > place->most ? (uint8_t)accesses : place->most;
        place->trust = AHEAD_TRUST;
    }
}
