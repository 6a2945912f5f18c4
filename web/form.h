/*
 * form: the fields of a small body, however a client wrote them.
 *
 * application/x-www-form-urlencoded (URL standard), multipart/form-data (RFC 7578) with text fields
 * only, and a flat JSON object (RFC 8259) of texts, numbers and truth values: what forms, curl -d,
 * curl -F and scripts send. Everything is in memory and small; uploads go another way
 * (web/multipart.h). A field that is given twice keeps its first value. form_parse is pure.
 */
#ifndef WEB_FORM_H
#define WEB_FORM_H

#include "web/http.h"

#define FORM_MAX        (64 * 1024) /* bytes of the whole body */
#define FORM_FIELDS_MAX 16          /* further ones are an error */
#define FORM_NAME_MAX   32          /* bytes of a field's name, with its NUL */

struct form_field {
    char name[FORM_NAME_MAX];
    char *value; /* without NUL bytes within; not checked otherwise */
};

struct form {
    struct form_field field[FORM_FIELDS_MAX];
    size_t count;
};

/* Reads and parses the body of a request. 0; -1 when it would not do: that has been answered.
 * form_done is due after 0. */
int form_read(struct http_request *request, struct form *form);

/* Parses length bytes of that Content-Type (NULL: urlencoded). 0; -1 malformed, too many fields, a
 * NUL byte, or a type that is none of the three: form is empty then. */
int form_parse(struct form *form, const char *type, const void *bytes, size_t length);

/* The value of a field; "" if it was not sent. */
const char *form_value(const struct form *form, const char *name);

void form_done(struct form *form);

#endif
