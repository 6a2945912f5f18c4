#include "web/form.h"

#include "base/mem.h"
#include "base/text.h"
#include "web/reply.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- fields ---- */

void form_done(struct form *form)
{
    for (size_t i = 0; i < form->count; i++)
        free(form->field[i].value);
    form->count = 0;
}

const char *form_value(const struct form *form, const char *name)
{
    for (size_t i = 0; i < form->count; i++)
        if (strcmp(form->field[i].name, name) == 0)
            return form->field[i].value;
    return "";
}

/* Adds one. A name that is too long is nobody's: left out. 0, or -1 if it may not be. */
static int field_add(struct form *form, const char *name, size_t name_length, const char *value,
                     size_t length)
{
    if (memchr(name, '\0', name_length) != NULL || memchr(value, '\0', length) != NULL)
        return -1;
    if (name_length >= FORM_NAME_MAX)
        return 0;
    if (form->count == FORM_FIELDS_MAX)
        return -1;
    struct form_field *field = &form->field[form->count++];
    memcpy(field->name, name, name_length);
    field->name[name_length] = '\0';
    field->value = mem_dup_bytes(value, length);
    return 0;
}

/* ---- urlencoded ---- */

static int hex_of(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit = (char)(digit | 0x20);
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Appends the decoded text; a % that no two digits follow stands for itself. */
static void put_decoded(struct buf *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        int high = text[i] == '%' && length - i > 2 ? hex_of(text[i + 1]) : -1;
        int low = high >= 0 ? hex_of(text[i + 2]) : -1;
        if (low >= 0) {
            buf_putc(out, (uint8_t)(high << 4 | low));
            i += 2;
        } else {
            buf_putc(out, text[i] == '+' ? ' ' : (uint8_t)text[i]);
        }
    }
}

static int parse_urlencoded(struct form *form, const char *text, size_t length)
{
    const char *end = text + length;
    struct buf name, value;
    int result = 0;
    buf_init(&name, FORM_MAX);
    buf_init(&value, FORM_MAX);
    while (text < end && result == 0) {
        const char *stop = memchr(text, '&', (size_t)(end - text));
        stop = stop == NULL ? end : stop;
        const char *equals = memchr(text, '=', (size_t)(stop - text));
        const char *name_end = equals == NULL ? stop : equals;
        buf_clear(&name);
        buf_clear(&value);
        put_decoded(&name, text, (size_t)(name_end - text));
        if (equals != NULL)
            put_decoded(&value, equals + 1, (size_t)(stop - equals - 1));
        if (name.len > 0)
            result = field_add(form, buf_text(&name), name.len, buf_text(&value), value.len);
        text = stop + 1;
    }
    buf_done(&name);
    buf_done(&value);
    return result;
}

/* ---- JSON ---- */

struct json {
    const char *at, *end;
};

static void json_blanks(struct json *json)
{
    while (json->at < json->end && strchr(" \t\r\n", *json->at) != NULL && *json->at != '\0')
        json->at++;
}

static bool json_take(struct json *json, char byte)
{
    json_blanks(json);
    if (json->at == json->end || *json->at != byte)
        return false;
    json->at++;
    return true;
}

