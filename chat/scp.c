#include "chat/sftp_private.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * The protocol has no name but its program's. The sender writes lines, and the receiver answers
 * each with a byte 0, or 1 and a sentence:
 *
 *     C0644 SIZE NAME     a file: then its bytes, then a byte 0
 *     D0755 0 NAME, E     a folder begins, and ends
 *     T MTIME 0 ATIME 0   times of what comes next (-p)
 */

#define LINE_MAX   (DROP_PATH_MAX + 64)
#define SHOWN_PATH 200 /* bytes of a path in a refusal */
#define BLOCK      (128 * 1024)
#define WORDS_MAX  64

struct scp {
    struct sftp *sftp;
    const struct sftp_pipe *pipe;
    bool recursive, times, folder; /* -r -p -d */
    char *words[WORDS_MAX];        /* the paths */
    size_t count;
    uint8_t *bytes; /* BLOCK of them, what has come and was not used yet */
    size_t at, have;
    int64_t modified_ms;          /* of what comes next; -1 */
    struct drop_arrival *arrival; /* what its bytes are for; NULL between files */
    int status;
};

/* ---- the command ---- */

/* Splits a command as a shell would, without its expansions. Words go to where the command was. */
static size_t split(char *command, char **words, size_t max)
{
    char *from = command, *to = command;
    size_t count = 0;

    while (*(from += strspn(from, " ")) && count < max) {
        char quote = '\0';

        words[count++] = to;
        for (; *from && (quote || *from != ' '); from++) {
            if (*from == '\\' && quote != '\'' && from[1])
                *to++ = *++from;
            else if (quote ? *from == quote : *from == '\'' || *from == '"')
                quote = quote ? '\0' : *from;
            else
                *to++ = *from;
        }
        from += *from == ' ';
        *to++ = '\0';
    }
    return count;
}

/* 't' or 'f'; 0 if it is no such command. */
static char parse(struct scp *scp, char *command)
{
    char *words[WORDS_MAX], mode = '\0';
    size_t count = split(command, words, WORDS_MAX), i;

    for (i = 1; i < count && words[i][0] == '-' && strcmp(words[i], "--") != 0; i++)
        for (const char *flag = words[i] + 1; *flag; flag++) {
            mode = *flag == 't' || *flag == 'f' ? *flag : mode;
            scp->recursive |= *flag == 'r';
            scp->times |= *flag == 'p';
            scp->folder |= *flag == 'd';
        }
    i += i < count && strcmp(words[i], "--") == 0;
    for (; i < count; i++)
        scp->words[scp->count++] = words[i];
    return scp->count > 0 ? mode : '\0';
}

/* ---- bytes ---- */

/* The next piece of what comes, at most max bytes: 0 at the end. */
static size_t take(struct scp *scp, const uint8_t **bytes, int64_t max)
{
    size_t length;

    if (scp->at == scp->have) {
        if (scp->arrival && scp->pipe->wait &&
            !scp->pipe->wait(scp->pipe->context, DROP_SHOWN_AFTER_MS))
            drop_arrival_show(scp->arrival);
        int got = scp->pipe->read(scp->pipe->context, scp->bytes, BLOCK);
        scp->at = 0;
        scp->have = got > 0 ? (size_t)got : 0;
    }
    length = scp->have - scp->at;
    length = (int64_t)length > max ? (size_t)max : length;
    *bytes = scp->bytes + scp->at;
    scp->at += length;
    return length;
}

/* A line without its end. 1, 0 at the end, -1 too long. */
static int take_line(struct scp *scp, char *line)
{
    const uint8_t *byte;

    for (size_t used = 0; used + 1 < LINE_MAX; used++) {
        if (take(scp, &byte, 1) == 0)
            return 0;
        line[used] = *byte == '\n' ? '\0' : (char)*byte;
        if (*byte == '\n')
            return 1;
    }
    return -1;
}

static int send_bytes(struct scp *scp, const void *bytes, size_t length)
{
    return scp->pipe->write(scp->pipe->context, bytes, length);
}

/* Answers with a byte 0. */
static int agree(struct scp *scp)
{
    return send_bytes(scp, "", 1);
}

/* Says what went wrong; the other side goes on with the next file. */
static int complain(struct scp *scp, const char *path, const char *sentence)
{
    struct buf line;
    int result;

    /* The path is as it came, of any length and with anything in it. */
    buf_init(&line, LINE_MAX);
    buf_puts(&line, "\001scp: ");
    text_clean(&line, path, strnlen(path, SHOWN_PATH), TEXT_ONE_LINE);
    buf_printf(&line, ": %s\n", sentence);
    scp->status = 1;
    result = send_bytes(scp, line.data, line.len);
    buf_done(&line);
    return result;
}

/* Whether the other side agreed; what it says instead is passed over. */
static bool agreed(struct scp *scp)
{
    char line[LINE_MAX];
    const uint8_t *byte;

    if (take(scp, &byte, 1) == 0)
        return false;
    if (*byte == 0)
        return true;
    take_line(scp, line);
    scp->status = 1;
    return false;
}

