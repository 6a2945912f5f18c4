/*
 * catalogue: the file is a header, the records, and a table of digests sorted by kind and value.
 *
 *     record: sums (1 byte), urls (1 byte), package NUL, { kind (1 byte), digest }, { url NUL }
 *
 * Whoever writes an index chooses its digests, but not the seed of their values: none can be made
 * that crowd a place of a table.
 */
#include "mirror/catalogue.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE   ((size_t)512 << 20)
#define MAX_DRAFT  ((size_t)48 << 20)  /* bytes in memory; the real one has 5 MB */
#define MAX_RECORD ((size_t)128 << 10) /* bytes: 32 addresses of 2,000 */

static const char magic[8] = "riadcat3";

struct seed {
    uint64_t by[1 + DIGEST_MAX / 4]; /* random */
};

struct header {
    char magic[8];
    uint64_t size;    /* of the whole file */
    uint64_t records; /* how many */
    uint64_t keys;    /* how many; they stand at the file's end */
    struct seed seed;
};

struct key {
    uint64_t value;                 /* key_value of the digest */
    uint32_t record;                /* where it begins in the file */
    uint32_t kind : 8, length : 24; /* of the digest; of the record */
};

/* Multilinear hashing: two digests that were chosen without knowledge of the seed share the upper
 * half by chance only. */
static uint64_t key_value(const struct seed *seed, const struct checksum *sum)
{
    uint64_t value = seed->by[0];
    uint32_t word;

    for (size_t i = 0; i < DIGEST_MAX / sizeof word; i++) {
        memcpy(&word, sum->bytes + i * sizeof word, sizeof word);
        value += seed->by[i + 1] * word;
    }
    return value >> 32;
}

static int key_order(const struct key *key, uint32_t kind, uint64_t value)
{
    if (key->kind != kind)
        return key->kind < kind ? -1 : 1;
    return key->value < value ? -1 : key->value > value;
}

/* ---- the draft ---- */

struct draft {
    char *package;
    struct checksum *sums;
    size_t sum_count;
    char **urls; /* the first own_count are packages' own, the rest mirrors */
    size_t url_count, own_count;
};

struct catalogue_draft {
    struct draft *archives;
    size_t count, room, digests;
    size_t bytes, left_out;
    struct seed seed;
    uint32_t *table; /* open addressing: digest to 1 + archive; 0 is empty */
    size_t table_size;
};

struct catalogue_draft *catalogue_draft_new(void)
{
    struct catalogue_draft *draft = mem_alloc(sizeof *draft);

    draft->table_size = 1 << 12;
    draft->table = mem_array(draft->table_size, sizeof *draft->table);
    fs_random(&draft->seed, sizeof draft->seed);
    return draft;
}

void catalogue_draft_free(struct catalogue_draft *draft)
{
    if (!draft)
        return;
    for (size_t i = 0; i < draft->count; i++) {
        for (size_t k = 0; k < draft->archives[i].url_count; k++)
            free(draft->archives[i].urls[k]);
        free(draft->archives[i].urls);
        free(draft->archives[i].sums);
        free(draft->archives[i].package);
    }
    free(draft->archives);
    free(draft->table);
    free(draft);
}

static bool has_sum(const struct draft *archive, const struct checksum *sum)
{
    for (size_t i = 0; i < archive->sum_count; i++)
        if (checksum_equal(&archive->sums[i], sum))
            return true;
    return false;
}

/* The place of a digest in the table, or the empty one where it belongs. */
static uint32_t *table_place(const struct catalogue_draft *draft, const struct checksum *sum)
{
    size_t at = (size_t)key_value(&draft->seed, sum) & (draft->table_size - 1);

    while (draft->table[at] && !has_sum(&draft->archives[draft->table[at] - 1], sum))
        at = (at + 1) & (draft->table_size - 1);
    return &draft->table[at];
}

