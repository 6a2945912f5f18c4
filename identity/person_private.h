/*
 * person_private: how the modules of identity/ read a person from a row.
 */
#ifndef IDENTITY_PERSON_PRIVATE_H
#define IDENTITY_PERSON_PRIVATE_H

#include "identity/person.h"

/* The columns that person_from_rows reads, from column number first on. */
#define PERSON_COLUMNS                                                                             \
    "person.id, person.name, person.role, person.created_at, person.seen_at, person.muted_until"
#define PERSON_COLUMN_COUNT 6

void person_from_rows(struct rows *rows, int first, struct person *person);

/* "host", "person"; anything else is ROLE_WAITING, which may do least. */
enum person_role person_role_parse(const char *name);

/* What a client calls its key or browser, fit to be shown and cut to size. */
#define LABEL_SIZE 128
void label_clean(const char *label, char out[LABEL_SIZE]);

/* Copies text into a field of size bytes, cut if it is longer. */
void field_copy(char *out, size_t size, const char *text);
#define FIELD(field, text) field_copy(field, sizeof(field), text)

#endif
