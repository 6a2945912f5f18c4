#include "supervisor/command.h"

#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/when.h"
#include "drop/drop.h"
#include "identity/conversation.h"
#include "supervisor/carry.h"
#include "supervisor/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PAGE    1000
#define DAY_MAX (256 * 1024 * 1024) /* far more than a day of a room; a bound all the same */

/* ---- rooms ---- */

/* One room on its way out, a day at a time. */
struct room_export {
    int folder; /* rooms/NAME */
    const char *room;
    char day[WHEN_MAX];
    struct buf text, json;
    int64_t last_id, count; /* of the page being read */
    bool failed;
};

static int write_file(int folder, const char *name, const struct buf *bytes)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    int result = fd < 0 || bytes->overflowed ? -1 : fs_write_all(fd, bytes->data, bytes->len);
    if (result)
        log_errno("cannot write %s", name);
    fs_close(fd);
    return result;
}

static void write_named(struct room_export *export, const char *suffix, const struct buf *bytes)
{
    char *name = mem_printf("%s.%s", export->day, suffix);
    if (write_file(export->folder, name, bytes))
        export->failed = true;
    free(name);
}

static void end_day(struct room_export *export)
{
    if (!export->day[0])
        return;
    json_close(&export->json, ']');
    json_close(&export->json, '}');
    buf_putc(&export->json, '\n');
    write_named(export, "txt", &export->text);
    write_named(export, "json", &export->json);
    export->day[0] = '\0';
}

static void begin_day(struct room_export *export, const char *day)
{
    strcpy(export->day, day);
    buf_clear(&export->text);
    buf_clear(&export->json);
    json_object(&export->json, NULL);
    json_string(&export->json, "room", export->room);
    json_string(&export->json, "day", day);
    json_array(&export->json, "messages");
}

/* `12:34 <ada> text`, with further lines of one message indented to its first. */
static void put_line(struct buf *out, const struct message *message)
{
    char clock[WHEN_MAX];
    const char *name = message->name[0] ? message->name : message->person_id ? "?" : "";
    when_clock(message->at, clock);
    if (message->removed)
        buf_printf(out, "%s <%s> (taken back)\n", clock, *name ? name : "somebody");
    else if (message->kind == MESSAGE_SAY)
        buf_printf(out, "%s <%s> ", clock, *name ? name : "somebody");
    else if (message->kind == MESSAGE_TOPIC)
        buf_printf(out, "%s * %s set the topic: ", clock, *name ? name : "somebody");
    else
        buf_printf(out, "%s * %s%s", clock, name, *name ? " " : "");
    if (message->removed)
        return;
    for (const char *at = message->text; *at; at++)
        *at == '\n' ? buf_puts(out, "\n      ") : buf_putc(out, (uint8_t)*at);
    buf_putc(out, '\n');
}

static void export_message(void *context, const struct message *message)
{
    struct room_export *export = context;
    char day[WHEN_MAX];
    when_day(message->at, day);
    if (strcmp(day, export->day) != 0) {
        end_day(export);
        begin_day(export, day);
    }
    put_line(&export->text, message);
    message_json(&export->json, message);
    export->last_id = message->id;
    export->count++;
}

static int export_room(struct store *store, int rooms, const struct room *room)
{
    struct room_export export = {.room = room->name};
    struct message_query query = {.room_id = room->id, .limit = PAGE};
    export.folder = tree_folder(rooms, room->name, true);
    if (export.folder < 0) {
        log_errno("cannot make the folder of room %s", room->name);
        return -1;
    }
    buf_init(&export.text, DAY_MAX);
    buf_init(&export.json, DAY_MAX);
    int result = 0;
    do {
        export.count = 0;
        query.after = export.last_id;
        result = conversation_read(store, &query, export_message, &export);
    } while (result == 0 && export.count == PAGE);
    end_day(&export);
    buf_done(&export.text);
    buf_done(&export.json);
    fs_close(export.folder);
    return export.failed ? -1 : result;
}

