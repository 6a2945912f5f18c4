#include "chat/sftp_private.h"

#include "base/when.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LIST_PAGE  128 /* names in one answer */
#define SFTP_GROUP "drop"

/* ---- what things look like ---- */

void sftp_file_attrs(const struct sftp *sftp, const struct drop_file *file,
                     struct sftp_attrs *attrs)
{
    bool mine = file->yours || (file->person_id && file->person_id == sftp->actor.person_id);
    uint32_t mode = file->folder ? S_IFDIR | 0777 : S_IFREG | (mine ? 0644 : 0444);

    *attrs = (struct sftp_attrs){
        .flags = SFTP_ATTR_SIZE | SFTP_ATTR_OWNER | SFTP_ATTR_MODE | SFTP_ATTR_TIMES,
        .size = file->folder ? 0 : (uint64_t)file->size,
        .uid = (uint32_t)file->person_id,
        .gid = 0,
        .mode = mode,
        .atime = (uint32_t)(file->modified_at / 1000),
        .mtime = (uint32_t)(file->modified_at / 1000),
    };
}

/* What `ls -l` would say: `-rw-r--r-- 1 ada drop 1234 2026-11-22 17:11 slides.pdf`. */
static void put_long_name(struct buf *out, const struct drop_file *file,
                          const struct sftp_attrs *attrs)
{
    char line[DROP_PATH_MAX + 128], day[WHEN_MAX], clock[WHEN_MAX];

    when_day(file->modified_at, day);
    when_clock(file->modified_at, clock);
    snprintf(line, sizeof line, "%s %4d %-12s %-8s %12lld %s %s %s",
             file->folder            ? "drwxrwxrwx"
             : attrs->mode & S_IWUSR ? "-rw-r--r--"
                                     : "-r--r--r--",
             1, *file->owner ? file->owner : "-", SFTP_GROUP, (long long)file->size, day, clock,
             drop_path_name(file->path));
    sftp_put_text(out, line);
}

/* A part that its owner may go on with looks like a file. */
static void coming_as_file(const struct drop_coming *coming, struct drop_file *file)
{
    *file = (struct drop_file){
        .person_id = coming->person_id,
        .size = coming->received,
        .modified_at = coming->touched_at,
        .yours = true,
    };
    snprintf(file->path, sizeof file->path, "%s", coming->path);
    snprintf(file->owner, sizeof file->owner, "%s", coming->owner);
}

/* What this client sees at path: what it writes itself, a file or folder, a part of its own. */
static enum drop_result look(struct sftp *sftp, const char *path, struct sftp_attrs *attrs)
{
    struct sftp_handle *writing = sftp_handle_writing(sftp, path);
    struct drop_coming coming;
    struct drop_file file;
    enum drop_result result;

    if (writing) {
        sftp_arrival_attrs(sftp, writing->arrival, attrs);
        return DROP_OK;
    }
    result = drop_look_as(sftp->drop, path, &sftp->actor, &file);
    if (result == DROP_NOT_FOUND) {
        result = drop_coming_by_path(sftp->drop, path, &sftp->actor, &coming);
        if (!result)
            coming_as_file(&coming, &file);
    }
    if (!result)
        sftp_file_attrs(sftp, &file, attrs);
    /* What cannot be there is not there. */
    return result == DROP_BAD_PATH ? DROP_NOT_FOUND : result;
}

void sftp_stat(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    char path[DROP_PATH_MAX];
    struct sftp_attrs attrs;
    enum drop_result result;
    size_t begin;

    if (!sftp_get_path(sftp, id, in, path))
        return;
    result = look(sftp, path, &attrs);
    if (result) {
        sftp_put_result(sftp, id, result);
        return;
    }
    begin = sftp_packet_begin(&sftp->out, SFTP_ATTRS, id);
    sftp_put_attrs(&sftp->out, &attrs);
    sftp_packet_end(&sftp->out, begin);
}

/* ---- setting ---- */

