#include "drop/drop_private.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#define FILE_COLUMNS                                                                               \
    "SELECT f.id, f.path, f.person_id, p.name, f.size, f.created_at, f.modified_at, f.downloads, " \
    "f.sha256, f.guest FROM file f LEFT JOIN person p ON p.id = f.person_id "

#define LOOK_TRIES 3 /* a file replaced while it is looked at is looked at again */
#define WORDS_MAX  4 /* of a search; further ones are left out */

/* ---- one entry ---- */

static void take_row(struct rows *rows, const struct drop_actor *actor, struct drop_file *file)
{
    size_t length;
    const char *path = rows_text(rows, 1), *owner = rows_text(rows, 3);
    const void *sha256, *guest;

    *file = (struct drop_file){
        .id = rows_int(rows, 0),
        .person_id = rows_int(rows, 2),
        .size = rows_int(rows, 4),
        .created_at = rows_int(rows, 5),
        .modified_at = rows_int(rows, 6),
        .downloads = rows_int(rows, 7),
    };
    snprintf(file->path, sizeof file->path, "%s", path ? path : "");
    snprintf(file->owner, sizeof file->owner, "%s", owner ? owner : "");
    sha256 = rows_bytes(rows, 8, &length);
    file->has_sha256 = sha256 && length == sizeof file->sha256;
    if (file->has_sha256)
        memcpy(file->sha256, sha256, sizeof file->sha256);
    guest = rows_bytes(rows, 9, &length);
    file->yours = actor && drop_owns(actor, file->person_id, guest, length);
    file->by_hand = file->person_id == 0 && length == 0;
}

const char *drop_owner_text(const struct drop_file *file)
{
    if (file->nameless)
        return "somebody";
    return *file->owner ? file->owner : file->by_hand ? "the organiser" : "a guest";
}

void drop_name_owners(struct drop *drop, bool yes)
{
    drop->nameless = !yes;
}

static void leave_out_name(const struct drop *drop, struct drop_file *file)
{
    if (!drop->nameless || file->person_id == 0)
        return;
    file->nameless = true;
    file->person_id = 0;
    file->owner[0] = '\0';
}

int drop_index_get(struct drop *drop, const char *path, const struct drop_actor *actor,
                   struct drop_file *file)
{
    struct rows rows;
    int found;

    rows_open(&rows, drop->store, FILE_COLUMNS "WHERE f.path = ?", "s", path);
    found = rows_next(&rows);
    if (found == 1)
        take_row(&rows, actor, file);
    rows_close(&rows);
    return found;
}

static void take_folder(struct rows *rows, const struct drop_actor *actor, struct drop_file *file)
{
    *file = (struct drop_file){
        .folder = true,
        .person_id = rows_int(rows, 1),
        .created_at = rows_int(rows, 3),
        .modified_at = rows_int(rows, 3),
    };
    snprintf(file->path, sizeof file->path, "%s", rows_text(rows, 0));
    if (!rows_null(rows, 2))
        snprintf(file->owner, sizeof file->owner, "%s", rows_text(rows, 2));
    file->yours = actor && file->person_id != 0 && file->person_id == actor->person_id;
}

#define FOLDER_COLUMNS                                                                             \
    "SELECT d.path, d.person_id, p.name, d.created_at FROM folder d LEFT JOIN person p ON "        \
    "p.id = d.person_id "

static int get_folder(struct drop *drop, const char *path, const struct drop_actor *actor,
                      struct drop_file *file)
{
    struct rows rows;
    int found;

    if (!*path) {
        struct stat root = {.st_mtim.tv_sec = 0};

        fstat(drop->root_fd, &root);
        *file = (struct drop_file){.folder = true, .modified_at = drop_ms(root.st_mtim)};
        return 1;
    }
    rows_open(&rows, drop->store, FOLDER_COLUMNS "WHERE d.path = ?", "s", path);
    found = rows_next(&rows);
    if (found == 1)
        take_folder(&rows, actor, file);
    rows_close(&rows);
    return found;
}

static int get_any(struct drop *drop, const char *path, const struct drop_actor *actor,
                   struct drop_file *file)
{
    int found = drop_index_get(drop, path, actor, file);

    return found == 0 ? get_folder(drop, path, actor, file) : found;
}

