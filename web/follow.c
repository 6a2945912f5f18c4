/*
 * follow: GET /chat/events, the conversation as it goes on (HTML, "Server-sent events").
 *
 * `Last-Event-ID` (what a browser sends by itself) or `?since=ID` resumes behind that message:
 * what was said meanwhile comes from the store, then the news from the feed, none twice. Without
 * either it begins now. `?room=NAME` keeps to one room, `?files` leaves out all that is said.
 * A comment goes out when nothing happened for a while, so that everybody notices a dead
 * connection.
 */
#include "base/when.h"
#include "identity/presence.h"
#include "web/feed.h"
#include "web/page.h"
#include "web/talk.h"
#include "web/web.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_MS    5000  /* how often a silent follower looks whether its client is there */
#define COMMENT_MS 20000 /* how long nothing is sent at most */
#define PAGE_SIZE  200   /* messages of the store at once, fewer if they are long */

struct follower {
    struct call *call;
    struct feed_reader reader;
    struct buf out;
    int64_t session_id; /* presence; 0 none */
    int64_t person_id;  /* who it was at the beginning; 0 a guest */
    bool files;         /* no messages, and not seen in the room: the page of a folder */
};

static int64_t asked_since(struct call *call)
{
    const char *last = http_header(call->http, "Last-Event-ID");
    if (last != NULL && last[0] >= '0' && last[0] <= '9')
        return strtoll(last, NULL, 10);
    int64_t since = -1;
    http_query_int(call->http, "since", &since);
    return since;
}

static void put_missed(void *context, const struct message *message)
{
    struct follower *follower = context;
    if (follower->out.overflowed)
        return; /* it will be fewer */
    if (!message->removed && !feed_ignores(&follower->reader.ignored, message->person_id))
        feed_message(&follower->out, message);
    follower->reader.last = message->id;
}

/* Sends what the store has behind the last message. 0 or -1. */
static int catch_up(struct follower *follower)
{
    struct call *call = follower->call;
    for (int64_t last = -1; last != follower->reader.last;) {
        last = follower->reader.last;
        struct message_query query = {.reader_id = follower->person_id,
                                      .room_id = follower->reader.room_id,
                                      .after = last,
                                      .limit = PAGE_SIZE};
        if (call->store == NULL && call_acquire(call) == -1)
            return -1;
        int result;
        do {
            buf_clear(&follower->out);
            follower->reader.last = last;
            result = conversation_read(call->store, &query, put_missed, follower);
        } while (follower->out.overflowed && (query.limit /= 2) > 0);
        call_release(call);
        if (result == -1 || follower->out.overflowed)
            return -1;
        if (reply_stream_put(call->http, follower->out.data, follower->out.len) == -1)
            return -1;
        buf_clear(&follower->out);
    }
    return 0;
}

/* Whether who follows may still follow, and is who they were. */
static bool still_welcome(struct follower *follower)
{
    struct call *call = follower->call;
    struct visitor visitor;
    call->config = web_config(); /* newcomers may be welcome no longer */
    if (call_acquire(call) == -1)
        return false;
    bool welcome = visitor_of(call->http, call->store, &visitor) == 0 &&
                   visitor_may_listen(&visitor, call->config) &&
                   (visitor.known ? visitor.person.id : 0) == follower->person_id;
    if (welcome && follower->person_id == 0)
        welcome = ban_holds(call->store, 0, NULL, call->http->address, NULL) == 0;
    call_release(call);
    return welcome;
}

static int send_text(struct follower *follower, const char *text)
{
    return reply_stream_put(follower->call->http, text, strlen(text));
}

/* One wait and what it brings. 0 go on, 1 the end, -1 the client is gone. */
static int turn(struct follower *follower, int64_t *sent_ms)
{
    int64_t now = when_monotonic_ms();
    switch (feed_wait(&follower->reader, &follower->out, LOOK_MS)) {
    case FEED_NEWS:
        *sent_ms = when_monotonic_ms();
        break;
    case FEED_RIGHTS:
        if (!still_welcome(follower)) {
            send_text(follower, "event: bye\ndata: {}\n\n");
            return 1;
        }
        return 0;
    case FEED_KICKED:
        send_text(follower, "event: bye\ndata: {\"kicked\":true}\n\n");
        return 1;
    case FEED_LOST:
        if (send_text(follower, "event: again\ndata: {}\n\n") == -1)
            return -1;
        return catch_up(follower);
    case FEED_STOP:
        return 1;
    case FEED_QUIET:
        if (http_stopping(follower->call->http))
            return 1;
        if (http_gone(follower->call->http))
            return -1;
        if (now - *sent_ms < COMMENT_MS - LOOK_MS)
            return 0;
        *sent_ms = now;
        return send_text(follower, ": still here\n\n");
    }
    int result = reply_stream_put(follower->call->http, follower->out.data, follower->out.len);
    buf_clear(&follower->out);
    return result;
}

/* Enters the list of who is here. */
static void appear(struct follower *follower)
{
    struct call *call = follower->call;
    int64_t room_id = follower->reader.room_id == 0 ? ROOM_LOBBY : follower->reader.room_id;
    if (presence_enter(call->store, "web", follower->person_id, call->http->address,
                       &follower->session_id) == 0)
        presence_move(call->store, follower->session_id, room_id);
}

static void disappear(struct follower *follower)
{
    if (follower->session_id == 0 || call_acquire(follower->call) == -1)
        return;
    presence_leave(follower->call->store, follower->session_id);
    call_release(follower->call);
}

/* Who to follow as, what, and from where. 0, or -1: that has been answered. */
static int prepare(struct follower *follower)
{
    struct call *call = follower->call;
    struct room room;
    char name[NAME_MAX_BYTES];
    if (feed_start(call->store) == -1) {
        reply_error(call->http, 500, "The conversation cannot be read now.");
        return -1;
    }
    follower->person_id = call->visitor.known ? call->visitor.person.id : 0;
    follower->reader.person_id = follower->person_id;
    if (http_query(call->http, "room", name, sizeof name) == 1) {
        if (room_by_name(call->store, name, &room) != 1) {
            reply_error(call->http, 404, "There is no such room.");
            return -1;
        }
        follower->reader.room_id = room.id;
    }
    feed_ignored_of(call->store, follower->person_id, &follower->reader.ignored);
    feed_begin(&follower->reader);
    int64_t since = asked_since(call);
    follower->reader.last = follower->files ? INT64_MAX
                            : since >= 0    ? since
                                            : conversation_newest(call->store);
    return 0;
}

void talk_follow(struct call *call)
{
    struct follower follower = {.call = call, .files = http_query_has(call->http, "files")};
    if (!reply_wants_body(call->http)) {
        reply_begin(call->http, 200, "text/event-stream; charset=utf-8");
        reply_end(call->http, NULL, 0);
        return;
    }
    if (!http_hold(call->http) || prepare(&follower) == -1)
        return;
    buf_init(&follower.out, FEED_OUT_MAX);
    if (!follower.files)
        appear(&follower);
    call_release(call);
    feed_follow(1);
    reply_begin(call->http, 200, "text/event-stream; charset=utf-8");
    reply_header(call->http, "Cache-Control", "no-store");
    int64_t sent_ms = when_monotonic_ms();
    int result = reply_stream(call->http);
    if (result == 0)
        result = send_text(&follower, "retry: 1000\n\n");
    if (result == 0)
        result = catch_up(&follower);
    while (result == 0)
        result = turn(&follower, &sent_ms);
    if (result == 1)
        reply_stream_end(call->http);
    feed_follow(-1);
    disappear(&follower);
    buf_done(&follower.out);
}