/* A file of one's own is cut or extended: another version of it is published. */
static enum drop_result resize(struct sftp *sftp, const char *path, uint64_t size)
{
    struct drop_wish wish = {.path = path,
                             .actor = sftp->actor,
                             .door = sftp->door,
                             .size = -1,
                             .replace = true,
                             .exact = true,
                             .copy = true};
    struct drop_arrival *arrival;
    struct drop_file file;
    enum drop_result result = drop_look_as(sftp->drop, path, &sftp->actor, &file);

    if (result || size > INT64_MAX)
        return result ? result : DROP_TOO_LARGE;
    if (file.folder || !file.yours)
        return file.folder ? DROP_IS_FOLDER : DROP_NOT_YOURS;
    result = drop_begin(sftp->drop, &wish, &arrival);
    if (result)
        return result;
    result = drop_truncate(arrival, (int64_t)size);
    if (!result)
        return drop_publish(arrival, &file, NULL, NULL);
    drop_abandon(arrival);
    return result;
}

static enum drop_result set(struct sftp *sftp, const char *path, const struct sftp_attrs *attrs)
{
    struct sftp_handle *writing = sftp_handle_writing(sftp, path);
    int64_t modified_ms = (int64_t)attrs->mtime * 1000;
    enum drop_result result = DROP_OK;
    struct sftp_attrs there;

    if (attrs->flags & SFTP_ATTR_SIZE)
        result = !writing                  ? resize(sftp, path, attrs->size)
                 : attrs->size > INT64_MAX ? DROP_TOO_LARGE
                                           : drop_truncate(writing->arrival, (int64_t)attrs->size);
    if (result || !(attrs->flags & SFTP_ATTR_TIMES))
        return result ? result : look(sftp, path, &there);
    if (writing) {
        drop_arrival_set_modified(writing->arrival, modified_ms);
        return DROP_OK;
    }
    result = drop_set_modified(sftp->drop, path, modified_ms, &sftp->actor);
    /* Folders and parts keep no times; clients set them all the same. */
    return result == DROP_NOT_FOUND || result == DROP_BAD_PATH ? look(sftp, path, &there) : result;
}

void sftp_setstat(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    char path[DROP_PATH_MAX];
    struct sftp_attrs attrs;

    if (!sftp_get_path(sftp, id, in, path))
        return;
    sftp_get_attrs(in, &attrs);
    sftp_put_result(sftp, id, set(sftp, path, &attrs));
}

/* ---- lists ---- */

void sftp_opendir(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    char path[DROP_PATH_MAX];
    struct sftp_handle *handle;
    struct drop_file file;
    enum drop_result result;

    if (!sftp_get_path(sftp, id, in, path))
        return;
    result = drop_look(sftp->drop, path, &file);
    if (result || !file.folder) {
        sftp_put_result(sftp, id, result == DROP_BAD_PATH || !result ? DROP_NOT_FOUND : result);
        return;
    }
    handle = sftp_handle_new(sftp, file.path);
    if (!handle) {
        sftp_put_status(sftp, id, SFTP_FX_FAILURE, "Too many files are open.");
        return;
    }
    handle->listing = true;
    sftp_put_handle(sftp, id, handle);
}

struct listing {
    struct sftp *sftp;
    struct sftp_handle *handle;
    uint32_t count;
};

static void put_entry(struct listing *listing, const char *name, const struct drop_file *file)
{
    struct sftp_attrs attrs;

    sftp_file_attrs(listing->sftp, file, &attrs);
    sftp_put_text(&listing->sftp->out, name);
    put_long_name(&listing->sftp->out, file, &attrs);
    sftp_put_attrs(&listing->sftp->out, &attrs);
    listing->count++;
}

static void put_file(void *context, const struct drop_file *file)
{
    struct listing *listing = context;

    put_entry(listing, drop_path_name(file->path), file);
    snprintf(listing->handle->after, sizeof listing->handle->after, "%s", file->path);
}

/* Parts of one's own that lie in this folder. */
struct parts {
    const char *folder;
    struct drop_file *files;
    size_t count, max;
};

static void take_part(void *context, const struct drop_coming *coming)
{
    struct parts *parts = context;
    char folder[DROP_PATH_MAX];

    drop_path_folder(coming->path, folder);
    if (coming->yours && parts->count < parts->max && strcmp(folder, parts->folder) == 0)
        coming_as_file(coming, &parts->files[parts->count++]);
}