enum drop_result drop_look_as(struct drop *drop, const char *asked, const struct drop_actor *actor,
                              struct drop_file *file)
{
    char path[DROP_PATH_MAX];
    struct stat there;
    int found;

    if (drop_check(asked, path) && *asked && strspn(asked, "/") != strlen(asked))
        return DROP_BAD_PATH;
    found = get_any(drop, path, actor, file);
    if (found == 0 && drop_stat(drop, path, &there) == 0 && drop_index_learn(drop, path) == 1)
        found = get_any(drop, path, actor, file);
    return found < 0 ? DROP_FAILED : found ? DROP_OK : DROP_NOT_FOUND;
}

enum drop_result drop_look(struct drop *drop, const char *path, struct drop_file *file)
{
    return drop_look_as(drop, path, NULL, file);
}

/* ---- reading ---- */

/*
 * What is true of the open file. The row is read after the file was opened, and whoever replaces a
 * file takes its digest away first: so a digest found here is of these bytes, or the file has lost
 * its name meanwhile (and is opened again), or it was changed by hand.
 */
static int describe(struct drop *drop, const char *path, const struct stat *there,
                    struct drop_file *file)
{
    int found = drop_index_get(drop, path, NULL, file);

    if (found == 0 && drop_index_learn(drop, path) >= 0)
        found = drop_index_get(drop, path, NULL, file);
    if (found == 0) { /* complete, and about to get its row */
        *file = (struct drop_file){.created_at = drop_ms(there->st_mtim)};
        snprintf(file->path, sizeof file->path, "%s", path);
    }
    if (file->size != there->st_size || file->modified_at != drop_ms(there->st_mtim))
        file->has_sha256 = false;
    file->size = there->st_size;
    file->modified_at = drop_ms(there->st_mtim);
    return found;
}

enum drop_result drop_read(struct drop *drop, const char *asked, struct drop_file *file, int *fd)
{
    char path[DROP_PATH_MAX];
    enum drop_result result = drop_check(asked, path);
    struct stat there;

    *fd = -1;
    if (result)
        return result;
    for (int i = 0; i < LOOK_TRIES; i++) {
        fs_close(*fd);
        *fd = drop_open_at(drop, path, O_RDONLY, 0);
        if (*fd < 0)
            return errno == EACCES ? DROP_NOT_ALLOWED : DROP_NOT_FOUND;
        result = fstat(*fd, &there)       ? DROP_FAILED
                 : S_ISDIR(there.st_mode) ? DROP_IS_FOLDER
                 : S_ISREG(there.st_mode) ? DROP_OK
                                          : DROP_NOT_FOUND;
        if (!result && describe(drop, path, &there, file) < 0)
            result = DROP_FAILED;
        if (result || (fstat(*fd, &there) == 0 && there.st_nlink > 0))
            break;
    }
    if (result) {
        fs_close(*fd);
        *fd = -1;
    }
    return result;
}

int drop_owner_name(struct drop *drop, int64_t person_id, char name[static NAME_MAX_BYTES])
{
    struct person person;
    int found = person_id && !drop->nameless ? person_by_id(drop->store, person_id, &person) : 0;

    snprintf(name, NAME_MAX_BYTES, "%s", found == 1 ? person.name : "-");
    return found < 0 ? -1 : 0;
}

bool drop_is_readable(const struct drop *drop, const struct drop_file *file)
{
    int fd = drop_open_at(drop, file->path, O_RDONLY, 0);
    struct stat there;
    bool readable =
        fd >= 0 && fstat(fd, &there) == 0 && S_ISREG(there.st_mode) && there.st_size == file->size;

    fs_close(fd);
    return readable;
}

/* ---- lists ---- */

struct words {
    char *folded, *word[WORDS_MAX];
};

static void split_words(struct words *words, const char *text)
{
    char *at;

    *words = (struct words){.folded = drop_path_fold(text ? text : "")};
    at = words->folded;
    for (int i = 0; i < WORDS_MAX; i++) {
        words->word[i] = at += strspn(at, " ");
        at += strcspn(at, " ");
        if (*at)
            *at++ = '\0';
    }
}

