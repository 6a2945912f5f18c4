/*
 * publish: what the keeper knows, as run/status.json, for `riad status` and the web.
 *
 *     {"pid", "version", "started_ms", "ready", "host_key", "host_key_line",
 *      "chat_listens": [..], "web_listens": [..], "addresses": [..],
 *      "services": {"chat": {"state": "up|starting|down|off|standing by", "pid", "restarts",
 *                            "since_ms", "text"}, ..},
 *      "incidents": [{"at_ms", "service", "text"}, ..]}
 *
 * Incidents come newest first. The file is replaced as a whole by a rename; it goes when the box
 * ends in order.
 */
#ifndef SUPERVISOR_PUBLISH_H
#define SUPERVISOR_PUBLISH_H

#include "supervisor/kept.h"

/* Appends the JSON. */
void publish_put(struct buf *out, const struct keeping *keeping, const struct kept *services,
                 bool ready);

/* Replaces the file. 0, or -1 with errno: it still tells what was before. */
int publish_write(const struct keeping *keeping, const struct kept *services, bool ready);
/* Removes it. */
void publish_remove(const struct keeping *keeping);

#endif
