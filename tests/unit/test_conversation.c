#include "base/when.h"
#include "identity/conversation.h"
#include "identity/event.h"
#include "tests/unit/people.h"

/* What came out of a read, as `id` numbers and the joined texts. */
struct seen {
    int count;
    int64_t ids[READ_ALL];
    char texts[4096];
    struct message last;
};

static void see(void *context, const struct message *message)
{
    struct seen *seen = context;
    seen->ids[seen->count++] = message->id;
    if (strlen(seen->texts) + strlen(message->text) + 2 < sizeof seen->texts) {
        strcat(seen->texts, message->text);
        strcat(seen->texts, "|");
    }
    seen->last = *message;
    seen->last.text = NULL;
}

static struct seen read_with(struct store *store, struct message_query query)
{
    static struct seen seen;
    memset(&seen, 0, sizeof seen);
    if (query.limit == 0)
        query.limit = 100;
    assert_int_equal(conversation_read(store, &query, see, &seen), 0);
    for (int i = 1; i < seen.count; i++)
        assert_true(seen.ids[i] > seen.ids[i - 1]);
    return seen;
}

#define READ(store, ...) read_with(store, (struct message_query){__VA_ARGS__})

static int64_t say_in(struct store *store, int64_t room, int64_t who, const char *text)
{
    struct message_new message = {
        .room_id = room, .person_id = who, .kind = MESSAGE_SAY, .text = text};
    int64_t id = 0;
    assert_int_equal(conversation_say(store, &message, 1, &id), 0);
    return id;
}

static int64_t tell(struct store *store, int64_t from, int64_t to, const char *text)
{
    struct message_new message = {
        .person_id = from, .to_id = to, .kind = MESSAGE_SAY, .text = text};
    int64_t id = 0;
    assert_int_equal(conversation_say(store, &message, 1, &id), 0);
    return id;
}

static void what_is_said_is_read_in_order(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada"), bob = claim(store, "bob");
    struct message_new messages[] = {
        {.room_id = ROOM_LOBBY, .person_id = ada, .kind = MESSAGE_SAY,  .text = "one"},
        {.room_id = ROOM_LOBBY,                     .person_id = bob,                 .kind = MESSAGE_ME, .text = "two\nlines"},
        {.room_id = ROOM_LOBBY, .kind = MESSAGE_NOTICE,                 .text = "three"                },
    };
    int64_t ids[3], seen_events = event_last(store);
    assert_int_equal(conversation_say(store, messages, 3, ids), 0);
    assert_true(ids[0] < ids[1] && ids[1] < ids[2]);
    assert_int_equal(event_last(store), seen_events + 3);
    struct seen seen = READ(store, .room_id = ROOM_LOBBY);
    assert_string_equal(seen.texts, "one|two\nlines|three|");
    assert_int_equal(seen.last.person_id, 0);
    assert_string_equal(seen.last.name, "");
    assert_string_equal(seen.last.room, "lobby");
    assert_int_equal(seen.last.kind, MESSAGE_NOTICE);
    seen = READ(store, .room_id = ROOM_LOBBY, .person_id = bob);
    assert_string_equal(seen.last.name, "bob");
    assert_int_equal(seen.last.kind, MESSAGE_ME);
    assert_int_equal(conversation_newest(store), ids[2]);
}

static void unfit_texts_are_cleaned_or_refused(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada");
    say_in(store, ROOM_LOBBY, ada, "a\x1b[31mb\xff");
    struct seen seen = READ(store, .room_id = ROOM_LOBBY);
    assert_string_equal(seen.texts, "a[31mb\xef\xbf\xbd|");
    struct message_new empty = {
        .room_id = ROOM_LOBBY, .person_id = ada, .kind = MESSAGE_SAY, .text = "\x01"};
    struct message_new both[] = {empty, empty};
    both[0].text = "fine";
    assert_int_equal(conversation_say(store, both, 2, NULL), -1);
    seen = READ(store, .room_id = ROOM_LOBBY);
    assert_int_equal(seen.count, 1); /* all or nothing */
    struct message_new nowhere = {.room_id = 99, .person_id = ada, .text = "void"};
    assert_int_equal(conversation_say(store, &nowhere, 1, NULL), -1);
}