/* ---- receiving ---- */

static bool is_folder(struct scp *scp, const char *path)
{
    struct drop_file file;

    return drop_look(scp->sftp->drop, path, &file) == DROP_OK && file.folder;
}

/* Where NAME goes within path. 0, or -1: answered. */
static int place(struct scp *scp, const char *path, const char *name, char *out)
{
    if (strchr(name, '/') || strcmp(name, "..") == 0) {
        complain(scp, name, "A name has no slash.");
        return -1;
    }
    if (!is_folder(scp, path))
        snprintf(out, DROP_PATH_MAX, "%s", path);
    else if (snprintf(out, DROP_PATH_MAX, "%s%s%s", path, *path ? "/" : "", name) >=
             DROP_PATH_MAX) {
        complain(scp, name, "The path is too long.");
        return -1;
    }
    return 0;
}

/* Takes size bytes into the arrival, whatever comes of it: 0, or -1 when the connection is gone. */
static int take_file(struct scp *scp, struct drop_arrival *arrival, int64_t size,
                     enum drop_result *result)
{
    const uint8_t *bytes;
    size_t length;

    for (int64_t left = size; left > 0; left -= (int64_t)length) {
        length = take(scp, &bytes, left);
        if (length == 0)
            return -1;
        if (!*result)
            *result = drop_write(arrival, bytes, length);
    }
    return agreed(scp) ? 0 : -1;
}

static int receive_file(struct scp *scp, const char *folder, int64_t size, const char *name)
{
    char path[DROP_PATH_MAX];
    struct drop_wish wish = {.path = path,
                             .actor = scp->sftp->actor,
                             .door = "ssh",
                             .size = size,
                             .replace = true,
                             .exact = true};
    struct drop_arrival *arrival;
    struct drop_file file;
    enum drop_result result;
    bool broken;

    if (place(scp, folder, name, path))
        return 0;
    result = drop_begin(scp->sftp->drop, &wish, &arrival);
    if (result)
        return complain(scp, path, drop_refusal_text(result, path));
    scp->arrival = arrival;
    broken = agree(scp) || take_file(scp, arrival, size, &result);
    scp->arrival = NULL;
    if (broken) {
        drop_pause(arrival);
        return -1;
    }
    if (scp->modified_ms >= 0)
        drop_arrival_set_modified(arrival, scp->modified_ms);
    scp->modified_ms = -1;
    if (result)
        drop_abandon(arrival);
    else
        result = drop_publish(arrival, &file, NULL, NULL);
    return result ? complain(scp, path, drop_refusal_text(result, path)) : agree(scp);
}

/* Enters a folder, making it if need be; *path becomes its path. 0, or -1: answered. */
static int enter(struct scp *scp, const char *name, char *path)
{
    char below[DROP_PATH_MAX];
    enum drop_result result;

    if (place(scp, path, name, below))
        return -1;
    result = is_folder(scp, below) ? DROP_OK
                                   : drop_make_folder(scp->sftp->drop, below, &scp->sftp->actor);
    if (result) {
        complain(scp, below, drop_refusal_text(result, below));
        return -1;
    }
    strcpy(path, below);
    return 0;
}

static int receive_line(struct scp *scp, const char *line, char *path, int *depth)
{
    int64_t size, mtime;
    unsigned mode;
    int used = 0;

    if (line[0] == 'C' && sscanf(line, "C%o %" SCNd64 " %n", &mode, &size, &used) == 2 && used &&
        size >= 0 && line[used])
        return receive_file(scp, path, size, line + used);
    if (line[0] == 'D' && sscanf(line, "D%o %" SCNd64 " %n", &mode, &size, &used) == 2 && used &&
        scp->recursive && line[used]) {
        if (enter(scp, line + used, path))
            return -1; /* nothing in it could be placed */
        ++*depth;
        return agree(scp);
    }
    if (line[0] == 'E' && *depth > 0) {
        char above[DROP_PATH_MAX];
        drop_path_folder(path, above);
        strcpy(path, above);
        --*depth;
        return agree(scp);
    }
    if (line[0] == 'T' && sscanf(line, "T%" SCNd64, &mtime) == 1 && mtime >= 0 &&
        mtime < INT64_MAX / 1000) {
        scp->modified_ms = 1000 * mtime;
        return agree(scp);
    }
    if (line[0] == '\001' || line[0] == '\002') { /* the other side could not read something */
        scp->status = 1;
        return 0;
    }
    complain(scp, "protocol", "That line makes no sense.");
    return -1;
}

static void receive(struct scp *scp)
{
    char path[DROP_PATH_MAX], line[LINE_MAX];
    int depth = 0, got;

    if (scp->count != 1 || sftp_path(scp->words[0], path, sizeof path)) {
        complain(scp, "target", "Name one file or folder.");
        return;
    }
    if (scp->folder && !is_folder(scp, path)) {
        complain(scp, path, "There is no such folder.");
        return;
    }
    if (agree(scp))
        return;
    while ((got = take_line(scp, line)) == 1)
        if (receive_line(scp, line, path, &depth)) {
            scp->status = 1;
            break;
        }
    scp->status |= got < 0 || depth > 0;
}