/* The moment and id behind which a list of newest files goes on. */
static void newest_after(struct drop *drop, const char *after, int64_t *at, int64_t *id)
{
    struct drop_file file;
    bool found = after && drop_index_get(drop, after, NULL, &file) == 1;

    *at = found ? file.created_at : INT64_MAX;
    *id = found ? file.id : INT64_MAX;
}

static void open_files(struct rows *rows, struct drop *drop, const struct drop_query *query,
                       const char *after, const struct words *words)
{
    static const char wheres[] =
        "AND (?2 = 0 OR f.person_id = ?2) AND +f.created_at >= ?3 AND (?4 = 0 OR +f.created_at < "
        "?4) AND instr(f.folded, ?5) AND instr(f.folded, ?6) AND instr(f.folded, ?7) AND "
        "instr(f.folded, ?8) AND (?12 = 0 OR f.path NOT GLOB 'shelf/*') ";
    int64_t limit = query->limit > 0 ? query->limit : -1, at, id;
    char sql[1024];

    snprintf(sql, sizeof sql, "%sWHERE %s %s AND %s LIMIT ?9", FILE_COLUMNS,
             query->folder ? "f.folder = ?1" : "?1 IS NULL", wheres,
             query->newest
                 ? "(f.created_at, f.id) < (?10, ?11) ORDER BY f.created_at DESC, f.id DESC"
                 : "f.path > ?10 AND ?11 = ?11 ORDER BY f.path");
    if (query->newest) {
        newest_after(drop, query->after, &at, &id);
        rows_open(rows, drop->store, sql, "siiissssiiii", query->folder, query->person_id,
                  query->from_ms, query->until_ms, words->word[0], words->word[1], words->word[2],
                  words->word[3], limit, at, id, (int64_t)query->off_shelf);
    } else {
        rows_open(rows, drop->store, sql, "siiissssisii", query->folder, query->person_id,
                  query->from_ms, query->until_ms, words->word[0], words->word[1], words->word[2],
                  words->word[3], limit, after, (int64_t)0, (int64_t)query->off_shelf);
    }
}

static int list_files(struct drop *drop, const struct drop_query *query, const char *after,
                      drop_each *each, void *context)
{
    struct drop_file file;
    struct words words;
    struct rows rows;
    int found;

    split_words(&words, query->words);
    open_files(&rows, drop, query, after, &words);
    while ((found = rows_next(&rows)) == 1) {
        take_row(&rows, NULL, &file);
        leave_out_name(drop, &file);
        each(context, &file);
    }
    rows_close(&rows);
    free(words.folded);
    return found;
}

/* How many folders were handed over; -1 failed. */
static int64_t list_folders(struct drop *drop, const struct drop_query *query, const char *after,
                            drop_each *each, void *context)
{
    struct drop_file file;
    struct rows rows;
    int64_t count = 0;
    int found;

    rows_open(&rows, drop->store,
              FOLDER_COLUMNS "WHERE d.parent = ? AND d.path > ? ORDER BY d.path LIMIT ?", "ssi",
              query->folder, after, query->limit > 0 ? query->limit : (int64_t)-1);
    for (; (found = rows_next(&rows)) == 1; count++) {
        take_folder(&rows, NULL, &file);
        leave_out_name(drop, &file);
        each(context, &file);
    }
    rows_close(&rows);
    return found < 0 ? -1 : count;
}

int drop_list(struct drop *drop, const struct drop_query *query, drop_each *each, void *context)
{
    struct drop_query files = *query;
    const char *after = query->after ? query->after : "";
    struct drop_file last;
    int64_t count;

    drop_downloads_write(drop);
    if (query->folder && (!*after || get_folder(drop, after, NULL, &last) == 1)) {
        count = list_folders(drop, query, after, each, context);
        if (count < 0 || (query->limit > 0 && count == query->limit))
            return count < 0 ? -1 : 0;
        files.limit = query->limit > 0 ? query->limit - count : 0;
        files.after = NULL;
        after = "";
    }
    return list_files(drop, &files, after, each, context);
}

int drop_totals(struct drop *drop, int64_t *files, int64_t *bytes)
{
    *files = *bytes = 0;
    if (store_int(drop->store, files, "SELECT count(*) FROM file", "") < 0)
        return -1;
    return store_int(drop->store, bytes, "SELECT sum(size) FROM file", "") < 0 ? -1 : 0;
}
