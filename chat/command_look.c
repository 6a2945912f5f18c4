/* Commands that show something. */
#include "base/fs.h"
#include "base/json.h"
#include "base/text.h"
#include "base/when.h"
#include "chat/command.h"
#include "drop/drop.h"
#include "identity/roll.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HISTORY_LIMIT 50
#define MOST_MESSAGES 1000
#define MOST_FILES    200
#define IDLE_MS       (5 * 60000) /* from then on /who says so */

static bool json(const struct request *request)
{
    return command_option(request, "json") != NULL;
}

/* ---- who ---- */

/* One person's sessions, gathered. */
struct person_here {
    struct presence first;
    char doors[32], devices[ROLL_DEVICE_MAX]; /* devices: for hosts only */
    int64_t since, seen_at;
    bool away;
};

struct who {
    struct store *store;
    struct request *request;
    struct person_here now;
    size_t people, guests;
    bool asker; /* who asks is among them */
};

static void put_person(struct who *who)
{
    struct request *request = who->request;
    struct person_here *now = &who->now;
    const char *host = now->first.role == ROLE_HOST ? " (host)" : "";
    char since[WHEN_MAX], seen[WHEN_MAX];

    if (who->now.first.person_id == 0)
        return;
    who->people++;
    who->asker |= now->first.person_id == request->person.id;
    if (json(request)) {
        json_object(&request->out, NULL);
        json_string(&request->out, "name", now->first.name);
        json_string(&request->out, "role", person_role_name(now->first.role));
        json_string(&request->out, "room", now->first.room);
        json_string(&request->out, "away", now->away ? now->first.away : "");
        json_string(&request->out, "doors", now->doors);
        if (now->devices[0] != '\0')
            json_string(&request->out, "device", now->devices);
        json_int(&request->out, "since", now->since);
        json_int(&request->out, "seen_at", now->seen_at);
        json_close(&request->out, '}');
        buf_putc(&request->out, '\n');
        return;
    }
    render_name(&request->out, now->first.name, &request->style);
    when_duration_text((when_wall_ms() - now->since) / 1000, since);
    buf_printf(&request->out, "%s  %s, here for %s", host, now->doors, since);
    if (when_wall_ms() - now->seen_at >= IDLE_MS) {
        when_duration_text((when_wall_ms() - now->seen_at) / 1000, seen);
        buf_printf(&request->out, ", last seen %s ago", seen);
    }
    if (now->first.room[0] != '\0' && strcmp(now->first.room, "lobby") != 0)
        buf_printf(&request->out, ", in %s", now->first.room);
    if (now->devices[0] != '\0')
        buf_printf(&request->out, ", from %s", now->devices);
    if (now->away)
        buf_printf(&request->out, ", away: %s", now->first.away);
    buf_putc(&request->out, '\n');
}

/* From which device a session comes, for hosts: by its lease, else the address. */
static void add_device(struct who *who, const struct presence *presence)
{
    struct person_here *now = &who->now;
    char device[ROLL_DEVICE_MAX];
    size_t length = strlen(now->devices);

    if (who->request->person.role != ROLE_HOST)
        return;
    roll_device(who->store, presence->address, device);
    if (device[0] == '\0')
        snprintf(device, sizeof(device), "%s", presence->address);
    if (strstr(now->devices, device) == NULL)
        snprintf(now->devices + length, sizeof(now->devices) - length, "%s%s",
                 length > 0 ? ", " : "", device);
}

static void gather(void *context, const struct presence *presence)
{
    struct who *who = context;
    struct person_here *now = &who->now;

    if (presence->person_id == 0) {
        who->guests++;
        return;
    }
    if (now->first.person_id != presence->person_id) {
        put_person(who);
        *now = (struct person_here){.first = *presence, .since = presence->since, .away = true};
    }
    if (presence->since < now->since)
        now->since = presence->since;
    if (presence->seen_at > now->seen_at)
        now->seen_at = presence->seen_at;
    add_device(who, presence);
    if (presence->away[0] == '\0')
        now->away = false;
    if (strstr(now->doors, presence->door) == NULL &&
        strlen(now->doors) + strlen(presence->door) + 2 < sizeof(now->doors)) {
        if (now->doors[0] != '\0')
            strcat(now->doors, "+");
        strcat(now->doors, presence->door);
    }
}