static void put_parts(struct listing *listing)
{
    struct drop_file files[16], there;
    struct parts parts = {
        .folder = listing->handle->path, .files = files, .max = sizeof files / sizeof *files};

    drop_coming_list(listing->sftp->drop, &listing->sftp->actor, 0, take_part, &parts);
    for (size_t i = 0; i < parts.count; i++)
        if (drop_look(listing->sftp->drop, files[i].path, &there) == DROP_NOT_FOUND)
            put_entry(listing, drop_path_name(files[i].path), &files[i]);
}

static void put_dots(struct listing *listing)
{
    int64_t now = when_wall_ms();
    const struct drop_file folder = {.folder = true, .path = ".", .modified_at = now};
    const struct drop_file above = {.folder = true, .path = "..", .modified_at = now};

    put_entry(listing, ".", &folder);
    put_entry(listing, "..", &above);
}

void sftp_readdir(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    struct sftp_handle *handle = sftp_handle_get(sftp, id, in);
    struct listing listing = {.sftp = sftp, .handle = handle};
    struct drop_query query = {.limit = LIST_PAGE};
    size_t begin, count_at;

    if (!handle)
        return;
    if (!handle->listing || handle->ended) {
        sftp_put_status(sftp, id, handle->listing ? SFTP_FX_EOF : SFTP_FX_FAILURE,
                        handle->listing ? "That is all." : "That is no folder.");
        return;
    }
    begin = sftp_packet_begin(&sftp->out, SFTP_NAME, id);
    count_at = sftp->out.len;
    sftp_put_u32(&sftp->out, 0);
    query.folder = handle->path;
    query.after = *handle->after ? handle->after : NULL;
    if (!handle->begun) {
        put_dots(&listing);
        put_parts(&listing);
    }
    handle->begun = true;
    uint32_t before = listing.count;
    drop_list(sftp->drop, &query, put_file, &listing);
    handle->ended = listing.count - before < LIST_PAGE;
    for (int i = 0; i < 4 && sftp->out.len > count_at + 3; i++)
        sftp->out.data[count_at + (size_t)i] = (uint8_t)(listing.count >> (24 - 8 * i));
    sftp_packet_end(&sftp->out, begin);
    if (listing.count == 0) {
        buf_truncate(&sftp->out, begin);
        sftp_put_status(sftp, id, SFTP_FX_EOF, "That is all.");
    }
}

/* ---- changing names ---- */

void sftp_remove(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    char path[DROP_PATH_MAX];

    if (sftp_get_path(sftp, id, in, path))
        sftp_put_result(sftp, id, drop_remove(sftp->drop, path, &sftp->actor));
}

void sftp_mkdir(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    char path[DROP_PATH_MAX];

    if (sftp_get_path(sftp, id, in, path))
        sftp_put_result(sftp, id, drop_make_folder(sftp->drop, path, &sftp->actor));
}

void sftp_rmdir(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    char path[DROP_PATH_MAX];
    enum drop_result result;
    struct drop_file file;

    if (!sftp_get_path(sftp, id, in, path))
        return;
    result = drop_remove_folder(sftp->drop, path, &sftp->actor);
    /* Who may not remove a file is asked this next by some clients, which tell this answer. */
    if (result == DROP_NOT_FOUND &&
        drop_look_as(sftp->drop, path, &sftp->actor, &file) == DROP_OK && !file.folder)
        sftp_put_status(sftp, id, file.yours ? SFTP_FX_FAILURE : SFTP_FX_PERMISSION_DENIED,
                        "That is no folder.");
    else
        sftp_put_result(sftp, id, result);
}

/* What this client writes just now is only called otherwise when it is published. */
static enum drop_result rename_writing(struct sftp_handle *writing, const char *to)
{
    enum drop_result result = drop_arrival_rename(writing->arrival, to);

    if (!result)
        snprintf(writing->path, sizeof writing->path, "%s", to);
    return result;
}

