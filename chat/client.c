#include "chat/client.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "chat/hall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_CAPACITY 4096 /* of an empty queue; more goes back */
#define PASTE_ON      "\033[?2004h"
#define PASTE_OFF     "\033[?2004l"

/* ---- what this client looks like ---- */

static bool is_plain(const struct client *client)
{
    return strcmp(client->term, "dumb") == 0 || client->term[0] == '\0' ||
           (client->somebody != NULL && client->somebody->profile.plain);
}

void client_style(const struct client *client, struct render_style *style)
{
    const struct profile *profile = client->somebody != NULL ? &client->somebody->profile : NULL;
    int color;

    *style = (struct render_style){.form = RENDER_LINE};
    if (client->kind == CLIENT_LINES && client->json)
        style->form = RENDER_JSON;
    if (client->kind == CLIENT_LINES || !client->interactive)
        return;
    style->form = RENDER_TERMINAL;
    style->plain = is_plain(client);
    style->time = TIME_SHORT;
    if (profile == NULL)
        return;
    color = render_color_parse(profile->color[0] != '\0' ? profile->color : "on", client->term);
    style->color = style->plain || color < 0 ? COLOR_NONE : (enum render_color)color;
    if (strcmp(profile->time, "off") == 0)
        style->time = TIME_OFF;
    else if (strcmp(profile->time, "long") == 0)
        style->time = TIME_LONG;
}

/* ---- coming and going ---- */

void client_terminal(struct client *client, const char *term, int columns, int rows)
{
    struct buf clean;

    if (client->interactive)
        return;
    buf_init(&clean, sizeof(client->term) - 1);
    text_clean(&clean, term, strlen(term), TEXT_ONE_LINE);
    snprintf(client->term, sizeof(client->term), "%s", buf_text(&clean));
    buf_done(&clean);
    client->interactive = true;
    client->screen = mem_alloc(sizeof(*client->screen));
    screen_init(client->screen, (size_t)client->hall->config->chat.max_message);
    screen_resize(client->screen, columns, rows);
}

void client_resize(struct client *client, int columns, int rows)
{
    if (client->screen == NULL)
        return;
    screen_resize(client->screen, columns, rows);
    client->dirty = true;
}

void client_shell(struct client *client)
{
    if (client->asked)
        return;
    client->asked = true;
    client->kind = client->interactive ? CLIENT_TERMINAL : CLIENT_LINES;
    client->since = -1;
    if (client->kind == CLIENT_TERMINAL) {
        client->editor = mem_alloc(sizeof(*client->editor));
        editor_init(client->editor, (size_t)client->hall->config->chat.max_message);
        if (!is_plain(client))
            buf_puts(&client->out, PASTE_ON);
    }
    if (client->step == CLIENT_ENTERED)
        client_begin(client);
}

void client_exec(struct client *client, const char *command)
{
    if (client->asked)
        return;
    client->asked = true;
    client->kind = CLIENT_COMMAND;
    client->since = -1;
    client->command = mem_dup(command);
    if (client->step == CLIENT_ENTERED)
        client_begin(client);
}

void client_end(struct client *client, int status, const char *sentence)
{
    if (client->step == CLIENT_LEAVING)
        return;
    if (sentence != NULL)
        client_tell(client, sentence);
    if (client->kind == CLIENT_TERMINAL) {
        screen_erase(client->screen, &client->out);
        if (!is_plain(client))
            buf_puts(&client->out, PASTE_OFF);
    }
    client->step = CLIENT_LEAVING;
    client->status = status;
    buf_clear(&client->in);
}

static void client_free(struct client *client)
{
    if (client->editor != NULL)
        editor_done(client->editor);
    if (client->screen != NULL)
        screen_done(client->screen);
    free(client->editor);
    free(client->screen);
    free(client->command);
    free(client->path);
    buf_done(&client->in);
    buf_done(&client->out);
    buf_done(&client->err);
    free(client);
}

struct leave_job {
    struct job job;
    int64_t session_id;
};

static void run_leave(struct job *job, struct store *store)
{
    presence_leave(store, ((struct leave_job *)job)->session_id);
}