/* ---- sending ---- */

static int send_times(struct scp *scp, const struct drop_file *file)
{
    char line[96];
    long long at = (long long)(file->modified_at / 1000);
    int length = snprintf(line, sizeof line, "T%lld 0 %lld 0\n", at, at);

    return !scp->times ? 0 : send_bytes(scp, line, (size_t)length) || !agreed(scp) ? -1 : 0;
}

/* The bytes of the file; one that became shorter meanwhile is filled up and told. */
static int send_content(struct scp *scp, int fd, int64_t size)
{
    uint8_t *block = mem_alloc(BLOCK);
    bool cut = false;
    int result = 0;

    for (int64_t at = 0; at < size && result == 0;) {
        size_t wanted = size - at < BLOCK ? (size_t)(size - at) : BLOCK;
        ssize_t got = cut ? 0 : pread(fd, block, wanted, at);

        cut = got <= 0;
        if (cut)
            memset(block, 0, wanted);
        wanted = cut ? wanted : (size_t)got;
        result = send_bytes(scp, block, wanted);
        at += (int64_t)wanted;
    }
    free(block);
    if (result == 0)
        result = cut ? complain(scp, "file", "It changed while it was read.") : agree(scp);
    return result || !agreed(scp) ? -1 : 0;
}

static int send_file(struct scp *scp, const char *path)
{
    char line[LINE_MAX];
    struct drop_file file;
    int fd, result, length;
    enum drop_result found = drop_read(scp->sftp->drop, path, &file, &fd);

    if (found)
        return complain(scp, path, drop_refusal_text(found, path));
    length = snprintf(line, sizeof line, "C0644 %" PRId64 " %s\n", file.size, drop_path_name(path));
    result = send_times(scp, &file) || send_bytes(scp, line, (size_t)length) || !agreed(scp) ||
             send_content(scp, fd, file.size);
    fs_close(fd);
    if (!result && file.id)
        drop_downloaded(scp->sftp->drop, file.id);
    return result ? -1 : 0;
}

/* The paths of a folder's entries, a page of them. */
struct page {
    struct drop_file *files;
    size_t count;
};

#define PAGE 16

static void take_entry(void *context, const struct drop_file *file)
{
    struct page *page = context;

    page->files[page->count++] = *file;
}

static int send_any(struct scp *scp, const struct drop_file *file);

static int send_entries(struct scp *scp, const char *path)
{
    struct page page = {.files = mem_array(PAGE, sizeof *page.files)};
    struct drop_query query = {.folder = path, .limit = PAGE};
    char after[DROP_PATH_MAX];
    int result = 0;

    do {
        page.count = 0;
        result = drop_list(scp->sftp->drop, &query, take_entry, &page);
        for (size_t i = 0; i < page.count && result == 0; i++)
            result = send_any(scp, &page.files[i]);
        if (page.count > 0)
            strcpy(after, page.files[page.count - 1].path);
        query.after = after;
    } while (page.count == PAGE && result == 0);
    free(page.files);
    return result;
}

static int send_folder(struct scp *scp, const struct drop_file *folder)
{
    char line[LINE_MAX];
    const char *name = *folder->path ? drop_path_name(folder->path) : "drop";
    int length = snprintf(line, sizeof line, "D0755 0 %s\n", name);

    if (!scp->recursive)
        return complain(scp, name, "That is a folder: ask with -r.");
    if (send_times(scp, folder) || send_bytes(scp, line, (size_t)length) || !agreed(scp) ||
        send_entries(scp, folder->path))
        return -1;
    return send_bytes(scp, "E\n", 2) || !agreed(scp) ? -1 : 0;
}

static int send_any(struct scp *scp, const struct drop_file *file)
{
    return file->folder ? send_folder(scp, file) : send_file(scp, file->path);
}

static void send_all(struct scp *scp)
{
    char path[DROP_PATH_MAX];
    struct drop_file file;
    enum drop_result result;
    int broken = !agreed(scp);

    for (size_t i = 0; i < scp->count && !broken; i++) {
        if (sftp_path(scp->words[i], path, sizeof path)) {
            broken = complain(scp, scp->words[i], "The path is too long.");
            continue;
        }
        result = drop_look(scp->sftp->drop, path, &file);
        broken =
            result ? complain(scp, path, drop_refusal_text(result, path)) : send_any(scp, &file);
    }
    scp->status |= broken != 0;
}

/* ---- all of it ---- */

int scp_run(struct sftp *sftp, const struct sftp_pipe *pipe, const char *command)
{
    struct scp scp = {.sftp = sftp, .pipe = pipe, .modified_ms = -1};
    char *copy = mem_dup(command);
    char mode = parse(&scp, copy);

    scp.bytes = mem_alloc(BLOCK);
    if (mode == 't')
        receive(&scp);
    else if (mode == 'f')
        send_all(&scp);
    else
        complain(&scp, "command", "The box takes files by sftp, and by scp to and from it.");
    free(scp.bytes);
    free(copy);
    return scp.status;
}