static void put_asker(struct who *who)
{
    const struct person *person = &who->request->person;
    struct person_here *now = &who->now;

    *now = (struct person_here){.since = when_wall_ms(), .seen_at = when_wall_ms(), .doors = "ssh"};
    now->first.person_id = person->id;
    now->first.role = person->role;
    memcpy(now->first.name, person->name, sizeof(now->first.name));
    put_person(who);
}

void command_who(struct store *store, struct request *request)
{
    struct who who = {.store = store, .request = request};

    if (presence_list(store, gather, &who) != 0) {
        command_fail(request, 1, "the store does not answer; try again");
        return;
    }
    put_person(&who);
    /* Who only asks is here, too, for as long as that takes. */
    if (!who.asker)
        put_asker(&who);
    if (json(request) || request->door == DOOR_EXEC)
        return;
    if (who.guests > 0)
        command_say(request, "%zu here, and %zu guest%s of the web page", who.people, who.guests,
                    who.guests == 1 ? "" : "s");
    else
        command_say(request, "%zu here", who.people);
}

/* ---- history and search ---- */

struct told {
    struct request *request;
    struct render_style style;
    int64_t last_at;
    size_t count;
};

static void tell(void *context, const struct message *message)
{
    struct told *told = context;
    struct render_style style = told->style;
    struct buf *out = &told->request->out;
    size_t before = out->len;

    if (out->overflowed)
        return;
    if (style.form == RENDER_TERMINAL &&
        (told->last_at == 0 || render_days_differ(told->last_at, message->at)))
        render_day(out, message->at, &style);
    told->last_at = message->at;
    told->count++;
    style.mine = message->person_id == told->request->person.id;
    style.room = message->room_id != 0 && message->room_id != told->request->here.id;
    render_message(out, message, &style);
    if (out->overflowed) /* whole lines only; command_carry_out says that there are more */
        buf_truncate(out, before);
}

/* What the options of history and search say. 0, or -1 with the reason. */
static int read_options(struct store *store, struct request *request, struct message_query *query)
{
    const char *since = command_option(request, "since"), *room = command_option(request, "room");
    const char *with = command_option(request, "with"), *by = command_option(request, "by");
    const char *limit = command_option(request, "limit");
    struct person person;
    struct room found;

    query->reader_id = request->person.id;
    query->newest = true;
    query->limit = since != NULL ? MOST_MESSAGES : HISTORY_LIMIT;
    if (since != NULL && since[strspn(since, "0123456789")] == '\0') {
        query->after = strtoll(since, NULL, 10);
        query->newest = false;
    } else if (since != NULL && when_parse(since, when_wall_ms(), &query->from_ms) != 0) {
        command_fail(request, 2,
                     "--since takes a time (14:30), a day (2026-11-22, yesterday) or "
                     "how long ago (2h), not %.40s",
                     since);
        return -1;
    }
    if (limit != NULL) {
        query->limit = strtoll(limit, NULL, 10);
        if (query->limit < 1 || query->limit > MOST_MESSAGES) {
            command_fail(request, 2, "--limit is a number from 1 to %d", MOST_MESSAGES);
            return -1;
        }
    }
    if (room != NULL) {
        if (room_by_name(store, room[0] == '#' ? room + 1 : room, &found) != 1) {
            command_fail(request, 1, "there is no room %.40s", room);
            return -1;
        }
        query->room_id = found.id;
    }
    if (with != NULL) {
        if (command_person(request, store, with, &person) != 0)
            return -1;
        query->with_id = person.id;
        query->room_id = -1;
    }
    if (by != NULL) {
        if (command_person(request, store, by, &person) != 0)
            return -1;
        query->person_id = person.id;
    }
    return 0;
}