static void rename_to(struct sftp *sftp, uint32_t id, struct sftp_reader *in, bool replace)
{
    char from[DROP_PATH_MAX], to[DROP_PATH_MAX];
    struct sftp_handle *writing;
    struct drop_file there;

    if (!sftp_get_path(sftp, id, in, from) || !sftp_get_path(sftp, id, in, to))
        return;
    writing = sftp_handle_writing(sftp, from);
    if (writing && drop_look(sftp->drop, from, &there) == DROP_NOT_FOUND)
        sftp_put_result(sftp, id, rename_writing(writing, to));
    else
        sftp_put_result(sftp, id, drop_rename(sftp->drop, from, to, &sftp->actor, replace));
}

void sftp_rename(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    rename_to(sftp, id, in, false);
}

void sftp_posix_rename(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    rename_to(sftp, id, in, true);
}

/* ---- the rest ---- */

void sftp_realpath(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    char path[DROP_PATH_MAX], absolute[DROP_PATH_MAX + 1];
    const struct sftp_attrs none = {.flags = 0};
    size_t begin;

    if (!sftp_get_path(sftp, id, in, path))
        return;
    snprintf(absolute, sizeof absolute, "/%s", path);
    begin = sftp_packet_begin(&sftp->out, SFTP_NAME, id);
    sftp_put_u32(&sftp->out, 1);
    sftp_put_text(&sftp->out, absolute);
    sftp_put_text(&sftp->out, absolute);
    sftp_put_attrs(&sftp->out, &none);
    sftp_packet_end(&sftp->out, begin);
}

static void put_space(struct sftp *sftp, uint32_t id)
{
    struct statvfs disk;
    size_t begin;

    if (drop_statvfs(sftp->drop, &disk)) {
        sftp_put_result(sftp, id, DROP_FAILED);
        return;
    }
    const uint64_t numbers[] = {
        disk.f_bsize,
        disk.f_frsize,
        disk.f_blocks,
        disk.f_bfree,
        disk.f_bavail,
        disk.f_files,
        disk.f_ffree,
        disk.f_favail,
        0,
        0,
        DROP_NAME_MAX,
    };
    begin = sftp_packet_begin(&sftp->out, SFTP_EXTENDED_REPLY, id);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sftp_put_u64(&sftp->out, numbers[i]);
    sftp_packet_end(&sftp->out, begin);
}

void sftp_statvfs(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    char path[DROP_PATH_MAX];

    if (sftp_get_path(sftp, id, in, path))
        put_space(sftp, id);
}

void sftp_fstatvfs(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    if (sftp_handle_get(sftp, id, in))
        put_space(sftp, id);
}

/* One list of ids as the list of their names: of people, or of the one group there is. */
static void put_names(struct sftp *sftp, struct sftp_reader ids, bool users)
{
    char name[NAME_MAX_BYTES];
    struct buf names;

    buf_init(&names, SFTP_IDS_MAX * (4 + NAME_MAX_BYTES));
    while (ids.at < ids.end) {
        uint32_t id = sftp_get_u32(&ids);

        if (users)
            drop_owner_name(sftp->drop, id, name);
        else
            snprintf(name, sizeof name, "%s", id == 0 ? SFTP_GROUP : "");
        sftp_put_text(&names, name);
    }
    sftp_put_bytes(&sftp->out, names.data, names.len);
    buf_done(&names);
}

/* OpenSSH's PROTOCOL, section 4.9: what `ls -l` of its client calls owners and groups. */
void sftp_names_of_ids(struct sftp *sftp, uint32_t id, struct sftp_reader *in)
{
    size_t user_length, group_length, begin;
    const uint8_t *users = sftp_get_bytes(in, &user_length);
    const uint8_t *groups = sftp_get_bytes(in, &group_length);

    if (in->bad || user_length % 4 || group_length % 4 || user_length / 4 > SFTP_IDS_MAX ||
        group_length / 4 > SFTP_IDS_MAX) {
        sftp_put_status(sftp, id, SFTP_FX_BAD_MESSAGE, "Those are no ids, or too many.");
        return;
    }
    begin = sftp_packet_begin(&sftp->out, SFTP_EXTENDED_REPLY, id);
    put_names(sftp, (struct sftp_reader){.at = users, .end = users + user_length}, true);
    put_names(sftp, (struct sftp_reader){.at = groups, .end = groups + group_length}, false);
    sftp_packet_end(&sftp->out, begin);
}
