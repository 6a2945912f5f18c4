#include "chat/sftp.h"
#include "chat/sftp_private.h"
#include "tests/unit/dropping.h"

/* ---- the bytes ---- */

static void numbers_and_texts_come_back(void **state)
{
    (void)state;
    struct buf out;
    struct sftp_attrs attrs = {.flags = 15,
                               .size = UINT64_C(1) << 40,
                               .uid = 1,
                               .gid = 2,
                               .mode = 0100644,
                               .atime = 3,
                               .mtime = 4};
    char text[16];

    buf_init(&out, 1024);
    size_t begin = sftp_packet_begin(&out, SFTP_ATTRS, 7);
    sftp_put_u64(&out, UINT64_C(0x0123456789ABCDEF));
    sftp_put_text(&out, "text");
    sftp_put_attrs(&out, &attrs);
    sftp_packet_end(&out, begin);
    struct sftp_reader in = {.at = out.data, .end = out.data + out.len};
    assert_int_equal(sftp_get_u32(&in), out.len - 4);
    assert_int_equal(sftp_get_u8(&in), SFTP_ATTRS);
    assert_int_equal(sftp_get_u32(&in), 7);
    assert_true(sftp_get_u64(&in) == UINT64_C(0x0123456789ABCDEF));
    sftp_get_text(&in, text, sizeof text);
    assert_string_equal(text, "text");
    memset(&attrs, 0, sizeof attrs);
    sftp_get_attrs(&in, &attrs);
    assert_true(attrs.size == UINT64_C(1) << 40 && attrs.mode == 0100644 && attrs.mtime == 4);
    assert_false(in.bad);
    assert_int_equal(sftp_get_u8(&in), 0);
    assert_true(in.bad);
    buf_done(&out);
}

static void what_is_not_there_is_bad(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0, 0, 0, 9, 'a', 0, 'b'};
    struct sftp_reader in = {.at = bytes, .end = bytes + sizeof bytes};
    char text[16];
    size_t length;

    assert_null(sftp_get_bytes(&in, &length));
    assert_int_equal(length, 0);
    assert_true(in.bad);
    static const uint8_t with_nul[] = {0, 0, 0, 3, 'a', 0, 'b'};
    in = (struct sftp_reader){.at = with_nul, .end = with_nul + sizeof with_nul};
    sftp_get_text(&in, text, sizeof text);
    assert_true(in.bad);
    static const uint8_t endless[] = {0x80, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF};
    struct sftp_attrs attrs;
    in = (struct sftp_reader){.at = endless, .end = endless + sizeof endless};
    sftp_get_attrs(&in, &attrs);
    assert_true(in.bad);
}

static void paths_are_resolved_by_their_text(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"",                 ""          },
        {"/",                ""          },
        {".",                ""          },
        {"..",               ""          },
        {"/a/b",             "a/b"       },
        {"a//b/",            "a/b"       },
        {"a/../b",           "b"         },
        {"../../etc/passwd", "etc/passwd"},
        {"/a/./b/..",        "a"         },
        {"~",                ""          },
        {"~/x",              "x"         },
        {"~ada",             "~ada"      },
        {"a/b/../../c",      "c"         },
        {"...",              "..."       },
        {"/a/../../../x",    "x"         },
    };
    char out[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(sftp_path(cases[i][0], out, sizeof out), 0);
        assert_string_equal(out, cases[i][1]);
    }
    assert_int_equal(sftp_path("a/long/path/that/does/not/fit/there", out, sizeof out), -1);
}

static void transfers_are_told_from_commands(void **state)
{
    (void)state;
    assert_true(sftp_wants("scp -t ."));
    assert_true(sftp_wants("/usr/bin/scp -f x"));
    assert_true(sftp_wants("/usr/lib/openssh/sftp-server"));
    assert_false(sftp_wants("scpx -t ."));
    assert_false(sftp_wants("rsync --server"));
    assert_false(sftp_wants("say scp"));
    assert_false(sftp_wants(""));
}

/* ---- a session over a pipe that is only memory ---- */

struct talk {
    struct buf in, out;
    uint32_t next_id;
    int until_cut; /* looks until the client is cut off; 0 never */
};

static int talk_read(void *context, void *bytes, size_t size)
{
    struct talk *talk = context;
    size_t length = talk->in.len < size ? talk->in.len : size;
    memcpy(bytes, talk->in.data, length);
    buf_consume(&talk->in, length);
    return (int)length;
}

static int talk_write(void *context, const void *bytes, size_t length)
{
    struct talk *talk = context;
    return buf_put(&talk->out, bytes, length);
}

static bool talk_is_cut(void *context)
{
    struct talk *talk = context;
    return talk->until_cut > 0 && --talk->until_cut == 0;
}

static size_t ask(struct talk *talk, uint8_t type)
{
    return sftp_packet_begin(&talk->in, type, talk->next_id++);
}