static void pages_go_both_ways(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada"), ids[30];
    for (int i = 0; i < 30; i++)
        ids[i] = say_in(store, ROOM_LOBBY, ada, "x");
    struct seen seen = READ(store, .room_id = ROOM_LOBBY, .limit = 10, .newest = true);
    assert_int_equal(seen.count, 10);
    assert_int_equal(seen.ids[0], ids[20]);
    seen = READ(store, .room_id = ROOM_LOBBY, .limit = 10, .newest = true, .before = ids[20]);
    assert_int_equal(seen.ids[0], ids[10]);
    assert_int_equal(seen.ids[9], ids[19]);
    seen = READ(store, .room_id = ROOM_LOBBY, .limit = 10, .after = ids[9]);
    assert_int_equal(seen.ids[0], ids[10]);
    assert_int_equal(seen.ids[9], ids[19]);
    seen = READ(store, .room_id = ROOM_LOBBY, .after = ids[29]);
    assert_int_equal(seen.count, 0);
    assert_int_equal(READ(store, .room_id = ROOM_LOBBY, .limit = -1).count, 30);
}

static void days_are_found_by_halves(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada"), ids[40];
    for (int i = 0; i < 40; i++)
        ids[i] = say_in(store, ROOM_LOBBY, ada, "x");
    for (int i = 0; i < 40; i++) /* ten a day, and a hole where somebody was forgotten */
        assert_int_equal(store_run(store, "UPDATE message SET at = ? WHERE id = ?", "ii",
                                   1000 + i / 10 * 1000LL, ids[i]),
                         0);
    assert_int_equal(
        store_run(store, "DELETE FROM message WHERE id BETWEEN ? AND ?", "ii", ids[12], ids[17]),
        0);
    struct seen seen = READ(store, .from_ms = 2000, .until_ms = 3000);
    assert_int_equal(seen.count, 4);
    assert_int_equal(seen.ids[0], ids[10]);
    assert_int_equal(seen.ids[3], ids[19]);
    assert_int_equal(READ(store, .from_ms = 1).count, 34);
    assert_int_equal(READ(store, .from_ms = 4000).count, 10);
    assert_int_equal(READ(store, .from_ms = 4001).count, 0);
    assert_int_equal(READ(store, .until_ms = 1000).count, 0);
    assert_int_equal(READ(store, .until_ms = 1001).count, 10);
    assert_int_equal(conversation_forget(store, 3000, 5), 5);
    assert_int_equal(conversation_forget(store, 3000, 1000), 9);
    assert_int_equal(conversation_forget(store, 3000, 1000), 0);
    assert_int_equal(READ(store, .limit = 100).count, 20);
}

static void times_never_run_backwards(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada");
    int64_t id = say_in(store, ROOM_LOBBY, ada, "from the future");
    int64_t future = when_wall_ms() + 365LL * 24 * 3600 * 1000;
    assert_int_equal(store_run(store, "UPDATE message SET at = ? WHERE id = ?", "ii", future, id),
                     0);
    say_in(store, ROOM_LOBBY, ada, "now");
    assert_true(READ(store, .after = id).last.at == future);
}

static void private_words_are_for_the_two(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada"), bob = claim(store, "bob"), eve = claim(store, "eve");
    assert_int_equal(person_set_role(store, eve, ROLE_HOST), ACT_DONE);
    say_in(store, ROOM_LOBBY, ada, "public");
    tell(store, ada, bob, "secret plan");
    tell(store, bob, ada, "agreed");
    tell(store, ada, eve, "hello eve");
    assert_string_equal(READ(store, .reader_id = eve).texts, "public|hello eve|");
    assert_string_equal(READ(store, .reader_id = 0).texts, "public|");
    assert_string_equal(READ(store, .reader_id = bob).texts, "public|secret plan|agreed|");
    assert_string_equal(READ(store, .reader_id = bob, .room_id = -1).texts, "secret plan|agreed|");
    assert_string_equal(READ(store, .reader_id = 0, .room_id = -1).texts, "");
    assert_string_equal(READ(store, .reader_id = ada, .room_id = -1, .with_id = bob).texts,
                        "secret plan|agreed|");
    assert_string_equal(READ(store, .reader_id = ada, .with_id = eve).texts, "hello eve|");
    assert_string_equal(READ(store, .reader_id = eve, .words = "secret").texts, "");
    assert_string_equal(READ(store, .reader_id = eve, .person_id = ada).texts, "public|hello eve|");
    assert_string_equal(READ(store, .reader_id = eve, .room_id = -1, .with_id = bob).texts, "");
    assert_string_equal(READ(store, .reader_id = bob, .words = "secret").texts, "secret plan|");
    assert_string_equal(READ(store, .reader_id = bob, .room_id = ROOM_PUBLIC).texts, "public|");
}