static size_t tell_all(struct store *store, struct request *request,
                       const struct message_query *query)
{
    struct told told = {.request = request, .style = request->style};

    if (json(request))
        told.style.form = RENDER_JSON;
    if (told.style.form == RENDER_TERMINAL && told.style.time == TIME_OFF)
        told.style.time = TIME_SHORT;
    if (conversation_read(store, query, tell, &told) != 0)
        command_fail(request, 1, "the store does not answer; try again");
    return told.count;
}

void command_history(struct store *store, struct request *request)
{
    struct message_query query = {.room_id = request->here.id};

    if (request->arguments[0] != '\0') {
        command_fail(request, 2, "usage: history %s", request->command->usage);
        return;
    }
    if (read_options(store, request, &query) != 0)
        return;
    if (tell_all(store, request, &query) == 0 && request->door != DOOR_EXEC && request->status == 0)
        command_say(request, "nothing was said");
}

void command_search(struct store *store, struct request *request)
{
    struct message_query query = {.room_id = 0};

    if (request->arguments[0] == '\0') {
        command_fail(request, 2, "search for what? search %s", request->command->usage);
        return;
    }
    query.words = request->arguments;
    if (read_options(store, request, &query) != 0)
        return;
    if (tell_all(store, request, &query) > 0 || request->status != 0)
        return;
    /* As grep(1): nothing found is a status of its own. */
    request->status = 1;
    command_fail(request, 1, "nothing found");
}

/* ---- rooms, files, whoami ---- */

struct rooms {
    struct request *request;
    int64_t everybody; /* is in the lobby, wherever else they stand */
};

static void put_room(void *context, const struct room *room)
{
    const struct rooms *rooms = context;
    struct request *request = rooms->request;
    int64_t members = room->id == ROOM_LOBBY ? rooms->everybody : room->members;

    if (json(request)) {
        json_object(&request->out, NULL);
        json_int(&request->out, "id", room->id);
        json_string(&request->out, "name", room->name);
        json_string(&request->out, "topic", room->topic);
        json_int(&request->out, "members", members);
        json_close(&request->out, '}');
        buf_putc(&request->out, '\n');
        return;
    }
    buf_printf(&request->out, "%s%-16s%s %3lld  ", render_bold(&request->style), room->name,
               render_reset(&request->style), (long long)members);
    command_topic_of(request->config, request->address, room, &request->out);
    buf_putc(&request->out, '\n');
}

void command_rooms(struct store *store, struct request *request)
{
    struct rooms rooms = {.request = request, .everybody = presence_count(store)};

    if (room_list(store, put_room, &rooms) != 0)
        command_fail(request, 1, "the store does not answer; try again");
}

static void put_file(void *context, const struct drop_file *file)
{
    struct request *request = context;
    char size[WHEN_MAX], time[WHEN_MAX], hash[2 * DIGEST_SHA256_SIZE + 1] = "";

    if (json(request)) {
        if (file->has_sha256)
            fs_hex(file->sha256, DIGEST_SHA256_SIZE, hash);
        json_object(&request->out, NULL);
        json_string(&request->out, "path", file->path);
        json_string(&request->out, "owner", *file->owner == '\0' ? NULL : file->owner);
        json_int(&request->out, "size", file->size);
        json_int(&request->out, "created_at", file->created_at);
        json_string(&request->out, "sha256", *hash == '\0' ? NULL : hash);
        json_int(&request->out, "downloads", file->downloads);
        json_close(&request->out, '}');
        buf_putc(&request->out, '\n');
        return;
    }
    when_size_text(file->size, size);
    when_rfc3339(file->created_at, time);
    buf_printf(&request->out, "%s %9s  %-12s %s\n", time, size,
               file->owner[0] != '\0' ? file->owner : "-", file->path);
}

/* The newest are asked for, and shown last. */
struct files {
    struct drop_file *items;
    size_t count;
};

static void keep_file(void *context, const struct drop_file *file)
{
    struct files *files = context;

    if (files->count < MOST_FILES)
        files->items[files->count++] = *file;
}

