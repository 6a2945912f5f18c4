#include "web/talk.h"

#include "base/json.h"
#include "base/text.h"
#include "web/asset.h"
#include "web/feed.h"
#include "web/html.h"
#include "web/page.h"
#include "web/template.h"
#include "web/url.h"
#include "web/words.h"

#include <stdio.h>
#include <string.h>

#define PANEL_MESSAGES 50
#define PANEL_MAX      (512 * 1024)
#define SAID_MAX       (256 * 1024) /* of it: the longest message fits, escaped */
#define JSON_MAX       (1024 * 1024)

/* ---- what is asked for ---- */

static void wish_refuse(struct talk_wish *wish, int status, const char *trouble)
{
    wish->status = status;
    wish->trouble = trouble;
}

static void wish_room(struct call *call, int64_t fallback, struct talk_wish *wish)
{
    char name[NAME_MAX_BYTES];
    int got = http_query(call->http, "room", name, sizeof name);
    if (got == 1 && name[0] != '\0') {
        text_lower(name);
        if (room_by_name(call->store, name, &wish->room) != 1)
            wish_refuse(wish, 404, "There is no such room.");
    } else if (got == -1) {
        wish_refuse(wish, 404, "There is no such room.");
    } else if (fallback != 0 && wish->query.words == NULL && wish->with.id == 0) {
        room_by_id(call->store, fallback, &wish->room);
    }
    wish->query.room_id = wish->room.id;
}

static void wish_people(struct call *call, struct talk_wish *wish)
{
    char name[NAME_MAX_BYTES];
    struct person person;
    if (call->visitor.known && http_query(call->http, "with", name, sizeof name) == 1 &&
        name[0] != '\0') {
        if (person_by_name(call->store, name, &wish->with) != 1)
            wish_refuse(wish, 404, "There is nobody of that name.");
        wish->query.with_id = wish->with.id;
        wish->query.room_id = -1;
    }
    if (http_query(call->http, "person", wish->person, sizeof wish->person) == 1 &&
        wish->person[0] != '\0') {
        if (person_by_name(call->store, wish->person, &person) == 1)
            wish->query.person_id = person.id;
        else if (!call->visitor.known)
            wish->query.person_id = PERSON_NOBODY;
        else
            wish_refuse(wish, 404, "There is nobody of that name.");
    }
}

static void wish_when(struct call *call, struct talk_wish *wish)
{
    struct message_query *query = &wish->query;
    if (http_query_int(call->http, "after", &query->after) == -1 ||
        http_query_int(call->http, "before", &query->before) == -1)
        wish_refuse(wish, 400, "`after` and `before` are numbers of messages.");
    if (http_query(call->http, "day", wish->day, sizeof wish->day) == 1 && wish->day[0] != '\0' &&
        when_day_range(wish->day, &query->from_ms, &query->until_ms) == -1)
        wish_refuse(wish, 400, "A day is written as in 2026-11-22.");
}

void talk_wish(struct call *call, int64_t fallback, struct talk_wish *wish)
{
    memset(wish, 0, sizeof *wish);
    struct message_query *query = &wish->query;
    query->reader_id = call->visitor.known ? call->visitor.person.id : 0;
    if (http_query(call->http, "q", wish->words, sizeof wish->words) == 1 &&
        text_trim(wish->words)[0] != '\0')
        query->words = text_trim(wish->words);
    wish_people(call, wish);
    if (wish->with.id == 0)
        wish_room(call, fallback, wish);
    wish_when(call, wish);
    query->limit = PANEL_MESSAGES;
    if (http_query_int(call->http, "limit", &query->limit) == -1)
        wish_refuse(wish, 400, "`limit` is a number.");
    if (query->limit < 1 || query->limit > 1000)
        query->limit = query->limit < 1 ? PANEL_MESSAGES : 1000;
    query->newest = query->after == 0;
    wish->edits = call->visitor.known && http_query_has(call->http, "edit");
    wish->looks_back = wish->edits || query->words != NULL || query->after != 0 ||
                       query->before != 0 || wish->day[0] != '\0' || query->person_id != 0;
}

/* ---- the panel ---- */

/* `?room=...` and what else keeps a reader in the same view. */
static void same_view(const struct talk_wish *wish, struct buf *out)
{
    static const char *const names[] = {"room", "with", "q", "person", "day"};
    const char *values[] = {wish->room.name, wish->with.name,
                            wish->query.words == NULL ? "" : wish->query.words, wish->person,
                            wish->day};
    buf_puts(out, "/chat?");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (values[i][0] == '\0')
            continue;
        buf_printf(out, "%s=", names[i]);
        url_encode(out, values[i], false);
        buf_puts(out, "&");
    }
}

