/*
 * notify: telling systemd how it goes, by its protocol (sd_notify(3)), without its library.
 *
 * Where NOTIFY_SOCKET is not set, all of this is nothing.
 */
#ifndef SUPERVISOR_NOTIFY_H
#define SUPERVISOR_NOTIFY_H

#include <stdint.h>

/* Sends VARIABLE=VALUE lines; failures are nobody's trouble. */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How often the watchdog wants to hear `WATCHDOG=1`: half of its patience, in ms; 0 never. */
int64_t notify_watchdog_ms(void);

#endif