static void open_write(struct talk *talk, const char *path, const char *text, uint32_t handle)
{
    size_t begin = ask(talk, SFTP_OPEN);
    sftp_put_text(&talk->in, path);
    sftp_put_u32(&talk->in, SFTP_OPEN_WRITE | SFTP_OPEN_CREATE | SFTP_OPEN_TRUNCATE);
    sftp_put_u32(&talk->in, 0);
    sftp_packet_end(&talk->in, begin);
    begin = ask(talk, SFTP_WRITE);
    sftp_put_u32(&talk->in, 8);
    sftp_put_u32(&talk->in, handle);
    sftp_put_u32(&talk->in, 1);
    sftp_put_u64(&talk->in, 0);
    sftp_put_text(&talk->in, text);
    sftp_packet_end(&talk->in, begin);
}

static void close_handle(struct talk *talk, uint32_t handle)
{
    size_t begin = ask(talk, SFTP_CLOSE);
    sftp_put_u32(&talk->in, 8);
    sftp_put_u32(&talk->in, handle);
    sftp_put_u32(&talk->in, 1);
    sftp_packet_end(&talk->in, begin);
}

/* Runs all that was asked, and gives the types and statuses of the answers. */
static void run_talk(struct dropping *at, struct talk *talk, char *answers)
{
    struct sftp_pipe pipe = {
        .read = talk_read, .write = talk_write, .is_cut = talk_is_cut, .context = talk};
    struct person ada = {.id = at->ada.person_id, .name = "ada"};
    struct sftp sftp;

    sftp_init(&sftp, at->drop, &ada);
    sftp_run(&sftp, &pipe);
    sftp_done(&sftp);
    *answers = '\0';
    struct sftp_reader in = {.at = talk->out.data, .end = talk->out.data + talk->out.len};
    while (in.at < in.end) {
        uint32_t length = sftp_get_u32(&in);
        struct sftp_reader packet = {.at = in.at, .end = in.at + length};
        uint8_t type = sftp_get_u8(&packet);
        sftp_get_u32(&packet);
        answers += sprintf(answers, "%d", type);
        if (type == SFTP_STATUS)
            answers += sprintf(answers, ":%u", (unsigned)sftp_get_u32(&packet));
        answers += sprintf(answers, " ");
        in.at += length;
    }
    buf_done(&talk->in);
    buf_done(&talk->out);
}

static struct talk new_talk(void)
{
    struct talk talk = {.next_id = 3};
    buf_init(&talk.in, 1 << 20);
    buf_init(&talk.out, 1 << 20);
    return talk;
}

static void closing_publishes(void **state)
{
    struct dropping *at = *state;
    struct talk talk = new_talk();
    char answers[256];

    sftp_packet_end(&talk.in, ask(&talk, SFTP_INIT));
    open_write(&talk, "/dir/../file.txt", "hello", 0);
    close_handle(&talk, 0);
    close_handle(&talk, 0);
    run_talk(at, &talk, answers);
    assert_string_equal(answers, "2 102 101:0 101:0 101:4 ");
    assert_string_equal(content(at, "file.txt"), "hello");
}

static void an_end_without_closing_keeps_the_part(void **state)
{
    struct dropping *at = *state;
    struct talk talk = new_talk();
    struct drop_coming coming;
    char answers[256];

    open_write(&talk, "file.txt", "hello", 0);
    run_talk(at, &talk, answers);
    assert_null(content(at, "file.txt"));
    assert_int_equal(drop_coming_by_path(at->drop, "file.txt", &at->ada, &coming), DROP_OK);
    assert_int_equal(coming.received, 5);
}

static void refusals_say_which(void **state)
{
    struct dropping *at = *state;
    struct talk talk = new_talk();
    struct drop_file file;
    char answers[256];

    put_as(at, "bobs", "his", &at->bob, true, true, &file, NULL);
    open_write(&talk, "bobs", "mine", 0);
    open_write(&talk, ".hidden", "x", 0);
    open_write(&talk, "shelf/x", "x", 0);
    sftp_packet_end(&talk.in, ask(&talk, 77));
    sftp_packet_end(&talk.in, ask(&talk, SFTP_SYMLINK));
    sftp_packet_end(&talk.in, ask(&talk, SFTP_STAT));
    run_talk(at, &talk, answers);
    assert_string_equal(answers, "101:3 101:4 101:3 101:4 101:3 101:4 101:8 101:8 101:5 ");
    assert_string_equal(content(at, "bobs"), "his");
}

static void open_read(struct talk *talk, const char *path)
{
    size_t begin = ask(talk, SFTP_OPEN);
    sftp_put_text(&talk->in, path);
    sftp_put_u32(&talk->in, SFTP_OPEN_READ);
    sftp_put_u32(&talk->in, 0);
    sftp_packet_end(&talk->in, begin);
}

/* All of one handle into another, from its byte 1 on. */
static void copy_data(struct talk *talk, uint32_t from, uint32_t to)
{
    size_t begin = ask(talk, SFTP_EXTENDED);
    sftp_put_text(&talk->in, "copy-data");
    sftp_put_u32(&talk->in, 8);
    sftp_put_u32(&talk->in, from);
    sftp_put_u32(&talk->in, 1);
    sftp_put_u64(&talk->in, 0);
    sftp_put_u64(&talk->in, 0);
    sftp_put_u32(&talk->in, 8);
    sftp_put_u32(&talk->in, to);
    sftp_put_u32(&talk->in, 1);
    sftp_put_u64(&talk->in, 1);
    sftp_packet_end(&talk->in, begin);
}