#define TABS_MAX (64 * 1024)
#define TAB_MAX  512

struct tabs {
    struct buf *out;
    const struct talk_wish *wish;
    int count;
};

static void put_tab(void *context, const struct room *room)
{
    struct tabs *tabs = context;
    if (tabs->out->max - tabs->out->len < TAB_MAX)
        return; /* there is no limit to rooms; those that are not shown have their address */
    buf_puts(tabs->out, "<a href=\"/chat?room=");
    url_encode(tabs->out, room->name, false);
    buf_printf(tabs->out, "\" data-room=\"%s\"%s>", room->name,
               room->id == tabs->wish->room.id ? " aria-current=page" : "");
    html_text(tabs->out, room->name);
    buf_puts(tabs->out, "</a>");
    tabs->count++;
}

/* What a guest, or who has to wait, sees instead of the line to write on. */
static const char *may_not_html(const struct call *call)
{
    if (call->visitor.known && call->visitor.person.role == ROLE_WAITING)
        return "<p>A host has to let you in before you can write.</p>";
    if (call->visitor.known)
        return "<p>A host has muted you for a while.</p>";
    if (call->config->box.newcomers == NEWCOMERS_CLOSED)
        return "<p>To write, <a href=\"/join\">sign in</a>. New names are closed for now.</p>";
    return "<form class=row method=post action=\"/you/name\"><input name=name required "
           "maxlength=32 "
           "autocomplete=nickname autocapitalize=none spellcheck=false placeholder=\"A name\" "
           "aria-label=\"The name to take\"><button class=main>Take this name</button></form>"
           "<p class=soft>First come, first served. Here by ssh already? <a href=\"/join\">Sign "
           "in</a> under the same name.</p>";
}

static bool may_say(const struct call *call)
{
    const struct visitor *visitor = &call->visitor;
    return visitor->known && visitor->person.role != ROLE_WAITING &&
           visitor->person.muted_until <= when_wall_ms();
}

/* Fills the template with what has been gathered. */
static void panel_fill(struct call *call, const struct talk_wish *wish, struct buf *out,
                       const struct words_list *list, const struct buf *rooms)
{
    struct buf view, earlier, later;
    char newest[24], longest[24], with_id[24] = "";
    buf_init(&view, 4096);
    buf_init(&earlier, 4096);
    buf_init(&later, 4096);
    same_view(wish, &view);
    bool full = list->count == wish->query.limit;
    if ((full || wish->query.after != 0) && list->first > 0)
        buf_printf(&earlier, "%sbefore=%lld", buf_text(&view), (long long)list->first);
    if ((wish->query.before != 0 || (full && wish->query.after != 0)) && list->last > 0)
        buf_printf(&later, "%safter=%lld", buf_text(&view), (long long)list->last);
    snprintf(newest, sizeof newest, "%lld", (long long)conversation_newest(call->store));
    snprintf(longest, sizeof longest, "%lld", (long long)call->config->chat.max_message);
    if (wish->with.id != 0)
        snprintf(with_id, sizeof with_id, "%lld", (long long)wish->with.id);
    const char *person = call->visitor.known ? call->visitor.person.name : "";
    buf_puts(&view, "edit"); /* the view behind the earlier and later ones */
    const char *edit = wish->alone && call->visitor.known && !wish->edits ? buf_text(&view) : "";
    const struct template_value values[] = {
        TEMPLATE_TEXT("level", wish->alone ? "1" : "2"),
        TEMPLATE_TEXT("room", wish->room.name),
        TEMPLATE_TEXT("with", wish->with.name),
        TEMPLATE_TEXT("with_id", with_id),
        TEMPLATE_TEXT("newest", newest),
        TEMPLATE_TEXT("still", wish->looks_back ? "1" : ""),
        TEMPLATE_HTML("rooms", buf_text(rooms)),
        TEMPLATE_TEXT("topic", wish->room.topic),
        TEMPLATE_TEXT("closed", wish->trouble),
        TEMPLATE_TEXT("earlier", buf_text(&earlier)),
        TEMPLATE_TEXT("later", buf_text(&later)),
        TEMPLATE_HTML("said", buf_text(list->out)),
        TEMPLATE_TEXT("may_say", may_say(call) && !wish->query.words ? "1" : ""),
        TEMPLATE_HTML("may_not", wish->query.words != NULL ? "" : may_not_html(call)),
        TEMPLATE_TEXT("longest", longest),
        TEMPLATE_TEXT("person", person),
        TEMPLATE_TEXT("edit", edit),
    };
    template_put(out, asset_template("talk.html"), values, sizeof values / sizeof values[0]);
    buf_done(&view);
    buf_done(&earlier);
    buf_done(&later);
}