static void table_grow(struct catalogue_draft *draft)
{
    if (draft->digests * 2 < draft->table_size)
        return;
    free(draft->table);
    draft->table_size *= 2;
    draft->table = mem_array(draft->table_size, sizeof *draft->table);
    for (size_t i = 0; i < draft->count; i++)
        for (size_t k = 0; k < draft->archives[i].sum_count; k++) {
            uint32_t *place = table_place(draft, &draft->archives[i].sums[k]);

            if (!*place)
                *place = (uint32_t)i + 1;
        }
}

static void add_sum(struct catalogue_draft *draft, size_t index, const struct checksum *sum)
{
    struct draft *archive = &draft->archives[index];
    uint32_t *place = table_place(draft, sum);

    if (has_sum(archive, sum) || archive->sum_count == PACKAGE_MAX_CHECKSUMS)
        return;
    archive->sums = mem_resize(archive->sums, archive->sum_count + 1, sizeof *archive->sums);
    archive->sums[archive->sum_count++] = *sum;
    draft->bytes += sizeof *archive->sums;
    if (!*place) {
        *place = (uint32_t)index + 1;
        draft->digests++;
    }
    table_grow(draft);
}

static void add_url(struct catalogue_draft *draft, size_t index, const char *url, bool own)
{
    struct draft *archive = &draft->archives[index];

    for (size_t i = 0; i < archive->url_count; i++)
        if (strcmp(archive->urls[i], url) == 0)
            return;
    if (archive->url_count == CATALOGUE_MAX_URLS)
        return;
    archive->urls = mem_resize(archive->urls, archive->url_count + 1, sizeof *archive->urls);
    if (own) {
        memmove(archive->urls + archive->own_count + 1, archive->urls + archive->own_count,
                (archive->url_count - archive->own_count) * sizeof *archive->urls);
        archive->urls[archive->own_count++] = mem_dup(url);
    } else {
        archive->urls[archive->url_count] = mem_dup(url);
    }
    archive->url_count++;
    draft->bytes += sizeof *archive->urls + strlen(url) + 1;
}

/* Whether both may be the same bytes: no kind of digest that they have in common differs. */
static bool agrees(const struct draft *archive, const struct package_archive *other)
{
    for (size_t i = 0; i < archive->sum_count; i++)
        for (size_t k = 0; k < other->sum_count; k++)
            if (archive->sums[i].kind == other->sums[k].kind &&
                !checksum_equal(&archive->sums[i], &other->sums[k]))
                return false;
    return true;
}

/* The record that the archive belongs to, or a new one. */
static size_t find_or_make(struct catalogue_draft *draft, const struct package_archive *archive)
{
    for (size_t i = 0; i < archive->sum_count; i++) {
        uint32_t found = *table_place(draft, &archive->sums[i]);

        if (found && agrees(&draft->archives[found - 1], archive))
            return found - 1;
    }
    if (draft->count == draft->room) {
        draft->room = draft->room ? draft->room * 2 : 256;
        draft->archives = mem_resize(draft->archives, draft->room, sizeof *draft->archives);
    }
    draft->archives[draft->count] = (struct draft){0};
    draft->bytes += sizeof *draft->archives;
    return draft->count++;
}

void catalogue_draft_put(struct catalogue_draft *draft, const char *package,
                         const struct package_archive *archive)
{
    size_t index;

    if (archive->sum_count == 0)
        return;
    if (draft->count == CATALOGUE_MAX_ARCHIVES || draft->bytes > MAX_DRAFT) {
        draft->left_out++;
        return;
    }
    index = find_or_make(draft, archive);
    if (!draft->archives[index].package) {
        draft->archives[index].package = mem_dup(package);
        draft->bytes += strlen(package) + 1;
    }
    for (size_t i = 0; i < archive->sum_count; i++)
        add_sum(draft, index, &archive->sums[i]);
    add_url(draft, index, archive->url, true);
    for (size_t i = 0; i < archive->mirror_count; i++)
        add_url(draft, index, archive->mirrors[i], false);
}

