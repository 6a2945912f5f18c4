#include "web/words.h"

#include "base/mem.h"
#include "web/html.h"
#include "web/url.h"

#include <stdlib.h>
#include <string.h>

#define COLOURS 6

unsigned words_colour(const char *name)
{
    unsigned sum = 0;
    for (; *name != '\0'; name++)
        sum += (unsigned char)*name;
    return sum % COLOURS;
}

/* The class of its line: who it is for, or that nobody says it. */
static const char *class_of(const struct message *message)
{
    if (message->removed)
        return "gone";
    if (message->room_id == 0)
        return "private";
    if (message->kind == MESSAGE_SAY || message->kind == MESSAGE_ME)
        return "";
    return "box";
}

static void name_put(struct buf *out, const char *name)
{
    if (name[0] == '\0')
        return;
    buf_printf(out, "<b class=c%u>", words_colour(name));
    html_text(out, name);
    buf_puts(out, "</b> ");
}

/* Between whom and where, where that is not plain. */
static void where_put(const struct words_list *list, const struct message *message)
{
    if (message->room_id == 0) {
        buf_puts(list->out, "<small>to ");
        html_text(list->out, strcmp(message->to, list->reader) == 0 ? "you" : message->to);
        buf_puts(list->out, ":</small> ");
    } else if (list->rooms) {
        buf_puts(list->out, "<small>in ");
        html_text(list->out, message->room);
        buf_puts(list->out, ":</small> ");
    }
}

/* A path of the drop as a link to it. */
static void file_put(struct buf *out, const char *path, size_t length)
{
    char *text = mem_dup_bytes(path, length);
    buf_puts(out, "<a href=\"/files/");
    url_encode(out, text, true);
    buf_puts(out, "\">");
    html_text(out, text);
    buf_puts(out, "</a>");
    free(text);
}

/* Where ` and N more` begins at the end of the list of names; end if it does not. */
static const char *more_begins(const char *names, const char *end)
{
    static const char more[] = " more", and[] = " and ";
    if ((size_t)(end - names) < strlen(more) || memcmp(end - strlen(more), more, strlen(more)) != 0)
        return end;
    const char *at = end - strlen(more);
    while (at > names && at[-1] >= '0' && at[-1] <= '9')
        at--;
    size_t length = strlen(and);
    bool found = (size_t)(at - names) >= length && memcmp(at - length, and, length) == 0;
    return found ? at - length : end;
}

/* The drop says `WHO dropped NAME (SIZE)` or `WHO dropped 3 files: NAME, NAME and 1 more (SIZE)`:
 * the names become links. Any other text stays as it is. */
static void dropped_put(struct buf *out, const char *text)
{
    static const char dropped[] = " dropped ", files[] = " files: ";
    const char *names = strstr(text, dropped), *end = strrchr(text, '(');
    if (names == NULL || end == NULL || end - 1 <= names + strlen(dropped) || end[-1] != ' ') {
        html_text(out, text);
        return;
    }
    names += strlen(dropped);
    end--;
    const char *list = names + strspn(names, "0123456789");
    bool many = list > names && strncmp(list, files, strlen(files)) == 0;
    names = many ? list + strlen(files) : names;
    html_bytes(out, text, (size_t)(names - text));
    const char *stop = many ? more_begins(names, end) : end;
    while (names < stop) {
        const char *comma = many ? memmem(names, (size_t)(stop - names), ", ", 2) : NULL;
        const char *until = comma == NULL ? stop : comma;
        file_put(out, names, (size_t)(until - names));
        names = comma == NULL ? stop : comma + 2;
        buf_puts(out, comma == NULL ? "" : ", ");
    }
    html_text(out, stop);
}

static void text_put(struct buf *out, const struct message *message)
{
    if (message->kind == MESSAGE_FILE && !message->removed)
        dropped_put(out, message->text);
    else if (message->removed)
        buf_puts(out, "took this back");
    else if (message->kind == MESSAGE_TOPIC && message->text[0] == '\0')
        buf_puts(out, "took the topic away");
    else {
        if (message->kind == MESSAGE_TOPIC)
            buf_puts(out, "set the topic: ");
        html_words(out, message->text);
    }
}

static void remove_put(const struct words_list *list, const struct message *message)
{
    bool words = message->kind == MESSAGE_SAY || message->kind == MESSAGE_ME;
    bool theirs = list->remover == -1 || list->remover == message->person_id;
    if (list->remover == 0 || message->person_id == 0 || message->removed || !words || !theirs)
        return;
    buf_printf(list->out,
               " <form method=post action=\"/chat/remove\"><input type=hidden name=id value=%lld>"
               "<button class=small>Take back</button></form>",
               (long long)message->id);
}

void words_list_put(void *context, const struct message *message)
{
    struct words_list *list = context;
    char day[WHEN_MAX], time[WHEN_MAX], clock[WHEN_MAX];
    when_day(message->at, day);
    when_rfc3339(message->at, time);
    when_clock(message->at, clock);
    if (strcmp(day, list->day) != 0) {
        buf_printf(list->out, "<li class=day>%s</li>", day);
        strcpy(list->day, day);
    }
    buf_printf(list->out, "<li id=m%lld class=\"%s\"><time datetime=\"%s\">%s</time> ",
               (long long)message->id, class_of(message), time, clock);
    if (message->kind != MESSAGE_FILE || message->removed) /* these texts name who it was */
        name_put(list->out, message->name);
    where_put(list, message);
    text_put(list->out, message);
    remove_put(list, message);
    buf_puts(list->out, "</li>\n");
    if (list->first == 0)
        list->first = message->id;
    list->last = message->id;
    list->count++;
}