static void done_leave(struct job *job)
{
    free(job);
}

void client_leave(struct client *client)
{
    if (!client->gone) {
        client->gone = true;
        client->step = CLIENT_LEAVING;
        *client->link = client->next;
        if (client->next != NULL)
            client->next->link = client->link;
        if (client->somebody != NULL)
            hall_leave(client->hall, client->somebody);
        client->somebody = NULL;
    }
    if (client->jobs > 0)
        return;
    if (client->session_id != 0) {
        struct leave_job *leave = mem_alloc(sizeof(*leave));

        leave->job = (struct job){.run = run_leave, .done = done_leave};
        leave->session_id = client->session_id;
        worker_put(client->hall->worker, &leave->job);
    }
    client_free(client);
}

bool client_job_done(struct client *client)
{
    client->jobs--;
    if (!client->gone)
        return true;
    client_leave(client);
    return false;
}

/* ---- what goes out ---- */

static void check_queue(struct client *client)
{
    if (client->out.overflowed || client->err.overflowed)
        client->lost = true;
}

void client_show(struct client *client, const char *text, size_t length, bool bell)
{
    if (client->step == CLIENT_LEAVING || client->lost)
        return;
    if (client->kind == CLIENT_TERMINAL) {
        screen_erase(client->screen, &client->out);
        client->dirty = true;
    }
    buf_put(&client->out, text, length);
    if (bell && client->kind == CLIENT_TERMINAL)
        buf_putc(&client->out, '\a');
    check_queue(client);
}

bool client_falls_behind(struct client *client, int64_t id)
{
    if (client->kind != CLIENT_LINES || client->out.len <= CLIENT_MAX_OUT / 2)
        return false;
    client->step = CLIENT_OPENING;
    client->since = id - 1;
    client->behind_at = when_monotonic_ms();
    return true;
}

void client_tell(struct client *client, const char *sentence)
{
    struct render_style style;
    struct buf text;

    client_style(client, &style);
    buf_init(&text, 65536);
    render_notice(&text, sentence, &style);
    if (client->interactive) {
        struct buf lines;

        buf_init(&lines, 2 * 65536);
        screen_put(&lines, buf_text(&text));
        client_show(client, buf_text(&lines), lines.len, false);
        buf_done(&lines);
    } else {
        buf_put(&client->err, text.data, text.len);
        check_queue(client);
    }
    buf_done(&text);
}

void client_redraw(struct client *client)
{
    struct screen_line line;
    char search[80], prompt[128];
    struct render_style style;

    if (client->kind != CLIENT_TERMINAL || client->step != CLIENT_OPEN || !client->dirty)
        return;
    client->dirty = false;
    client_style(client, &style);
    editor_search_text(client->editor, search, sizeof(search));
    snprintf(prompt, sizeof(prompt), "%s%s> ", search, client->room.name);
    line = (struct screen_line){.prompt = prompt,
                                .color = render_dim(&style),
                                .text = buf_text(&client->editor->line),
                                .length = client->editor->line.len,
                                .cursor = client->editor->cursor};
    client->screen->dumb = style.plain;
    screen_draw(client->screen, &client->out, &line);
    check_queue(client);
}

void client_drained(struct client *client)
{
    if (client->out.len == 0) {
        client->out.max = CLIENT_MAX_OUT;
        if (client->out.cap > KEPT_CAPACITY) {
            buf_done(&client->out);
            buf_init(&client->out, CLIENT_MAX_OUT);
        }
    }
    if (client->step == CLIENT_OPENING && client->since >= 0 && !client->reading &&
        client->out.len < CLIENT_MAX_OUT / 2)
        client_more(client);
    if (client->in.len > 0 || client->in_ended)
        client_input(client);
}

/* ---- what comes in ---- */

/* A client that does not read is not listened to: its answers would only pile up. Nor is one whose
 * command is not done: what comes behind `/join` is meant for that room. */
static bool listens(const struct client *client)
{
    return client->step == CLIENT_OPEN && !client->asking &&
           client->out.len <= CLIENT_MAX_OUT / 2 && client->saying < CLIENT_SAYING;
}

