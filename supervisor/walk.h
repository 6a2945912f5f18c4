/*
 * walk: every value of a JSON text with its path, for reading what riad itself has written.
 *
 *     {"services": {"chat": {"pid": 7}}, "listens": ["a", "b"]}
 *
 * calls leaf with `services.chat.pid` 7, `listens.0` a, `listens.1` b. Strings come unescaped
 * (RFC 8259), everything else as it is written. Nesting and paths are bounded.
 */
#ifndef SUPERVISOR_WALK_H
#define SUPERVISOR_WALK_H

#define WALK_PATH_MAX 256

/* One value; path and text are lent for the call. */
typedef void walk_leaf(void *context, const char *path, const char *text);

/* 0, or -1 if text is not JSON, or too deep: what was read before has been told. */
int walk(const char *text, walk_leaf *leaf, void *context);

#endif
