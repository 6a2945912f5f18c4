#include "chat/command.h"
#include "chat/qr.h"
#include "identity/act.h"

#include "base/when.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the table ---- */

static void every_row_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &command_table[i];

        assert_non_null(command->name);
        assert_non_null(command->usage);
        assert_true(command->help[0] != '\0');
        assert_int_equal(strncmp(command->example, command->name, strlen(command->name)), 0);
        assert_non_null(command->run);
        assert_true(command->doors != 0);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(command->name, command_table[j].name);
            if (command->also != NULL && command_table[j].also != NULL)
                assert_string_not_equal(command->also, command_table[j].also);
        }
        assert_ptr_equal(command_find(command->name, strlen(command->name), DOOR_ANY), command);
    }
}

static void mistyped_words_are_understood(void **state)
{
    static const struct {
        const char *typed, *meant;
    } cases[] = {
        {"hlep",    "help"   },
        {"histroy", "history"},
        {"serach",  "search" },
        {"hist",    "history"},
        {"qiut",    "quit"   },
        {"xyzzy",   NULL     },
        {"",        "help"   },
        {"mesg",    "msg"    }
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct command *near = command_near(cases[i].typed, DOOR_TERMINAL);

        if (cases[i].meant == NULL)
            assert_null(near);
        else if (cases[i].typed[0] != '\0')
            assert_string_equal(near->name, cases[i].meant);
    }
    assert_null(command_find("join", 4, DOOR_EXEC));
    assert_non_null(command_find("W", 1, DOOR_EXEC));
}

/* ---- with a store ---- */

struct here {
    struct store *store;
    struct config config;
    struct person ada, bob;
};

static struct person make(struct store *store, const char *name)
{
    struct person_attempt attempt = {
        .name = name, .kind = "key", .label = "test", .address = "", .claim = true};
    struct person person;

    digest_of(DIGEST_SHA256, name, strlen(name), attempt.digest);
    assert_int_equal(person_enter(store, &attempt, &person), CLAIM_MADE);
    return person;
}

static int setup(void **state)
{
    struct here *here = calloc(1, sizeof(*here));

    config_init(&here->config);
    here->store = store_open_memory();
    here->ada = make(here->store, "ada");
    here->bob = make(here->store, "bob");
    *state = here;
    return 0;
}

static int teardown(void **state)
{
    struct here *here = *state;

    store_close(here->store);
    config_done(&here->config);
    free(here);
    return 0;
}

static struct request ask_as(struct here *here, const struct person *person, enum door door,
                             const char *line)
{
    struct request request = {
        .person = *person,
        .door = door,
        .here = {.id = ROOM_LOBBY, .name = "lobby"},
        .style = {.form = RENDER_LINE               },
        .term = "xterm",
        .address = "10.77.0.1",
        .config = &here->config
    };

    request_init(&request);
    if (command_parse(&request, line) == 0)
        command_carry_out(&request, here->store);
    return request;
}

/* What a command answers, for ada at ssh's door. */
static void answers(struct here *here, const char *line, int status, const char *out,
                    const char *err)
{
    struct request request = ask_as(here, &here->ada, DOOR_EXEC, line);

    if (request.status != status || strstr(buf_text(&request.out), out) == NULL ||
        strstr(buf_text(&request.err), err) == NULL)
        fail_msg("%s: %d\n%s%s", line, request.status, buf_text(&request.out),
                 buf_text(&request.err));
    request_done(&request);
}

