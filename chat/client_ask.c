/* What a client types or sends: something to say, or a command. */
#include "chat/client.h"
#include "chat/hall.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_MS 1000 /* before a line that may not be said is refused in words again */

/* ---- saying ---- */

struct say_job {
    struct job job;
    struct client *client;
    char text[];
};

static void done_say(struct job *job)
{
    struct say_job *say = (struct say_job *)job;
    struct client *client = say->client;
    bool kept = job->id != 0;

    free(say);
    client->saying--;
    if (!client_job_done(client))
        return;
    if (!kept) {
        client->status = 1;
        client_tell(client, "that could not be kept, so it was not said; try again");
    }
    if (client->in.len > 0 || client->in_ended)
        client_input(client);
}

static void put_say(struct client *client, const struct buf *text)
{
    struct say_job *say = mem_alloc(sizeof(*say) + text->len + 1);

    memcpy(say->text, text->data, text->len + 1);
    say->client = client;
    say->job.done = done_say;
    say->job.say = (struct message_new){.room_id = client->room.id,
                                        .person_id = client->somebody->person.id,
                                        .kind = MESSAGE_SAY,
                                        .text = say->text};
    client->jobs++;
    client->saying++;
    worker_put(client->hall->worker, &say->job);
}

/* Why this client may not say that, or NULL. */
static const char *refusal(struct client *client, const struct buf *text, char *out, size_t size)
{
    const struct config_chat *limits = &client->hall->config->chat;
    const struct person *person = &client->somebody->person;
    char clock[WHEN_MAX];

    if (person->role == ROLE_WAITING)
        return "a host has to let you in before you can speak";
    if (person->muted_until > when_wall_ms()) {
        when_clock(person->muted_until, clock);
        snprintf(out, size, "a host has muted you until %s; you may still read", clock);
        return out;
    }
    if (text->overflowed || text->len > (size_t)limits->max_message) {
        snprintf(out, size, "that was not said: a message has at most %lld bytes",
                 (long long)limits->max_message);
        return out;
    }
    if (client->kind == CLIENT_TERMINAL && hall_must_wait(client->hall, client->somebody)) {
        snprintf(out, size, "that was not said: at most %lld messages in %lld seconds",
                 (long long)limits->rate, (long long)limits->rate_window);
        return out;
    }
    return NULL;
}

/* Of lines that were pasted, once: the rest of the screen is for what is said. */
static void tell_refusal(struct client *client, const char *why)
{
    int64_t now = when_monotonic_ms();

    if (client->kind != CLIENT_TERMINAL || now - client->refused_at >= AGAIN_MS)
        client_tell(client, why);
    client->refused_at = now;
    client->status = 1;
}

static void say(struct client *client, const char *line)
{
    struct buf text;
    const char *why;
    char sentence[128];

    buf_init(&text, MESSAGE_MAX_TEXT);
    text_clean(&text, line, strlen(line), TEXT_MANY_LINES);
    if (buf_text(&text)[strspn(buf_text(&text), " \n")] == '\0' && !text.overflowed) {
        buf_done(&text);
        return;
    }
    why = refusal(client, &text, sentence, sizeof(sentence));
    if (why != NULL) {
        tell_refusal(client, why);
    } else {
        hall_count_said(client->somebody, text.len);
        put_say(client, &text);
    }
    buf_done(&text);
}

void client_line(struct client *client, const char *line)
{
    const char *word = line + 1;

    /* Two slashes say one. */
    if (line[0] != '/' || client->saying_lines) {
        say(client, line);
    } else if (line[1] == '/') {
        say(client, line + 1);
    } else if (client->kind == CLIENT_TERMINAL ||
               command_find(word, strcspn(word, " "), DOOR_LINES) != NULL) {
        client_ask(client, word, client->kind == CLIENT_TERMINAL ? DOOR_TERMINAL : DOOR_LINES);
    } else {
        /* A bot that passes on `/etc/hosts` means it. */
        say(client, line);
    }
}

/* ---- commands ---- */

struct ask_job {
    struct job job;
    struct client *client;
    struct request request;
    struct profile profile; /* loaded if the command changed it */
    char term[32], address[64];
};

static void run_ask(struct job *job, struct store *store)
{
    struct ask_job *ask = (struct ask_job *)job;

    command_carry_out(&ask->request, store);
    /* Here and not in a job of its own: whoever left a room sees nothing of it from here on. */
    if (ask->request.effect == EFFECT_ROOM || ask->request.effect == EFFECT_SETTINGS)
        profile_load(store, ask->request.person.id, &ask->profile);
}

void client_answer(struct client *client, const struct buf *text, struct buf *queue)
{
    queue->max = queue->len + 2 * text->len + CLIENT_MAX_OUT;
    if (client->interactive)
        screen_put(queue, buf_text(text));
    else
        buf_put(queue, text->data, text->len);
}

static void apply(struct client *client, struct ask_job *ask)
{
    struct request *request = &ask->request;

    switch (request->effect) {
    case EFFECT_QUIT:
        client_end(client, 0, "good-bye");
        break;
    case EFFECT_ROOM:
        client->room = request->room;
        hall_change(client->hall, client->somebody, &ask->profile);
        break;
    case EFFECT_SETTINGS:
        hall_change(client->hall, client->somebody, &ask->profile);
        break;
    case EFFECT_STDIN:
        client->kind = CLIENT_LINES;
        client->saying_lines = true;
        client->step = CLIENT_OPEN;
        break;
    case EFFECT_DROP:
    case EFFECT_GET:
        client->transfer = request->effect;
        client->path = request->path;
        request->path = NULL;
        break;
    case EFFECT_NONE:
        break;
    }
}

