/*
 * when: clocks, durations and sizes, and how they are written.
 *
 * Two clocks: wall time in milliseconds since 1970 (UTC) for everything that is stored or shown,
 * and monotonic milliseconds for everything that is waited for. Never mix them.
 */
#ifndef BASE_WHEN_H
#define BASE_WHEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Wall time, milliseconds since 1970-01-01T00:00:00Z: what the machine's clock says, but not before
 * the base that was set. */
int64_t when_wall_ms(void);

/* What the machine's own clock says, for comparing with what other programs count by it. */
int64_t when_machine_ms(void);

/* Whether that is later than this program was made, but for a day: a machine without a battery for
 * its clock begins in the past. */
bool when_machine_is_set(void);
/* When that was, by the program's file. */
int64_t when_made_ms(void);

/* From now on wall time is at least base_ms after the start of the monotonic clock, in all threads.
 * One that would lie behind WHEN_LAST_MS counts as none. */
#define WHEN_NO_BASE INT64_MIN
#define WHEN_LAST_MS INT64_C(4102444800000) /* 2100 */
void when_set_base(int64_t base_ms);

/* Monotonic time in milliseconds; only differences mean something. */
int64_t when_monotonic_ms(void);

/* Sets the time zone of all that is shown: a name of the tz database, or "" for the system's. */
void when_set_zone(const char *zone);

#define WHEN_MAX 40

/* RFC 3339 with seconds and offset: 2026-11-22T17:11:24+01:00. out has WHEN_MAX bytes. */
void when_rfc3339(int64_t wall_ms, char *out);

/* The local day, YYYY-MM-DD, and the local hour and minute, HH:MM. out has WHEN_MAX bytes. */
void when_day(int64_t wall_ms, char *out);
void when_clock(int64_t wall_ms, char *out);

/* RFC 9110's HTTP-date: Sun, 22 Nov 2026 16:11:24 GMT. out has WHEN_MAX bytes. */
void when_http(int64_t wall_ms, char *out);

/* Parses any of the three forms of an HTTP-date. 0, or -1 if it is none. */
int when_http_parse(const char *text, int64_t *wall_ms);

/*
 * Parses a moment that a person types: an RFC 3339 time, YYYY-MM-DD, HH:MM (today), `today`,
 * `yesterday`, or a duration back from now (`2h`, `3d`); what lies before 1970 is 1970.
 * 0, or -1 if it is none of these.
 */
int when_parse(const char *text, int64_t now_ms, int64_t *wall_ms);

/* The first and the last-plus-one millisecond of the local day YYYY-MM-DD. 0, or -1. */
int when_day_range(const char *day, int64_t *from_ms, int64_t *to_ms);

/* `90`, `30s`, `5m`, `2h`, `7d`: seconds. 0, or -1 if it is no duration or out of range. */
int when_duration_parse(const char *text, int64_t *seconds);

/* `4096`, `64K`, `10G`: bytes, by powers of 1024. 0, or -1. */
int when_size_parse(const char *text, int64_t *bytes);

/* For people: `3 s`, `5 min`, `2 h`, `4 days`; and `12 kB`, `3.4 MB` (powers of 1000). */
void when_duration_text(int64_t seconds, char *out);
void when_size_text(int64_t bytes, char *out);
/* A limit as it was configured, by powers of 1024, never more than it is. */
void when_limit_text(int64_t bytes, char *out);

#endif
