#include "chat/render.h"
#include "base/text.h"
#include "base/when.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define ISOLATE "\xe2\x81\xa8" /* U+2068 first strong isolate */
#define END     "\xe2\x81\xa9" /* U+2069 pop directional isolate */

/* Colours that can be read on black and on white. */
static const unsigned char palette[] = {31, 32, 33, 34, 35, 36, 91, 94, 95};
static const unsigned char palette_256[] = {
    166, 136, 100, 64, 28, 29, 31, 32, 33, 62, 63, 98, 99, 133, 126, 162, 161, 160, 130, 70, 37, 67,
};

bool render_style_same(const struct render_style *one, const struct render_style *other)
{
    return one->form == other->form && one->color == other->color && one->time == other->time &&
           one->plain == other->plain && one->mention == other->mention &&
           one->mine == other->mine && one->room == other->room;
}

const char *render_dim(const struct render_style *style)
{
    return style->color == COLOR_NONE ? "" : "\033[2m";
}

const char *render_bold(const struct render_style *style)
{
    return style->color == COLOR_NONE ? "" : "\033[1m";
}

const char *render_reset(const struct render_style *style)
{
    return style->color == COLOR_NONE ? "" : "\033[0m";
}

int render_color_parse(const char *word, const char *term)
{
    if (strcmp(word, "off") == 0)
        return COLOR_NONE;
    if (strcmp(word, "16") == 0)
        return COLOR_16;
    if (strcmp(word, "256") == 0)
        return COLOR_256;
    if (strcmp(word, "on") != 0)
        return -1;
    return strstr(term, "256color") != NULL || strstr(term, "direct") != NULL ? COLOR_256
                                                                              : COLOR_16;
}

