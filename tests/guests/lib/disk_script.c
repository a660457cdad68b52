/* See disk_script.h. */
#include "disk_script.h"
#include "guest.h"
#include "memory.h"

enum {
    GAP_MAX = 64,
    ARENA = DISK_DATA_MAX + (DMA_PIECES_MAX + 2) * GAP_MAX,
    UNTOUCHED = 0xa5,
    RENEWED = 0x4000, /* a generation that no sector reaches by the script */
    WAYS_MAX = 24,
    LENGTHS = 9, /* powers of two that commands are long: 1 to 256 */
    BOUNDARY = 0x10000
};

/* Above every image, and within what the 8237 reaches. */
static uint8_t *const arena = (uint8_t *)0x800000;
static uint32_t *const linear = (uint32_t *)0x900000;
static uint16_t *const generations = (uint16_t *)0xa00000;
static const struct disk_medium *medium;
static uint32_t seed, sum;

static struct {
    uint32_t failed, wrong, outside;
    struct {
        uint32_t commands, sectors;
    } way[WAYS_MAX];
} tally;

uint32_t disk_script_random(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

/* The words of a sector: two, the third, and what each of the others is more than the one before it. */
struct content {
    uint32_t first[2], third, step;
};

static struct content content_of(uint32_t sector, uint16_t generation)
{
    if (generation == 0)
        return (struct content){{sector, medium->pattern}, (sector & 0xff) * 0x01010101, 0};
    uint32_t start = sector * 0x9e3779b1 ^ generation * 0x85ebca6b, step = 0x27d4eb2f;
    return (struct content){{start, start + step}, start + 2 * step, step};
}

static uint32_t sector_words(void)
{
    return medium->sector_bytes / 4;
}

static bool sector_is(uint32_t sector, uint16_t generation, const uint32_t *words)
{
    struct content content = content_of(sector, generation);
    const uint32_t *end = words + sector_words();
    uint32_t difference = (words[0] ^ content.first[0]) | (words[1] ^ content.first[1]), word = content.third;

    for (words += 2; words < end; word += content.step)
        difference |= *words++ ^ word;
    return difference == 0;
}

void disk_script_next(uint32_t sector, uint32_t count, void *to)
{
    uint32_t *words = to;

    for (uint32_t i = 0; i < count; i++) {
        struct content content = content_of(sector + i, (uint16_t)(generations[sector + i] + 1));
        uint32_t *end = words + sector_words(), word = content.third;
        *words++ = content.first[0];
        *words++ = content.first[1];
        for (; words < end; word += content.step)
            *words++ = word;
    }
}

void disk_script_written(uint32_t sector, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        generations[sector + i]++;
}

bool disk_script_settle(uint32_t sector, uint32_t count, const void *read)
{
    const uint32_t *words = read;
    bool whole = true;

    for (uint32_t i = 0; i < count; i++, words += sector_words())
        if (sector_is(sector + i, (uint16_t)(generations[sector + i] + 1), words))
            disk_script_written(sector + i, 1);
        else
            whole &= sector_is(sector + i, generations[sector + i], words);
    return whole;
}

void disk_script_renew(uint32_t sector, uint32_t count, void *to)
{
    for (uint32_t i = 0; i < count; i++)
        generations[sector + i] = RENEWED - 1;
    disk_script_next(sector, count, to);
    disk_script_written(sector, count);
}

bool disk_script_same(uint32_t sector, uint32_t count, const void *read)
{
    const uint32_t *words = read;
    bool same = true;

    for (uint32_t i = 0; i < count; i++, words += sector_words())
        same &= sector_is(sector + i, generations[sector + i], words);
    return same;
}

void disk_script_begin(const struct disk_medium *its)
{
    medium = its;
    seed = option_number("seed", 1);
    memset(generations, 0, its->sectors * sizeof(*generations));
    if (its->sectors > DISK_SCRIPT_SECTORS || its->way_count > WAYS_MAX)
        guest_abort("the script has no room for this medium");
}

/* Cuts some bytes of the arena into pieces as a way may have them, with gaps between them; returns where the
 * last one ends. */
static uint32_t pieces_lay(const struct disk_way *way, uint32_t bytes, struct dma_pieces *pieces)
{
    uint32_t at = 0, wish = 1 + disk_script_random(way->pieces), usual = bytes / wish;

    for (pieces->count = 0; bytes; bytes -= pieces->piece[pieces->count - 1].bytes) {
        at += disk_script_random(GAP_MAX / way->align) * way->align;
        uint32_t room = way->piece_bytes, size = bytes;
        if (room <= BOUNDARY && room > BOUNDARY - at % BOUNDARY)
            room = BOUNDARY - at % BOUNDARY;
        /* Pieces of any length, as long as there are enough of them for the rest. */
        if (wish > 1 && pieces->count + bytes / way->piece_bytes + 4 < way->pieces)
            size = (1 + disk_script_random(2 * usual + 1) + way->align - 1) / way->align * way->align;
        if (size > bytes)
            size = bytes;
        if (size > room)
            size = room;
        if (pieces->count == DMA_PIECES_MAX || at + size + GAP_MAX > ARENA)
            guest_abort("the script has laid its pieces badly");
        dma_add(pieces, arena + at, size);
        at += size;
    }
    if (pieces->count > way->pieces)
        guest_abort("the script has cut too many pieces");
    return at;
}

/* Between pieces, before the first and behind the last nothing has been touched. */
static bool gaps_untouched(const struct dma_pieces *pieces)
{
    const uint8_t *at = arena;
    bool untouched = true;

    for (uint32_t i = 0; i <= pieces->count; i++) {
        const uint8_t *end = i < pieces->count ? pieces->piece[i].at : at + GAP_MAX;
        for (; at < end; at++)
            untouched &= *at == UNTOUCHED;
        if (i < pieces->count)
            at = pieces->piece[i].at + pieces->piece[i].bytes;
    }
    return untouched;
}

static void pieces_copy(const struct dma_pieces *pieces, bool to_pieces)
{
    uint8_t *bytes = (uint8_t *)linear;

    for (uint32_t i = 0; i < pieces->count; i++) {
        uint32_t size = pieces->piece[i].bytes;
        if (to_pieces)
            memcpy(pieces->piece[i].at, bytes, size);
        else
            memcpy(bytes, pieces->piece[i].at, size);
        bytes += size;
    }
}

static bool read_is_right(uint32_t sector, uint32_t count)
{
    for (uint32_t i = 0; i < count * sector_words(); i++)
        sum = (sum ^ linear[i]) * 0x01000193;
    return disk_script_same(sector, count, linear);
}

/* One command; the first ones that go wrong are named. */
static void command(const struct disk_way *way, uint32_t sector, uint32_t count)
{
    struct dma_pieces pieces;
    uint32_t bytes = count * medium->sector_bytes, end = pieces_lay(way, bytes, &pieces), result;
    bool right = true, untouched;

    memset(arena, UNTOUCHED, end + GAP_MAX);
    if (way->write) {
        disk_script_next(sector, count, linear);
        pieces_copy(&pieces, true);
    }
    result = way->move(way, sector, count, &pieces);
    if (way->write) {
        disk_script_written(sector, count);
    } else {
        pieces_copy(&pieces, false);
        right = read_is_right(sector, count);
    }
    untouched = gaps_untouched(&pieces);
    tally.failed += result != 0;
    tally.wrong += !right;
    tally.outside += !untouched;
    tally.way[way - medium->ways].commands++;
    tally.way[way - medium->ways].sectors += count;
    if ((result || !right || !untouched) && tally.failed + tally.wrong + tally.outside <= 3)
        print("%s of %u from %u, in %u pieces: result %x, %s, %s\n", way->name, count, sector, pieces.count,
              result, right ? "right" : "wrong", untouched ? "in bounds" : "out of bounds");
}

static void tally_check(uint32_t commands)
{
    check_value("  failed", tally.failed, 0);
    check_value("  with wrong data", tally.wrong, 0);
    check_value("  that wrote beside their buffers", tally.outside, 0);
    for (uint32_t i = 0; i < medium->way_count && commands; i++)
        print("  %s: %u, sectors: %u\n", medium->ways[i].name, tally.way[i].commands, tally.way[i].sectors);
}

static const struct disk_way *pick(void)
{
    const struct disk_way *way;

    do
        way = &medium->ways[disk_script_random(medium->way_count)];
    while (way->one_in && disk_script_random(way->one_in));
    return way;
}

/* Short commands are more frequent than long ones; some reach to the very end. */
void disk_script_run(uint32_t commands)
{
    memset(&tally, 0, sizeof(tally));
    sum = 0x811c9dc5;
    for (uint32_t i = 0; i < commands; i++) {
        const struct disk_way *way = pick();
        uint32_t power = disk_script_random(disk_script_random(disk_script_random(LENGTHS) + 1) + 1);
        uint32_t reach = way->reach ? way->reach : medium->sectors;
        uint32_t count = 1 + disk_script_random(1u << power);
        if (count > way->most)
            count = way->most;
        uint32_t sector = disk_script_random(reach - count + 1);
        if (disk_script_random(32) == 0)
            sector = reach - count;
        command(way, sector, count);
    }
    print("script: %u commands\n", commands);
    tally_check(commands);
    observe("  sum of all that was read", sum);
}

void disk_script_check(const char *name)
{
    uint32_t way = 0;

    memset(&tally, 0, sizeof(tally));
    sum = 0x811c9dc5;
    for (uint32_t sector = 0, count; sector < medium->sectors; sector += count) {
        const struct disk_way *its;
        do
            its = &medium->ways[way++ % medium->way_count];
        while (its->write);
        count = medium->sectors - sector < its->most ? medium->sectors - sector : its->most;
        if (its->reach && sector + count > its->reach)
            count = 0;
        else
            command(its, sector, count);
    }
    print("%s\n", name);
    tally_check(0);
    observe("  checksum", sum);
}