static const struct {
    const char *line;
    int status;
    const char *out, *err;
} answered[] = {
    {"bogus",                  2, "",                                          "there is no command bogus"   },
    {"hepl",                   2, "",                                          "did you mean help"           },
    {"help",                   0, "history",                                   ""                            },
    {"help /who",              0, "example: ssh",                              ""                            },
    {"help nothing",           1, "",                                          "no command nothing"          },
    {"whoami",                 0, "ada\nperson since",                         ""                            },
    {"whoami --json",          0, "\"name\":\"ada\"",                          ""                            },
    {"who",                    0, "ada",                                       ""                            },
    {"say hello there",        0, "",                                          ""                            },
    {"search hello",           0, "ada hello there",                           ""                            },
    {"search",                 2, "",                                          "search for what"             },
    {"search nowhere",         1, "",                                          "nothing found"               },
    {"history",                0, "ada hello there",                           ""                            },
    {"history --json",         0, "\"text\":\"hello there\"",                  ""                            },
    {"history --limit 0",      2, "",                                          "from 1 to"                   },
    {"history --limit",        2, "",                                          "needs a value"               },
    {"history --since=0",      0, "hello there",                               ""                            },
    {"history --since 99999",  0, "",                                          ""                            },
    {"history --room none",    1, "",                                          "no room none"                },
    {"history --with bob",     0, "",                                          ""                            },
    {"history --bogus",        2, "",                                          "no option --bogus"           },
    {"history words",          2, "",                                          "usage"                       },
    {"me waves",               0, "",                                          ""                            },
    {"history --limit 1",      0, "ada * waves",                               ""                            },
    {"msg bob lunch?",         0, "",                                          ""                            },
    {"msg @bob lunch?",        0, "",                                          ""                            },
    {"msg ada hi",             1, "",                                          "that is you"                 },
    {"msg nobody hi",          1, "",                                          "nobody here is called nobody"},
    {"msg",                    2, "",                                          "whom?"                       },
    {"msg bob",                2, "",                                          "say what?"                   },
    {"history --with bob",     0, "(to bob) lunch?",                           ""                            },
    {"topic",                  0, "lobby: http://10.77.0.1/ (topic TEXT sets", ""                            },
    {"topic demos",            0, "",                                          ""                            },
    {"topic",                  0, "http://10.77.0.1/ · demos",                ""                            },
    {"rooms",                  0, "demos",                                     ""                            },
    {"color",                  0, "color is on",                               ""                            },
    {"color off",              0, "color is off",                              ""                            },
    {"color pink",             2, "",                                          "color takes"                 },
    {"time long",              0, "time is long",                              ""                            },
    {"bell all",               0, "bell is all",                               ""                            },
    {"plain on",               0, "plain is on",                               ""                            },
    {"ignore",                 0, "you ignore nobody",                         ""                            },
    {"ignore bob",             0, "do not read bob",                           ""                            },
    {"ignore",                 0, "bob",                                       ""                            },
    {"ignore bob",             0, "read bob again",                            ""                            },
    {"nick bob",               1, "",                                          ""                            },
    {"nick root",              1, "",                                          "How about"                   },
    {"nick ada.l",             0, "you are ada.l now",                         ""                            },
    {"key",                    0, "1  test",                                   ""                            },
    {"key add",                0, "asks for the code: ",                       ""                            },
    {"key remove 1",           1, "",                                          "last key"                    },
    {"key remove 9",           2, "",                                          "which one"                   },
    {"key eat",                2, "",                                          "key takes"                   },
    {"web",                    0, "http://10.77.0.1/join/",                    ""                            },
    {"token --expires 7d bot", 0, "",                                          ""                            },
    {"token --expires x",      2, "",                                          "--expires takes"             },
    {"token list",             0, "1  bot  last used",                         ""                            },
    {"token revoke 2",         2, "",                                          "which one"                   },
    {"token revoke 1",         0, "token 1 opens nothing",                     ""                            },
    {"web list",               0, "",                                          ""                            },
    {"web revoke 1",           2, "",                                          "which one"                   },
    {"web eat",                2, "",                                          "web takes"                   },
    {"delete",                 0, "taken back",                                ""                            },
    {"delete 12345",           1, "",                                          "no message of that number"   },
    {"report bob rude",        0, "hosts are told",                            ""                            },
    {"kick bob",               1, "",                                          "kick is for hosts only"      },
    {"quit",                   2, "",                                          "there, /quit"                },
    {"drop",                   2, "",                                          "drop what?"                  },
    {"rm",                     2, "",                                          "remove what?"                },
};