void render_name(struct buf *out, const char *name, const struct render_style *style)
{
    uint32_t hash = 2166136261u;

    if (style->color == COLOR_NONE) {
        buf_puts(out, name);
        return;
    }
    for (const char *c = name; *c != '\0'; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619u;
    hash ^= hash >> 16;
    if (style->color == COLOR_256)
        buf_printf(out, "\033[1;38;5;%dm%s\033[0m", palette_256[hash % sizeof(palette_256)], name);
    else
        buf_printf(out, "\033[1;%dm%s\033[0m", palette[hash % sizeof(palette)], name);
}

static void put_time(struct buf *out, int64_t at, const struct render_style *style)
{
    char text[WHEN_MAX];

    if (style->time == TIME_OFF)
        return;
    if (style->time == TIME_SHORT)
        when_clock(at, text);
    else
        when_rfc3339(at, text);
    buf_printf(out, "%s%s%s ", render_dim(style), text, render_reset(style));
}

/* The text with its further lines set in, and right-to-left script kept to itself. */
static void put_text(struct buf *out, const char *text, const struct render_style *style)
{
    bool isolate = text_has_rtl(text);
    const char *end;

    do {
        size_t length;

        end = strchr(text, '\n');
        length = end != NULL ? (size_t)(end - text) : strlen(text);
        if (isolate)
            buf_puts(out, ISOLATE);
        if (style->mention)
            buf_puts(out, render_bold(style));
        buf_put(out, text, length);
        if (style->mention)
            buf_puts(out, render_reset(style));
        if (isolate)
            buf_puts(out, END);
        buf_puts(out, end != NULL ? "\n    " : "\n");
        text += length + 1;
    } while (end != NULL);
}

static const char *speaker(const struct message *message)
{
    if (message->name[0] != '\0')
        return message->name;
    return message->kind == MESSAGE_SAY || message->kind == MESSAGE_ME ? "(gone)" : "riad";
}

static void put_speaker(struct buf *out, const struct message *message,
                        const struct render_style *style)
{
    const char *arrow = style->plain ? " to " : " \xe2\x86\x92 ";

    if (style->room && message->room_id != 0)
        buf_printf(out, "%s#%s%s ", render_dim(style), message->room, render_reset(style));
    if (message->kind == MESSAGE_ME)
        buf_puts(out, "* ");
    if (message->room_id != 0) {
        render_name(out, speaker(message), style);
    } else if (style->mine) {
        buf_printf(out, "you%s", arrow);
        render_name(out, message->to, style);
    } else {
        render_name(out, speaker(message), style);
        buf_printf(out, "%syou", arrow);
    }
    buf_puts(out, message->kind == MESSAGE_ME ? " " : ": ");
}

/* What is told of somebody begins with their name (`ada dropped slides.pdf`), which stands before
 * it already. */
static const char *deed(const struct message *message)
{
    size_t length = strlen(message->name);

    if (message->kind == MESSAGE_FILE && length > 0 &&
        strncmp(message->text, message->name, length) == 0 && message->text[length] == ' ')
        return message->text + length + 1;
    return message->text;
}

static void put_terminal(struct buf *out, const struct message *message,
                         const struct render_style *style)
{
    if (message->kind == MESSAGE_SAY || message->kind == MESSAGE_ME) {
        put_time(out, message->at, style);
        if (style->mention && style->color != COLOR_NONE)
            buf_puts(out, "\033[7m \033[0m");
        put_speaker(out, message, style);
        if (message->removed)
            buf_printf(out, "%s(taken back)%s\n", render_dim(style), render_reset(style));
        else
            put_text(out, message->text, style);
        return;
    }
    put_time(out, message->at, style);
    if (style->room && message->room_id != 0)
        buf_printf(out, "%s#%s%s ", render_dim(style), message->room, render_reset(style));
    buf_puts(out, style->plain ? "" : "-- ");
    if (message->name[0] != '\0') {
        render_name(out, message->name, style);
        buf_puts(out, message->kind == MESSAGE_TOPIC ? " set the topic: " : " ");
    }
    if (message->removed)
        buf_puts(out, "(taken back)\n");
    else
        put_text(out, deed(message), style);
}

static void put_line(struct buf *out, const struct message *message)
{
    char text[WHEN_MAX];

    when_rfc3339(message->at, text);
    buf_printf(out, "%s %s ", text, speaker(message));
    if (message->room_id == 0)
        buf_printf(out, "(to %s) ", message->to);
    else if (message->room_id != ROOM_LOBBY)
        buf_printf(out, "#%s ", message->room);
    if (message->kind == MESSAGE_ME)
        buf_puts(out, "* ");
    else if (message->kind == MESSAGE_TOPIC)
        buf_puts(out, "set the topic: ");
    if (message->removed)
        buf_puts(out, "(taken back)");
    for (const char *c = deed(message); *c != '\0'; c++)
        buf_putc(out, *c == '\n' ? ' ' : (uint8_t)*c);
    buf_putc(out, '\n');
}

void render_message(struct buf *out, const struct message *message,
                    const struct render_style *style)
{
    if (style->form == RENDER_JSON) {
        message_json(out, message);
        buf_putc(out, '\n');
    } else if (style->form == RENDER_LINE) {
        put_line(out, message);
    } else {
        put_terminal(out, message, style);
    }
}

void render_notice(struct buf *out, const char *text, const struct render_style *style)
{
    bool plain = style->plain || style->form != RENDER_TERMINAL;
    const char *end;

    for (; *text != '\0'; text = end + (*end == '\n')) {
        end = strchrnul(text, '\n');
        buf_printf(out, "%s%s", plain ? "" : render_dim(style), plain ? "" : "-- ");
        text_clean(out, text, (size_t)(end - text), TEXT_ONE_LINE);
        buf_printf(out, "%s\n", plain ? "" : render_reset(style));
    }
}

bool render_days_differ(int64_t one, int64_t other)
{
    char first[WHEN_MAX], second[WHEN_MAX];

    when_day(one, first);
    when_day(other, second);
    return strcmp(first, second) != 0;
}

void render_day(struct buf *out, int64_t at, const struct render_style *style)
{
    static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    time_t seconds = (time_t)(at / 1000);
    struct tm local;

    localtime_r(&seconds, &local);
    buf_printf(out, style->plain ? "%s%s %d %s %d%s\n" : "%s--- %s %d %s %d ---%s\n",
               render_dim(style), days[local.tm_wday % 7], local.tm_mday, months[local.tm_mon % 12],
               local.tm_year + 1900, render_reset(style));
}

static bool is_name_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || ((uint8_t)c & 0x80);
}

bool render_mentions(const char *text, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = text; (at = strcasestr(at, name)) != NULL; at++) {
        bool begins = at == text || (!is_name_byte(at[-1]) && at[-1] != '.');
        bool ends = !is_name_byte(at[length]);

        if (begins && ends)
            return true;
    }
    return false;
}