static void nothing_is_copied_onto_itself(void **state)
{
    struct dropping *at = *state;
    struct talk talk = new_talk();
    char answers[256];

    at->config.web.max_file = 1 << 20;
    open_write(&talk, "file.txt", "hello", 0);
    open_read(&talk, "file.txt");
    copy_data(&talk, 1, 0);
    close_handle(&talk, 0);
    run_talk(at, &talk, answers);
    assert_string_equal(answers, "102 101:0 102 101:4 101:0 ");
    assert_string_equal(content(at, "file.txt"), "hello");
}

static void make_folder(struct talk *talk, const char *path)
{
    size_t begin = ask(talk, SFTP_MKDIR);
    sftp_put_text(&talk->in, path);
    sftp_put_u32(&talk->in, 0);
    sftp_packet_end(&talk->in, begin);
}

static void nothing_is_done_for_who_was_cut_off(void **state)
{
    struct dropping *at = *state;
    struct talk talk = new_talk();
    struct drop_file file;
    char answers[256];

    talk.until_cut = 2;
    make_folder(&talk, "before");
    make_folder(&talk, "after");
    run_talk(at, &talk, answers);
    assert_int_equal(drop_look(at->drop, "before", &file), DROP_OK);
    assert_int_equal(drop_look(at->drop, "after", &file), DROP_NOT_FOUND);
}

static void a_copy_ends_where_the_client_is_cut_off(void **state)
{
    struct dropping *at = *state;
    struct talk talk = new_talk();
    struct drop_coming coming;
    struct drop_file file;
    char answers[256];
    char *much = mem_alloc(1 << 20);

    memset(much, 'm', (1 << 20) - 1);
    put_as(at, "much", much, &at->bob, true, true, &file, NULL);
    free(much);
    open_read(&talk, "much");
    open_write(&talk, "copy", "c", 1);
    copy_data(&talk, 0, 1);
    talk.until_cut = 4 + 2; /* four requests, and two pieces of the copy */
    run_talk(at, &talk, answers);
    assert_int_equal(drop_coming_by_path(at->drop, "copy", &at->ada, &coming), DROP_OK);
    assert_in_range(coming.received, 2, 1 << 19);
}

/* scp's receiver, told what a client would say. */
static int scp(struct dropping *at, const char *command, const void *bytes, size_t length,
               char *answer)
{
    struct talk talk = new_talk();
    struct sftp_pipe pipe = {.read = talk_read, .write = talk_write, .context = &talk};
    struct person ada = {.id = at->ada.person_id, .name = "ada"};
    struct sftp sftp;

    buf_put(&talk.in, bytes, length);
    sftp_init(&sftp, at->drop, &ada);
    int status = scp_run(&sftp, &pipe, command);
    sftp_done(&sftp);
    snprintf(answer, 512, "%.*s", (int)talk.out.len, (const char *)talk.out.data);
    for (size_t i = 0; i + 1 < talk.out.len && i < 500; i++)
        answer[i] = talk.out.data[i] ? (char)talk.out.data[i] : '.';
    buf_done(&talk.in);
    buf_done(&talk.out);
    return status;
}

static void scp_receives_trees(void **state)
{
    struct dropping *at = *state;
    static const char tree[] =
        "D0755 0 folder\nT1000 0 1000 0\nC0644 2 a b\nhi\0E\nC0600 0 empty\n";
    char answer[512];

    assert_int_equal(scp(at, "scp -r -t -- '.'", tree, sizeof tree, answer), 0);
    assert_string_equal(content(at, "folder/a b"), "hi");
    assert_string_equal(content(at, "empty"), "");
    assert_int_equal(scp(at, "scp -t .", "C0644 1 ../x\n", 13, answer), 1);
    assert_non_null(strstr(answer, "A name has no slash."));
    assert_int_equal(scp(at, "scp -t .", "X\n", 2, answer), 1);
    assert_int_equal(scp(at, "scp -d -t nowhere", "", 0, answer), 1);
    assert_int_equal(scp(at, "scp", "", 0, answer), 1);
    assert_int_equal(scp(at, "scp -t .", "C0644 100 cut\nshort", 19, answer), 1);
    assert_null(content(at, "cut"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_texts_come_back),
        cmocka_unit_test(what_is_not_there_is_bad),
        cmocka_unit_test(paths_are_resolved_by_their_text),
        cmocka_unit_test(transfers_are_told_from_commands),
        DROP_TEST(closing_publishes),
        DROP_TEST(an_end_without_closing_keeps_the_part),
        DROP_TEST(refusals_say_which),
        DROP_TEST(nothing_is_copied_onto_itself),
        DROP_TEST(nothing_is_done_for_who_was_cut_off),
        DROP_TEST(a_copy_ends_where_the_client_is_cut_off),
        DROP_TEST(scp_receives_trees),
    };
    return cmocka_run_group_tests_name("sftp", tests, NULL, NULL);
}