static void act_on(struct client *client, enum editor_event event)
{
    char *line;

    switch (event) {
    case EDITOR_LINE:
        line = editor_take(client->editor);
        screen_erase(client->screen, &client->out);
        client_line(client, line);
        free(line);
        break;
    case EDITOR_COMPLETE:
        client_complete(client);
        break;
    case EDITOR_END:
        client_end(client, 0, "good-bye");
        break;
    case EDITOR_CANCEL:
        if (client->editor->line.len == 0)
            client_tell(client, "/quit or Ctrl-D leaves");
        editor_clear(client->editor);
        break;
    case EDITOR_REDRAW:
        if (!client->screen->dumb) {
            screen_erase(client->screen, &client->out);
            buf_puts(&client->out, "\033[H\033[2J");
        }
        break;
    case EDITOR_BELL:
        buf_putc(&client->out, '\a');
        break;
    case EDITOR_NOTHING:
        break;
    }
}

static void take_keys(struct client *client)
{
    char sentence[96];
    size_t used;

    while (client->in.len > 0 && listens(client)) {
        enum editor_event event =
            editor_put(client->editor, client->in.data, client->in.len, &used);

        buf_consume(&client->in, used);
        client->dirty = true;
        act_on(client, event);
        if (client->step == CLIENT_OPEN && editor_full(client->editor)) {
            snprintf(sentence, sizeof(sentence),
                     "a message has at most %lld bytes; the rest was left out",
                     (long long)client->hall->config->chat.max_message);
            client_tell(client, sentence);
        }
    }
}

/* Leaves out what is still to come of a line that was refused already. */
static void pass_over(struct client *client)
{
    struct buf *in = &client->in;
    uint8_t *end = in->len > 0 ? memchr(in->data, '\n', in->len) : NULL;

    if (!client->overlong)
        return;
    client->overlong = end == NULL;
    buf_consume(in, end != NULL ? (size_t)(end - in->data) + 1 : in->len);
}

/* The next line in `in`, yours to free; NULL if it has not come whole. */
static char *next_line(struct client *client)
{
    struct buf *in = &client->in;
    uint8_t *end;
    size_t length, taken;
    char *line;

    pass_over(client);
    end = in->len > 0 ? memchr(in->data, '\n', in->len) : NULL;
    length = end != NULL ? (size_t)(end - in->data) : in->len;
    taken = length + (end != NULL);
    if (in->len == 0 || (end == NULL && !client->in_ended && in->len < in->max))
        return NULL;
    client->overlong = end == NULL && !client->in_ended;
    while (length > 0 && in->data[length - 1] == '\r')
        length--;
    line = mem_dup_bytes(in->data, length);
    /* A NUL would cut the line unseen. */
    for (size_t i = 0; i < length; i++)
        if (line[i] == '\0')
            line[i] = ' ';
    buf_consume(in, taken);
    return line;
}

static void take_lines(struct client *client)
{
    char *line;

    while (listens(client) && !hall_must_wait(client->hall, client->somebody) &&
           (line = next_line(client)) != NULL) {
        client_line(client, line);
        free(line);
    }
    if (client->in_ended && client->in.len == 0 && client->jobs == 0 && client->step == CLIENT_OPEN)
        client_end(client, client->status, NULL);
}

void client_input(struct client *client)
{
    if (client->step == CLIENT_LEAVING) {
        buf_clear(&client->in);
        return;
    }
    if (client->kind == CLIENT_TERMINAL) {
        take_keys(client);
        if (client->in_ended && client->jobs == 0 && client->step == CLIENT_OPEN &&
            client->in.len == 0)
            client_end(client, 0, NULL);
    } else if (client->kind == CLIENT_LINES) {
        take_lines(client);
    } else if (client->kind == CLIENT_COMMAND) {
        /* A command reads nothing; `drop` gets its bytes in a thread of its own. */
        if (client->transfer == EFFECT_NONE && client->jobs == 0 && client->step == CLIENT_OPEN)
            buf_clear(&client->in);
    }
}