static void searches_find_words(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada");
    struct room room;
    assert_int_equal(room_open(store, "#dune", &room), 1);
    say_in(store, ROOM_LOBBY, ada, "Slides are in the drop: slides.pdf");
    say_in(store, room.id, ada, "the caf\xc3\xa9 closes at 10");
    say_in(store, room.id, ada, "no-op");
    assert_int_equal(READ(store, .words = "slides").count, 1);
    assert_int_equal(READ(store, .words = "SLIDES pdf").count, 1);
    assert_int_equal(READ(store, .words = "slid").count, 1);
    assert_int_equal(READ(store, .words = "cafe").count, 1);
    assert_int_equal(READ(store, .words = "caf\xc3\xa9").count, 1);
    assert_int_equal(READ(store, .words = "caf\xc3\xa9", .room_id = ROOM_LOBBY).count, 0);
    assert_int_equal(READ(store, .words = "slides cafe").count, 0);
    assert_int_equal(READ(store, .words = "the", .newest = true, .limit = 1).ids[0] > 1, 1);
    assert_int_equal(READ(store, .words = "slides \xf0\x9f\x8e\x89").count, 1);
    assert_int_equal(READ(store, .words = "no-op").count, 1);
}

static void hostile_searches_are_only_words(void **state)
{
    static const char *const hostile[] = {
        "",
        "\"",
        "\"\"",
        "*",
        "foo*bar",
        "^a",
        "a NEAR/2 b",
        "NEAR(",
        "text:x",
        "{text}: x",
        "-x",
        "+ +",
        "(((",
        "a AND",
        "OR",
        "NOT",
        "'; --",
        "\xff\xfe",
        "\xc3",
        "\\",
        "%_",
        "a\"b",
        "\x01\x02",
        "\xe2\x80\x8b",
        "\xf0\x9f\x8e\x89",
        "!!!",
        "AND OR NOT NEAR",
        "?1",
    };
    struct store *store = *state;
    int64_t ada = claim(store, "ada");
    say_in(store, ROOM_LOBBY, ada, "nothing special");
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++)
        READ(store, .words = hostile[i]);
    char *lots = malloc(100001);
    memset(lots, '"', 100000);
    lots[100000] = '\0';
    READ(store, .words = lots);
    for (int i = 0; i < 100000; i += 2)
        lots[i] = 'a';
    READ(store, .words = lots);
    free(lots);
    assert_int_equal(READ(store, .words = "special").count, 1);
}

static void taking_words_back_leaves_a_mark(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada"), last = 0;
    int64_t id = say_in(store, ROOM_LOBBY, ada, "regrettable");
    assert_int_equal(conversation_last_of(store, ada, 0, &last), 1);
    assert_int_equal(last, id);
    assert_int_equal(conversation_remove(store, id, ada), ACT_DONE);
    assert_int_equal(conversation_remove(store, id, ada), ACT_NOTHING_TO_DO);
    assert_int_equal(conversation_remove(store, 999, ada), ACT_NOTHING_TO_DO);
    struct seen seen = READ(store, .room_id = ROOM_LOBBY);
    assert_string_equal(seen.texts, "|");
    assert_true(seen.last.removed);
    assert_int_equal(READ(store, .words = "regrettable").count, 0);
    assert_int_equal(conversation_last_of(store, ada, ROOM_LOBBY, &last), 0);
    struct seen one = {0};
    assert_int_equal(conversation_get(store, id, see, &one), 1);
    assert_int_equal(conversation_get(store, 999, see, &one), 0);
}

static void count_rooms(void *context, const struct room *room)
{
    (void)room;
    ++*(int *)context;
}

