/*
 * hot: small files that were sent a moment ago, ready to be sent again without the store.
 *
 * At an event everybody fetches the same few files within minutes. What their answer says (type,
 * digest, owner's policy) stays true for as long as the file stays the same, and that the kernel
 * tells: each time, the path is looked at again, and only if it still leads to the same inode with
 * the same size, mtime and ctime is the remembered head sent. So a file that was replaced, edited,
 * renamed or removed, by whatever process or hand, is answered anew at once, and nobody has to tell
 * this table of it. A file that changed within the last moments is not learned, since a further
 * change might leave the same time.
 *
 * Up to HOT_BYTES of bodies are kept beside the heads; of the other files only the head is, and the
 * body is read. What nobody asked for within a minute of being learned anew leaves (hot_tick).
 *
 * Only what anybody may read belongs here, and only plain GETs are answered from it: no query, no
 * Range, no conditions. All calls but hot_open may come from any thread.
 */
#ifndef WEB_HOT_H
#define WEB_HOT_H

#include "web/route.h"
#include "web/send.h"

#define HOT_FILES    1024         /* heads, about 700 bytes each */
#define HOT_FILE_MAX 65536        /* larger files gain nothing */
#define HOT_BYTES    (768 * 1024) /* of bodies */
#define HOT_LIFE_MS  60000

enum hot_place { HOT_DROP, HOT_ARCHIVES, HOT_PLACES };

/* Opens the folders below which the files lie. */
void hot_open(const struct config *config);

/* Answers from the table if it can. false: nothing was sent, ask the store. */
bool hot_answer(struct call *call);

/* Learns the answer that was just sent by send_whole_or_part, if it was a whole file and may be
 * kept. name is its path below place; file_id is counted as downloaded (0: none). */
void hot_learn(struct call *call, const struct send_file *file, enum hot_place place,
               const char *name, int64_t file_id);

/* How many answers hot_answer has sent. */
int64_t hot_answers(void);

/* Once a second: what is old leaves. now_ms is monotonic. */
void hot_tick(int64_t now_ms);

#endif