static void commands_answer(void **state)
{
    struct here *here = *state;

    for (size_t i = 0; i < sizeof(answered) / sizeof(answered[0]); i++)
        answers(here, answered[i].line, answered[i].status, answered[i].out, answered[i].err);
}

static void help_fits_the_window(void **state)
{
    struct here *here = *state;
    struct request request = {.person = here->ada,
                              .door = DOOR_TERMINAL,
                              .style = {.form = RENDER_LINE},
                              .columns = 60,
                              .rows = 20,
                              .config = &here->config};

    request_init(&request);
    if (command_parse(&request, "help") == 0)
        command_carry_out(&request, here->store);
    for (const char *line = buf_text(&request.out); *line != '\0'; line += strcspn(line, "\n") + 1)
        if (strcspn(line, "\n") > 60)
            fail_msg("too wide: %.*s", (int)strcspn(line, "\n"), line);
    request_done(&request);
}

#define KEY "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"

static void hosts_do_more(void **state)
{
    static const struct {
        const char *line, *out;
    } cases[] = {
        {"mute bob 1h",                              "bob may only read for 60 min"      },
        {"unmute bob",                               "bob may speak again"               },
        {"ban bob 2h cool down",                     "bob may not come in"               },
        {"unban bob",                                "bob may come in again"             },
        {"kick bob",                                 "bob was sent out"                  },
        {"promote bob",                              "bob is a host now"                 },
        {"demote bob",                               "bob is no host any more"           },
        {"people",                                   "bob  person"                       },
        {"people list --json",                       "\"name\":\"bob\""                  },
        {"people ban bob --until 2h --reason noise", "bob may not come in until"         },
        {"bans",                                     "by ada: noise"                     },
        {"people",                                   "person, banned"                    },
        {"show bob",                                 "banned: noise"                     },
        {"unban bob",                                "bob may come in again"             },
        {"ban 10.77.0.9 3rd time",                   "10.77.0.9 may not come in any more"},
        {"bans --json",                              "\"reason\":\"3rd time\""           },
        {"unban 10.77.0.9",                          "10.77.0.9 may come in again"       },
        {"ban " KEY " lost",                         "browsers and tokens go on"         },
        {"unban " KEY,                               KEY " may come in again"            },
        {"rename @bob robert",                       "bob is now robert"                 },
        {"rename robert bob",                        "robert is now bob"                 },
        {"rename ada ada.l",                         "ada is now ada.l"                  },
        {"rename ada.l ada",                         "ada.l is now ada"                  },
        {"show ada --json",                          "\"credentials\":["                 },
    };
    struct here *here = *state;

    assert_int_equal(person_set_role(here->store, here->ada.id, ROLE_HOST), ACT_DONE);
    here->ada.role = ROLE_HOST;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct request request = ask_as(here, &here->ada, DOOR_EXEC, cases[i].line);

        if (request.status != 0 || (i > 0 && strstr(buf_text(&request.out), cases[i].out) == NULL))
            fail_msg("%s: %s%s", cases[i].line, buf_text(&request.out), buf_text(&request.err));
        request_done(&request);
    }
}

/* What cannot be undone is asked first, with the line that does it. */
static void the_last_step_is_asked(void **state)
{
    static const struct {
        const char *line;
        int status;
        const char *said;
    } cases[] = {
        {"forget bob --words",        1, "forget bob --words --yes"  },
        {"forget nobody",             1, "nobody is called `nobody`" },
        {"forget ada --yes",          1, "that is you"               },
        {"merge ada",                 2, "merge takes NAME OTHER"    },
        {"merge bob ada",             1, "merge bob ada --yes"       },
        {"merge bob nobody --yes",    1, "nobody is called `nobody`" },
        {"people frobnicate",         2, "people takes list"         },
        {"ban planet",                1, "is nobody's name, no IP"   },
        {"ban",                       2, "whom? ban WHO"             },
        {"ban bob --until yesterday", 2, "--until takes"             },
        {"rename bob root",           1, "`root`: "                  },
        {"unban bob",                 1, "bob: nothing to do"        },
        {"forget bob --words --yes",  0, "bob is forgotten, with all"},
        {"show bob",                  1, "nobody here is called bob" },
    };
    struct here *here = *state;

    assert_int_equal(person_set_role(here->store, here->ada.id, ROLE_HOST), ACT_DONE);
    here->ada.role = ROLE_HOST;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct request request = ask_as(here, &here->ada, DOOR_EXEC, cases[i].line);
        const struct buf *said = request.status == 0 ? &request.out : &request.err;

        if (request.status != cases[i].status || strstr(buf_text(said), cases[i].said) == NULL)
            fail_msg("%s: %d %s", cases[i].line, request.status, buf_text(said));
        request_done(&request);
    }
}