/* Whose words this visitor may take back here. */
static int64_t remover_of(const struct call *call, const struct talk_wish *wish)
{
    if (!wish->edits)
        return 0;
    return call->visitor.actor.host ? -1 : call->visitor.person.id;
}

struct panel_words {
    struct words_list list;
    struct feed_ignored ignored;
};

static void put_words(void *context, const struct message *message)
{
    struct panel_words *words = context;
    if (words->list.out->overflowed)
        return; /* it will be fewer */
    if (feed_ignores(&words->ignored, message->person_id))
        words->list.count++; /* it counts for whether there is more */
    else
        words_list_put(&words->list, message);
}

/* Fills words with as many as there is room for: what people say may grow tenfold by its escapes,
 * and nobody shall make the page too large for all. wish->query.limit says then how many. */
static void read_words(struct call *call, struct talk_wish *wish, struct panel_words *words)
{
    const struct words_list empty = words->list;
    feed_ignored_of(call->store, wish->query.reader_id, &words->ignored);
    do {
        words->list = empty;
        buf_clear(empty.out);
        conversation_read(call->store, &wish->query, put_words, words);
    } while (empty.out->overflowed && (wish->query.limit /= 2) > 0);
}

void talk_panel(struct call *call, const struct talk_wish *wish, struct buf *out)
{
    struct buf said, rooms;
    buf_init(&said, SAID_MAX);
    buf_init(&rooms, TABS_MAX);
    struct talk_wish shown = *wish;
    struct panel_words words = {
        .list = {.out = &said,
                 .reader = call->visitor.known ? call->visitor.person.name : "",
                 .remover = remover_of(call, wish),
                 .rooms = wish->query.room_id == 0}
    };
    struct tabs tabs = {.out = &rooms, .wish = wish};
    room_list(call->store, put_tab, &tabs);
    if (tabs.count < 2 && wish->room.id == ROOM_LOBBY)
        buf_clear(&rooms);
    if (wish->trouble == NULL)
        read_words(call, &shown, &words);
    panel_fill(call, &shown, out, &words.list, &rooms);
    buf_done(&said);
    buf_done(&rooms);
}

/* The form to look back with, as it was filled in. */
static void search_put(const struct talk_wish *wish, struct buf *out)
{
    buf_puts(out, "<section aria-labelledby=h-back><h2 id=h-back>Look back</h2>"
                  "<form class=row action=\"/chat\"><input name=q type=search placeholder=Words "
                  "aria-label=\"Words to look for\" value=\"");
    html_text(out, wish->query.words == NULL ? "" : wish->query.words);
    buf_puts(out, "\"><input name=person placeholder=\"Said by\" aria-label=\"Said by\" value=\"");
    html_text(out, wish->person);
    buf_puts(out, "\"><input name=room placeholder=\"In all rooms\" aria-label=\"In the room\" "
                  "value=\"");
    html_text(out, wish->room.name);
    buf_puts(out, "\"><input name=day type=date aria-label=\"On the day\" value=\"");
    html_text(out, wish->day);
    buf_puts(out, "\"><button>Look</button></form></section>");
}

void talk_answer(struct call *call)
{
    struct talk_wish wish;
    struct buf body;
    talk_wish(call, ROOM_LOBBY, &wish);
    if (wish.trouble != NULL && !page_wants_html(call)) {
        reply_error(call->http, wish.status, "%s", wish.trouble);
        return;
    }
    buf_init(&body, 2 * PANEL_MAX);
    wish.alone = true;
    talk_panel(call, &wish, &body);
    search_put(&wish, &body);
    page_reply(call, wish.trouble != NULL ? wish.status : 200, "Chat", "talk", &body);
    buf_done(&body);
}

/* ---- as JSON ---- */

static void put_json(void *out, const struct message *message)
{
    struct buf *json = out;
    if (!json->overflowed)
        message_json(json, message);
}

void talk_messages(struct call *call)
{
    struct talk_wish wish;
    struct buf json;
    talk_wish(call, 0, &wish);
    if (wish.trouble != NULL) {
        reply_error(call->http, wish.status, "%s", wish.trouble);
        return;
    }
    buf_init(&json, JSON_MAX);
    int result;
    do {
        buf_clear(&json);
        json_object(&json, NULL);
        json_array(&json, "messages");
        result = conversation_read(call->store, &wish.query, put_json, &json);
        json_close(&json, ']');
        json_close(&json, '}');
    } while (json.overflowed && (wish.query.limit /= 2) > 0);
    call_release(call);
    if (result == -1)
        reply_error(call->http, 500, "The conversation cannot be read now.");
    else
        reply_json(call->http, 200, &json);
    buf_done(&json);
}