static void show_answer(struct client *client, struct request *request)
{
    if (client->kind == CLIENT_TERMINAL) {
        screen_erase(client->screen, &client->out);
        client->dirty = true;
    }
    client_answer(client, &request->out, &client->out);
    client_answer(client, &request->err, client->interactive ? &client->out : &client->err);
}

/* Shows the answer and releases the job; true if the client goes on. */
static bool finish_ask(struct ask_job *ask)
{
    struct client *client = ask->client;
    struct request *request = &ask->request;
    bool goes_on;

    client->asking = false;
    goes_on = client_job_done(client) && client->step != CLIENT_LEAVING;
    if (goes_on) {
        show_answer(client, request);
        apply(client, ask);
        if (client->kind == CLIENT_COMMAND && client->transfer == EFFECT_NONE)
            client_end(client, request->status, NULL);
    }
    request_done(request);
    profile_done(&ask->profile);
    free(ask);
    return goes_on;
}

static void done_ask(struct job *job)
{
    struct client *client = ((struct ask_job *)job)->client;

    if (finish_ask((struct ask_job *)job) && (client->in.len > 0 || client->in_ended))
        client_input(client);
}

static void fill_request(struct client *client, struct ask_job *ask, enum door door)
{
    struct request *request = &ask->request;

    request->person = client->somebody->person;
    request->door = door;
    request->here = client->room;
    request->session_id = client->session_id;
    request->credential_id = client->credential_id;
    request->reply_to = client->somebody->reply_to;
    request->config = client->hall->config;
    client_style(client, &request->style);
    if (door == DOOR_LINES)
        request->style.form = RENDER_LINE;
    snprintf(ask->term, sizeof(ask->term), "%s", client->term);
    snprintf(ask->address, sizeof(ask->address), "%s", client->facts.local);
    request->term = ask->term;
    if (door == DOOR_TERMINAL) {
        request->columns = client->screen->columns;
        request->rows = client->screen->rows;
    }
    request->address = ask->address;
    request_init(request);
}

void client_ask(struct client *client, const char *line, enum door door)
{
    struct ask_job *ask = mem_alloc(sizeof(*ask));

    ask->job = (struct job){.run = run_ask, .done = done_ask};
    ask->client = client;
    fill_request(client, ask, door);
    client->jobs++;
    client->asking = true;
    if (command_parse(&ask->request, line) == 0)
        worker_put(client->hall->worker, &ask->job);
    else
        finish_ask(ask); /* not done_ask: whoever called takes the next line, however many come */
}

/* ---- completion ---- */

#define CANDIDATES 48

struct candidates {
    const char *items[CANDIDATES];
    size_t count;
};

static void consider(struct candidates *candidates, const char *name, const char *start)
{
    if (strncasecmp(name, start, strlen(start)) != 0 || candidates->count == CANDIDATES)
        return;
    for (size_t i = 0; i < candidates->count; i++)
        if (strcmp(candidates->items[i], name) == 0)
            return;
    candidates->items[candidates->count++] = name;
}

static void find_candidates(struct client *client, struct candidates *found, const char *line,
                            const char *start)
{
    const struct hall *hall = client->hall;
    const struct profile *profile = &client->somebody->profile;
    bool room =
        start[0] == '#' || strncmp(line, "/join ", 6) == 0 || strncmp(line, "/leave ", 7) == 0;

    if (start == line && start[0] == '/') {
        for (size_t i = 0; i < command_count; i++)
            if ((command_table[i].doors & DOOR_TERMINAL) &&
                (!command_table[i].hosts || client->somebody->person.role == ROLE_HOST))
                consider(found, command_table[i].name, start + 1);
        return;
    }
    if (room) {
        for (size_t i = 0; i < profile->room_count; i++)
            consider(found, profile->rooms[i].name, start + (start[0] == '#'));
        return;
    }
    /* Who has just come in over SSH may not be in the list of all doors yet. */
    for (const struct somebody *one = hall->people; one != NULL; one = one->next)
        consider(found, one->person.name, start + (start[0] == '@'));
    for (size_t i = 0; i < hall->here_count; i++)
        consider(found, hall->here[i].name, start + (start[0] == '@'));
}

static size_t common_length(const struct candidates *found)
{
    size_t length = strlen(found->items[0]);

    for (size_t i = 1; i < found->count; i++)
        for (size_t n = 0; n < length; n++)
            if (found->items[0][n] != found->items[i][n])
                length = n;
    return length;
}

static void show_candidates(struct client *client, const struct candidates *found)
{
    struct buf list;

    buf_init(&list, 4096);
    for (size_t i = 0; i < found->count; i++)
        buf_printf(&list, "%s%s", i > 0 ? "  " : "", found->items[i]);
    client_tell(client, buf_text(&list));
    buf_done(&list);
}

void client_complete(struct client *client)
{
    struct editor *editor = client->editor;
    struct candidates found = {.count = 0};
    size_t from = editor_word(editor), sign, common;
    char *line = mem_dup_bytes(editor->line.data, editor->cursor);
    const char *start = line + from;
    struct buf word;

    find_candidates(client, &found, line, start);
    if (found.count == 0) {
        buf_putc(&client->out, '\a');
        free(line);
        return;
    }
    sign = start[0] == '/' || start[0] == '#' || start[0] == '@';
    common = common_length(&found);
    if (found.count > 1 && common <= strlen(start) - sign) {
        show_candidates(client, &found);
    } else {
        buf_init(&word, 256);
        buf_printf(&word, "%.*s%.*s", (int)sign, start, (int)common, found.items[0]);
        if (found.count == 1)
            buf_puts(&word, from == 0 && start[0] != '/' && start[0] != '#' ? ": " : " ");
        editor_replace(editor, from, buf_text(&word));
        buf_done(&word);
    }
    free(line);
}