static void rooms_open_once_and_are_joined(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada");
    struct room room, again;
    assert_int_equal(room_by_name(store, "lobby", &room), 1);
    assert_int_equal(room.id, ROOM_LOBBY);
    assert_int_equal(room_open(store, "Lobby", &room), 1);
    assert_int_equal(room.id, ROOM_LOBBY);
    assert_int_equal(room_open(store, "bad name", &room), 0);
    assert_int_equal(room_open(store, "#", &room), 0);
    assert_int_equal(room_open(store, "dune", &room), 1);
    assert_int_equal(room_open(store, "#Dune", &again), 1);
    assert_int_equal(room.id, again.id);
    assert_int_equal(room_set_topic(store, room.id, ada, "caches\x1b and\nrules"), 0);
    assert_int_equal(room_by_id(store, room.id, &again), 1);
    assert_string_equal(again.topic, "caches and rules");
    assert_int_equal(READ(store, .room_id = room.id).last.kind, MESSAGE_TOPIC);
    int count = 0;
    assert_int_equal(room_list(store, count_rooms, &count), 0);
    assert_int_equal(count, 2);
    count = 0;
    assert_int_equal(member_rooms(store, ada, count_rooms, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(member_join(store, room.id, ada), 0);
    assert_int_equal(member_join(store, room.id, ada), 0);
    assert_int_equal(member_seen(store, room.id, ada, 5), 0);
    assert_int_equal(member_seen(store, room.id, ada, 3), 0);
    assert_int_equal(member_last_seen(store, room.id, ada), 5);
    assert_int_equal(member_last_seen(store, ROOM_LOBBY, ada), 0);
    count = 0;
    assert_int_equal(member_rooms(store, ada, count_rooms, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(member_leave(store, room.id, ada), 0);
}

static void see_report(void *context, const struct report *report)
{
    assert_string_equal(report->by, "ada");
    assert_string_equal(report->about, "bob");
    assert_string_equal(report->text, "he said this");
    ++*(int *)context;
}

static void reports_reach_the_hosts(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada"), bob = claim(store, "bob");
    int count = 0;
    assert_int_equal(report_make(store, ada, bob, "he said this"), 0);
    assert_int_equal(report_list(store, 0, see_report, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(report_list(store, 1, see_report, &count), 0);
    assert_int_equal(count, 1);
}

static void a_long_history_reads_fast(void **state)
{
    struct store *store = *state;
    int64_t ada = claim(store, "ada");
    assert_int_equal(store_run(store,
                               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                               "WHERE i < 100000) INSERT INTO message (at, room_id, person_id, "
                               "kind, text) SELECT i, 1, ?, 'say', 'word' || i || ' common' FROM n",
                               "i", ada),
                     0);
    READ(store, .room_id = ROOM_LOBBY, .newest = true, .limit = 50);
    int64_t start = when_monotonic_ms();
    for (int i = 0; i < 200; i++)
        assert_int_equal(READ(store, .room_id = ROOM_LOBBY, .newest = true, .limit = 50).count, 50);
    int64_t took = when_monotonic_ms() - start;
    print_message("the last 50 of 100,000: %.3f ms\n", (double)took / 200);
    start = when_monotonic_ms();
    assert_int_equal(READ(store, .room_id = -1, .reader_id = ada).count, 0);
    assert_int_equal(READ(store, .words = "common", .newest = true, .limit = 50).count, 50);
    assert_int_equal(READ(store, .words = "word99999").count, 1);
    assert_int_equal(READ(store, .from_ms = 50000, .until_ms = 50010).count, 10);
    print_message("three searches in them: %lld ms\n", (long long)(when_monotonic_ms() - start));
}

static void json_has_the_columns(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    when_set_zone("UTC");
    struct message message = {
        .id = 7, .at = 1000, .room_id = 1, .room = "lobby", .person_id = 3, .name = "ada"};
    message.text = "</script>";
    message_json(&out, &message);
    assert_string_equal(buf_text(&out),
                        "{\"id\":7,\"at\":1000,\"time\":\"1970-01-01T00:00:01+00:00\","
                        "\"room_id\":1,\"room\":\"lobby\",\"person_id\":3,\"name\":\"ada\","
                        "\"to_id\":null,\"to\":null,\"kind\":\"say\","
                        "\"text\":\"\\u003c/script\\u003e\",\"removed\":false}");
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(what_is_said_is_read_in_order),
        STORE_TEST(unfit_texts_are_cleaned_or_refused),
        STORE_TEST(pages_go_both_ways),
        STORE_TEST(days_are_found_by_halves),
        STORE_TEST(times_never_run_backwards),
        STORE_TEST(private_words_are_for_the_two),
        STORE_TEST(searches_find_words),
        STORE_TEST(hostile_searches_are_only_words),
        STORE_TEST(taking_words_back_leaves_a_mark),
        STORE_TEST(rooms_open_once_and_are_joined),
        STORE_TEST(reports_reach_the_hosts),
        STORE_TEST(a_long_history_reads_fast),
        cmocka_unit_test(json_has_the_columns),
    };
    return cmocka_run_group_tests_name("conversation", tests, NULL, NULL);
}