/* Four hexadecimal digits at `at`, or -1. */
static long json_unit(const struct json *json, const char *at)
{
    if (json->end - at < 4)
        return -1;
    long unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_of(at[i]);
        if (digit == -1)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* What stands behind `\u`, surrogate pairs included; lone surrogates become U+FFFD. */
static int json_code(struct json *json, struct buf *out)
{
    long unit = json_unit(json, json->at);
    if (unit == -1)
        return -1;
    json->at += 4;
    if (unit >= 0xD800 && unit < 0xDC00 && json->end - json->at >= 6 && json->at[0] == '\\' &&
        json->at[1] == 'u') {
        long low = json_unit(json, json->at + 2);
        if (low >= 0xDC00 && low < 0xE000) {
            json->at += 6;
            return text_encode(out, (uint32_t)(0x10000 + (unit - 0xD800) * 0x400 + low - 0xDC00));
        }
    }
    bool surrogate = unit >= 0xD800 && unit < 0xE000;
    return text_encode(out, surrogate ? TEXT_REPLACEMENT : (uint32_t)unit);
}

static int json_escape(struct json *json, struct buf *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (json->at == json->end)
        return -1;
    char byte = *json->at++;
    if (byte == 'u')
        return json_code(json, out);
    const char *found = byte == '\0' ? NULL : strchr(from, byte);
    return found == NULL ? -1 : buf_putc(out, (uint8_t)to[found - from]);
}

static int json_text(struct json *json, struct buf *out)
{
    buf_clear(out);
    if (!json_take(json, '"'))
        return -1;
    while (json->at < json->end && *json->at != '"') {
        char byte = *json->at++;
        if ((unsigned char)byte < 0x20)
            return -1;
        if (byte == '\\' ? json_escape(json, out) == -1 : buf_putc(out, (uint8_t)byte) == -1)
            return -1;
    }
    return json_take(json, '"') ? 0 : -1;
}

/* A text, or a number, true, false, null as they are written (null as nothing). */
static int json_value(struct json *json, struct buf *out)
{
    json_blanks(json);
    if (json->at < json->end && *json->at == '"')
        return json_text(json, out);
    buf_clear(out);
    while (json->at < json->end && *json->at != '\0' &&
           strchr("+-.0123456789abcdefghijklmnopqrstuvwxyzE", *json->at) != NULL)
        buf_putc(out, (uint8_t)*json->at++);
    if (out->len == 0)
        return -1;
    if (strcmp(buf_text(out), "null") == 0)
        buf_clear(out);
    return 0;
}

static int parse_json(struct form *form, const char *text, size_t length)
{
    struct json json = {.at = text, .end = text + length};
    struct buf name, value;
    buf_init(&name, FORM_MAX);
    buf_init(&value, FORM_MAX);
    int result = json_take(&json, '{') ? 0 : -1;
    bool more = result == 0 && !json_take(&json, '}');
    while (more && result == 0) {
        result = -1;
        if (json_text(&json, &name) == -1 || !json_take(&json, ':') ||
            json_value(&json, &value) == -1)
            break;
        if (field_add(form, buf_text(&name), name.len, buf_text(&value), value.len) == -1)
            break;
        more = json_take(&json, ',');
        result = more || json_take(&json, '}') ? 0 : -1;
    }
    json_blanks(&json);
    if (json.at != json.end)
        result = -1;
    buf_done(&name);
    buf_done(&value);
    return result;
}

/* ---- multipart ---- */

/* The value of a parameter of a header, `boundary=x` or `name="x"`, into out. 1, 0. */
static int parameter(const char *header, size_t length, const char *name, struct buf *out)
{
    const char *end = header + length;
    size_t name_length = strlen(name);
    buf_clear(out);
    for (const char *at = header; (at = memchr(at, ';', (size_t)(end - at))) != NULL;) {
        at++;
        while (at < end && *at == ' ')
            at++;
        if ((size_t)(end - at) <= name_length || strncasecmp(at, name, name_length) != 0 ||
            at[name_length] != '=')
            continue;
        at += name_length + 1;
        bool quoted = at < end && *at == '"';
        for (at += quoted; at < end && *at != (quoted ? '"' : ';'); at++)
            buf_putc(out, (uint8_t)*at);
        return 1;
    }
    return 0;
}

/* Adds the part between at and end: headers, an empty line, the value. */
static int part_add(struct form *form, const char *at, const char *end)
{
    static const char wanted[] = "Content-Disposition:";
    const char *blank = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
    if (blank == NULL)
        return -1;
    struct buf name;
    buf_init(&name, FORM_MAX);
    int found = 0, result = -1;
    while (at < blank && !found) {
        const char *line_end = memmem(at, (size_t)(blank + 2 - at), "\r\n", 2);
        size_t length = (size_t)(line_end - at);
        if (length > strlen(wanted) && strncasecmp(at, wanted, strlen(wanted)) == 0)
            found = parameter(at, length, "name", &name);
        at = line_end + 2;
    }
    if (found)
        result = field_add(form, buf_text(&name), name.len, blank + 4, (size_t)(end - blank - 4));
    buf_done(&name);
    return result;
}

static int parse_multipart(struct form *form, const char *type, const char *text, size_t length)
{
    struct buf mark;
    buf_init(&mark, 256);
    buf_puts(&mark, "\r\n--");
    struct buf boundary;
    buf_init(&boundary, 71);
    int result = -1;
    if (parameter(type, strlen(type), "boundary", &boundary) == 1 && boundary.len > 0 &&
        !boundary.overflowed) {
        buf_put(&mark, boundary.data, boundary.len);
        const char *end = text + length, *at = text;
        bool begins = length >= mark.len - 2 && memcmp(text, mark.data + 2, mark.len - 2) == 0;
        at = begins ? text + mark.len - 2 : NULL;
        while (at != NULL && end - at >= 2 && memcmp(at, "\r\n", 2) == 0) {
            const char *next = memmem(at, (size_t)(end - at), mark.data, mark.len);
            /* The first line end of a part may be the one that ends its boundary line. */
            if (next == NULL || next < at + 2 || part_add(form, at + 2, next) == -1)
                break;
            at = next + mark.len;
        }
        result = at != NULL && end - at >= 2 && memcmp(at, "--", 2) == 0 ? 0 : -1;
    }
    buf_done(&boundary);
    buf_done(&mark);
    return result;
}

/* ---- all three ---- */

static bool type_is(const char *type, const char *wanted)
{
    size_t length = strlen(wanted);
    return strncasecmp(type, wanted, length) == 0 &&
           (type[length] == '\0' || strchr("; \t", type[length]) != NULL);
}

static bool is_urlencoded(const char *type)
{
    return type == NULL || type[0] == '\0' || type_is(type, "application/x-www-form-urlencoded");
}

static bool is_form(const char *type)
{
    return is_urlencoded(type) || type_is(type, "application/json") ||
           type_is(type, "multipart/form-data");
}

int form_parse(struct form *form, const char *type, const void *bytes, size_t length)
{
    form->count = 0;
    int result = -1;
    if (is_urlencoded(type))
        result = parse_urlencoded(form, bytes, length);
    else if (type_is(type, "application/json"))
        result = parse_json(form, bytes, length);
    else if (type_is(type, "multipart/form-data"))
        result = parse_multipart(form, type, bytes, length);
    if (result == -1)
        form_done(form);
    return result;
}

int form_read(struct http_request *request, struct form *form)
{
    const char *type = http_header(request, "Content-Type");
    struct buf body;
    buf_init(&body, FORM_MAX);
    int result = http_read_small(request, &body);
    if (result == 1)
        reply_error(request, 413, "This form is too large.");
    else if (result == -1)
        reply_error(request, 400, "The form did not arrive whole.");
    else if (form_parse(form, type, body.data, body.len) == -1) {
        reply_error(request, is_form(type) ? 400 : 415,
                    "This is not a form: send it urlencoded, as multipart/form-data or "
                    "as one flat JSON object.");
        result = -1;
    }
    buf_done(&body);
    return result == 0 ? 0 : -1;
}