void catalogue_draft_count(const struct catalogue_draft *draft, size_t *archives, size_t *digests)
{
    *archives = draft->count;
    *digests = draft->digests;
}

/* ---- writing ---- */

static void put_record(struct buf *out, const struct draft *archive)
{
    buf_putc(out, (uint8_t)archive->sum_count);
    buf_putc(out, (uint8_t)archive->url_count);
    buf_put(out, archive->package, strlen(archive->package) + 1);
    for (size_t i = 0; i < archive->sum_count; i++) {
        buf_putc(out, (uint8_t)archive->sums[i].kind);
        buf_put(out, archive->sums[i].bytes, digest_size(archive->sums[i].kind));
    }
    for (size_t i = 0; i < archive->url_count; i++)
        buf_put(out, archive->urls[i], strlen(archive->urls[i]) + 1);
}

static int compare_keys(const void *one, const void *other)
{
    const struct key *a = one, *b = other;
    int order = key_order(a, b->kind, b->value);

    return order ? order : a->record < b->record ? -1 : a->record > b->record;
}

/* Appends the records, fills keys. */
static size_t put_records(const struct catalogue_draft *draft, struct buf *out, struct key *keys)
{
    size_t count = 0;

    for (size_t i = 0; i < draft->count; i++) {
        const struct draft *archive = &draft->archives[i];
        size_t record = out->len;

        put_record(out, archive);
        for (size_t k = 0; k < archive->sum_count; k++)
            keys[count++] = (struct key){.value = key_value(&draft->seed, &archive->sums[k]),
                                         .record = (uint32_t)record,
                                         .kind = archive->sums[k].kind,
                                         .length = (uint32_t)(out->len - record) & 0xffffff};
    }
    while (out->len % sizeof(struct key) != 0)
        buf_putc(out, 0);
    return count;
}

int catalogue_draft_write(const struct catalogue_draft *draft, const char *path)
{
    struct header header = {.records = draft->count, .seed = draft->seed};
    struct key *keys;
    struct buf out;
    size_t sums = 0;
    int result = -1;

    if (draft->left_out > 0)
        log_warn("%s: the index names %zu archives too many, which are left out", path,
                 draft->left_out);
    for (size_t i = 0; i < draft->count; i++)
        sums += draft->archives[i].sum_count;
    keys = mem_array(sums + 1, sizeof *keys);
    memcpy(header.magic, magic, sizeof magic);
    buf_init(&out, MAX_FILE);
    buf_put(&out, &header, sizeof header);
    header.keys = put_records(draft, &out, keys);
    qsort(keys, header.keys, sizeof *keys, compare_keys);
    buf_put(&out, keys, header.keys * sizeof *keys);
    if (out.overflowed) {
        log_error("%s would be too large", path);
    } else {
        header.size = out.len;
        memcpy(out.data, &header, sizeof header);
        result = fs_replace_file(path, out.data, out.len, 0644);
    }
    buf_done(&out);
    free(keys);
    return result;
}

/* ---- reading ---- */

/* Read and not mapped: who writes it talks with strangers, and could end the process that has it
 * mapped by cutting it short. */
struct catalogue {
    int fd;
    struct header header;
};

static bool read_at(const struct catalogue *catalogue, void *bytes, size_t length, size_t offset)
{
    return pread(catalogue->fd, bytes, length, (off_t)offset) == (ssize_t)length;
}

/* Whether it may be read as a catalogue. */
static bool take_up(struct catalogue *catalogue)
{
    struct header *header = &catalogue->header;

    return read_at(catalogue, header, sizeof *header, 0) &&
           memcmp(header->magic, magic, sizeof magic) == 0 &&
           header->size == (uint64_t)fs_size(catalogue->fd) &&
           header->size % sizeof(struct key) == 0 &&
           header->keys <= (header->size - sizeof *header) / sizeof(struct key);
}