/* Every act of identity/act.h is a command of hosts. */
static void every_act_has_a_command(void **state)
{
    (void)state;
    for (const struct act *act = acts; act->name; act++) {
        const struct command *command = command_find(act->name, strlen(act->name), DOOR_EXEC);

        assert_non_null(command);
        assert_true(command->hosts);
        assert_ptr_equal(command->run, command_act);
    }
}

static void muted_and_waiting_do_less(void **state)
{
    struct here *here = *state;
    struct request request;

    here->bob.muted_until = when_wall_ms() + 60000;
    request = ask_as(here, &here->bob, DOOR_EXEC, "say hi");
    assert_int_equal(request.status, 1);
    assert_non_null(strstr(buf_text(&request.err), "muted"));
    request_done(&request);
    here->bob.role = ROLE_WAITING;
    request = ask_as(here, &here->bob, DOOR_EXEC, "history");
    assert_int_equal(request.status, 1);
    request_done(&request);
    request = ask_as(here, &here->bob, DOOR_EXEC, "whoami");
    assert_int_equal(request.status, 0);
    request_done(&request);
}

static void effects_are_the_sessions(void **state)
{
    struct here *here = *state;
    struct request request = ask_as(here, &here->ada, DOOR_TERMINAL, "quit");

    assert_int_equal(request.effect, EFFECT_QUIT);
    request_done(&request);
    request = ask_as(here, &here->ada, DOOR_TERMINAL, "join #ocaml");
    assert_int_equal(request.effect, EFFECT_ROOM);
    assert_string_equal(request.room.name, "ocaml");
    request_done(&request);
    request = ask_as(here, &here->ada, DOOR_TERMINAL, "join ../x");
    assert_int_equal(request.status, 1);
    request_done(&request);
    request = ask_as(here, &here->ada, DOOR_TERMINAL, "leave");
    assert_int_equal(request.status, 1);
    request_done(&request);
    request = ask_as(here, &here->ada, DOOR_TERMINAL, "reply hi");
    assert_int_equal(request.status, 1);
    request_done(&request);
    request = ask_as(here, &here->ada, DOOR_EXEC, "say");
    assert_int_equal(request.effect, EFFECT_STDIN);
    request_done(&request);
    request = ask_as(here, &here->ada, DOOR_EXEC, "drop my slides.pdf");
    assert_int_equal(request.effect, EFFECT_DROP);
    assert_string_equal(request.path, "my slides.pdf");
    request_done(&request);
}

static void codes_are_drawn(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 100000);
    assert_int_equal(qr_put(&out, "http://10.77.0.1/join/abc", false), 0);
    assert_true(out.len > 500);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_whole),
        cmocka_unit_test(mistyped_words_are_understood),
        cmocka_unit_test_setup_teardown(commands_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(help_fits_the_window, setup, teardown),
        cmocka_unit_test_setup_teardown(hosts_do_more, setup, teardown),
        cmocka_unit_test_setup_teardown(muted_and_waiting_do_less, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_step_is_asked, setup, teardown),
        cmocka_unit_test(every_act_has_a_command),
        cmocka_unit_test_setup_teardown(effects_are_the_sessions, setup, teardown),
        cmocka_unit_test(codes_are_drawn),
    };

    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