void command_files(struct store *store, struct request *request)
{
    struct drop *drop = drop_open(request->config, store);
    struct drop_query query = {.limit = MOST_FILES, .newest = true};
    struct files files = {0};

    if (drop == NULL) {
        command_fail(request, 1, "the drop cannot be read now");
        return;
    }
    if (request->arguments[0] != '\0')
        query.words = request->arguments;
    else
        query.off_shelf = true;
    files.items = calloc(MOST_FILES, sizeof(*files.items));
    if (files.items == NULL || drop_list(drop, &query, keep_file, &files) != 0)
        command_fail(request, 1, "the drop cannot be read now");
    for (size_t i = files.count; i-- > 0;)
        put_file(request, &files.items[i]);
    if (files.count == 0 && request->status == 0 && query.words != NULL)
        command_fail(request, 1, "nothing is in the drop under that name");
    else if (files.count == 0 && request->status == 0 && request->door != DOOR_EXEC)
        command_say(request, "nothing is in the drop");
    free(files.items);
    drop_close(drop);
}

void command_rm(struct store *store, struct request *request)
{
    struct drop *drop;
    struct drop_actor actor = {.person_id = request->person.id,
                               .host = request->person.role == ROLE_HOST};
    enum drop_result result;

    if (request->arguments[0] == '\0') {
        command_fail(request, 2, "remove what? rm NAME");
        return;
    }
    drop = drop_open(request->config, store);
    if (drop == NULL) {
        command_fail(request, 1, "the drop cannot be read now");
        return;
    }
    result = drop_remove(drop, request->arguments, &actor);
    if (result != DROP_OK)
        command_fail(request, 1, "%.200s: %s", request->arguments,
                     drop_refusal_text(result, request->arguments));
    else if (request->door != DOOR_EXEC)
        command_say(request, "removed %s", request->arguments);
    drop_close(drop);
}

static void transfer(struct request *request, enum effect effect, const char *verb)
{
    if (request->arguments[0] == '\0') {
        command_fail(request, 2, "%s what? %s NAME", verb, verb);
        return;
    }
    if (request->door == DOOR_EXEC) {
        request->path = strdup(request->arguments);
        request->effect = effect;
        return;
    }
    struct buf line, web;

    buf_init(&line, 256);
    buf_init(&web, 256);
    command_ssh_line(request, request->person.name, &line);
    command_web_address(request, &web);
    command_say(request, "a chat line carries no files; in a shell of your own:");
    command_say(request, "  %s %s %.100s %s %.100s", buf_text(&line), verb, request->arguments,
                effect == EFFECT_DROP ? "<" : ">", request->arguments);
    command_say(request, "or in a browser: %s", buf_text(&web));
    buf_done(&line);
    buf_done(&web);
}

void command_drop(struct store *store, struct request *request)
{
    (void)store;
    transfer(request, EFFECT_DROP, "drop");
}

void command_get(struct store *store, struct request *request)
{
    (void)store;
    transfer(request, EFFECT_GET, "get");
}

static void put_credential(void *context, const struct credential *credential)
{
    struct request *request = context;

    buf_printf(&request->out, "%s  %s%s\n", credential->kind, credential->label,
               credential->id == request->credential_id ? "  (this one)" : "");
}

void command_whoami(struct store *store, struct request *request)
{
    char day[WHEN_MAX];

    when_day(request->person.created_at, day);
    if (json(request)) {
        json_object(&request->out, NULL);
        json_int(&request->out, "id", request->person.id);
        json_string(&request->out, "name", request->person.name);
        json_string(&request->out, "role", person_role_name(request->person.role));
        json_int(&request->out, "created_at", request->person.created_at);
        json_close(&request->out, '}');
        buf_putc(&request->out, '\n');
        return;
    }
    buf_printf(&request->out, "%s\n", request->person.name);
    buf_printf(&request->out, "%s since %s\n",
               request->person.role == ROLE_HOST      ? "host"
               : request->person.role == ROLE_WAITING ? "waiting for a host to let you in"
                                                      : "person",
               day);
    credential_list(store, request->person.id, NULL, put_credential, request);
}
