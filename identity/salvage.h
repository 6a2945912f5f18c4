/*
 * salvage: what can still be read of a damaged store.
 *
 * The damaged file has been set aside and a new store made in its place; every row that is still
 * readable is copied over, past pages that are not. What refers to something lost is put right as
 * if that had been forgotten. The index of words is built anew by the copying; the index of files
 * is completed from the drop itself when the box starts. The damaged file is left as it is.
 */
#ifndef IDENTITY_SALVAGE_H
#define IDENTITY_SALVAGE_H

#include "identity/store.h"

struct salvage {
    int64_t people, messages; /* saved */
    bool gaps;                /* something could not be read */
};

/* Copies from the file at damaged into the store at path, which has just been made by
 * store_migrate and which nobody else uses. 0; -1, logged: then the store is still empty. */
int store_salvage(const char *damaged, const char *path, struct salvage *salvage);

#endif