struct room_names {
    struct room *list;
    size_t count;
};

static void collect_room(void *context, const struct room *room)
{
    struct room_names *names = context;
    names->list = mem_resize(names->list, names->count + 1, sizeof *names->list);
    names->list[names->count++] = *room;
}

static int export_rooms(struct store *store, int folder)
{
    struct room_names names = {0};
    int rooms = tree_folder(folder, "rooms", true);
    int result = rooms < 0 ? -1 : room_list(store, collect_room, &names);
    for (size_t i = 0; result == 0 && i < names.count; i++)
        result = export_room(store, rooms, &names.list[i]);
    fs_close(rooms);
    free(names.list);
    return result;
}

/* ---- files ---- */

struct file_export {
    struct buf text, json;
};

static void export_file(void *context, const struct drop_file *file)
{
    struct file_export *export = context;
    char created[WHEN_MAX], hex[2 * DIGEST_SHA256_SIZE + 1] = "";
    const char *owner = file->owner[0] ? file->owner : NULL;
    when_rfc3339(file->created_at, created);
    if (file->has_sha256)
        fs_hex(file->sha256, sizeof file->sha256, hex);
    buf_printf(&export->text, "%s\t%lld\t%s\t%s\t%s\n", file->path, (long long)file->size,
               owner ? owner : "-", created, hex);
    json_object(&export->json, NULL);
    json_string(&export->json, "path", file->path);
    json_int(&export->json, "size", file->size);
    json_string(&export->json, "owner", owner);
    json_int(&export->json, "created_at", file->created_at);
    json_string(&export->json, "created", created);
    json_string(&export->json, "sha256", hex[0] ? hex : NULL);
    json_close(&export->json, '}');
}

static int export_files(const struct config *config, struct store *store, int folder)
{
    struct file_export export;
    struct drop_query query = {0};
    char *path = config_path(config, "drop");
    struct drop *drop = drop_open(config, store);
    int from, to = tree_folder(folder, "files", true), result = -1;
    buf_init(&export.text, DAY_MAX);
    buf_init(&export.json, DAY_MAX);
    json_array(&export.json, NULL);
    if (tree_open(path, &from) >= 0 && drop && to >= 0)
        result = drop_list(drop, &query, export_file, &export);
    json_close(&export.json, ']');
    buf_putc(&export.json, '\n');
    if (result == 0 && from >= 0)
        result = tree_link(from, to);
    if (result == 0)
        result = write_file(folder, "files.txt", &export.text) ||
                         write_file(folder, "files.json", &export.json)
                     ? -1
                     : 0;
    buf_done(&export.text);
    buf_done(&export.json);
    fs_close(to);
    fs_close(from);
    drop_close(drop);
    free(path);
    return result;
}

/* ---- the command ---- */

static int gather(struct carry *carry)
{
    char *path = config_path(carry->config, "store/riad.db");
    struct store *store = store_open(path);
    int result = store ? export_rooms(store, carry->folder) : -1;
    if (result == 0)
        result = export_files(carry->config, store, carry->folder);
    store_close(store);
    free(path);
    return result;
}

static int run(struct command_line *line)
{
    if (carry_out(&line->config, NULL, line->words[0], gather, NULL))
        return EXIT_FAILURE;
    printf("export complete in %s\n", line->words[0]);
    return EXIT_SUCCESS;
}

const struct command command_export = {
    .name = "export",
    .words = "DIRECTORY",
    .least = 1,
    .most = 1,
    .summary = "for people to keep: public rooms by day as text and JSON, the files with owners",
    .help = "DIRECTORY must not exist yet, or be empty; it appears whole or not at all:\n"
            "  rooms/ROOM/DAY.txt and .json   what was said there that day\n"
            "  files/                         the shared files\n"
            "  files.txt and files.json       each with its size, owner, time and SHA-256\n"
            "Private messages, keys and addresses are not in it.\n",
    .run = run,
};