struct catalogue *catalogue_open(const char *path)
{
    struct catalogue *catalogue = mem_alloc(sizeof *catalogue);

    catalogue->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (catalogue->fd >= 0 && take_up(catalogue))
        return catalogue;
    catalogue_close(catalogue);
    return NULL;
}

void catalogue_close(struct catalogue *catalogue)
{
    if (!catalogue)
        return;
    fs_close(catalogue->fd);
    free(catalogue);
}

size_t catalogue_size(const struct catalogue *catalogue)
{
    return catalogue ? catalogue->header.records : 0;
}

static bool read_key(const struct catalogue *catalogue, size_t index, struct key *key)
{
    const struct header *header = &catalogue->header;

    return read_at(catalogue, key, sizeof *key,
                   header->size - (header->keys - index) * sizeof *key);
}

/* Moves *at over a text with its NUL; NULL if it has none before end. */
static const char *read_text(const uint8_t **at, const uint8_t *end)
{
    const uint8_t *text = *at, *stop = memchr(text, '\0', (size_t)(end - text));

    if (!stop)
        return NULL;
    *at = stop + 1;
    return (const char *)text;
}

static bool read_sum(const uint8_t **at, const uint8_t *end, struct checksum *sum)
{
    *sum = (struct checksum){0};
    if (*at >= end || **at >= DIGEST_KINDS)
        return false;
    sum->kind = (enum digest_kind) * *at;
    *at += 1;
    if ((size_t)(end - *at) < digest_size(sum->kind))
        return false;
    memcpy(sum->bytes, *at, digest_size(sum->kind));
    *at += digest_size(sum->kind);
    return true;
}

/* Takes a record to pieces; false if it is not what it should be. */
static bool take_apart(const uint8_t *at, const uint8_t *end, struct catalogue_entry *entry)
{
    entry->sum_count = at[0];
    entry->url_count = at[1];
    at += 2;
    if (entry->sum_count > PACKAGE_MAX_CHECKSUMS || entry->url_count > CATALOGUE_MAX_URLS ||
        !(entry->package = read_text(&at, end)))
        return false;
    for (size_t i = 0; i < entry->sum_count; i++)
        if (!read_sum(&at, end, &entry->sums[i]))
            return false;
    for (size_t i = 0; i < entry->url_count; i++)
        if (!(entry->urls[i] = read_text(&at, end)))
            return false;
    return true;
}

/* The record of a key; false if the file is not what it should be. */
static bool read_record(const struct catalogue *catalogue, const struct key *key,
                        struct catalogue_entry *entry)
{
    if (key->length < 2 || key->length > MAX_RECORD)
        return false;
    entry->bytes = mem_alloc(key->length);
    return read_at(catalogue, entry->bytes, key->length, key->record) &&
           take_apart(entry->bytes, entry->bytes + key->length, entry);
}

void catalogue_entry_done(struct catalogue_entry *entry)
{
    free(entry->bytes);
    entry->bytes = NULL;
}

/* The first key that is not before this kind and value. */
static size_t first_key(const struct catalogue *catalogue, uint32_t kind, uint64_t value)
{
    size_t low = 0, high = catalogue->header.keys;
    struct key key;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (read_key(catalogue, middle, &key) && key_order(&key, kind, value) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool catalogue_find(const struct catalogue *catalogue, const struct checksum *sum,
                    struct catalogue_entry *entry)
{
    uint64_t value;
    struct key key;

    if (!catalogue)
        return false;
    value = key_value(&catalogue->header.seed, sum);
    for (size_t at = first_key(catalogue, sum->kind, value); at < catalogue->header.keys; at++) {
        if (!read_key(catalogue, at, &key) || key_order(&key, sum->kind, value) != 0)
            return false;
        if (read_record(catalogue, &key, entry))
            for (size_t i = 0; i < entry->sum_count; i++)
                if (checksum_equal(&entry->sums[i], sum))
                    return true;
        catalogue_entry_done(entry);
    }
    return false;
}
