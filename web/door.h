/*
 * door: the handlers of riad-web's own rows, by the file that has them. Each answers its call.
 */
#ifndef WEB_DOOR_H
#define WEB_DOOR_H

#include "web/route.h"

/* api.c */
void api_health(struct call *call);
void api_status(struct call *call);
void api_people(struct call *call);
void api_files(struct call *call);
void api_leases(struct call *call);
/* metrics.c */
void metrics_answer(struct call *call);
/* Counts an answer; route.c's caller does so for each. */
void metrics_count(const struct http_request *request);

/* files.c: reading and removing */
void files_slash(struct call *call);
void files_answer(struct call *call);
void files_bare(struct call *call);
void files_delete(struct call *call);

/* folder.c: a folder as text, JSON, or by page_listing as HTML */
void folder_answer(struct call *call, const char *folder);
/* One file as a JSON object; key as in base/json.h. */
void folder_put_file(struct buf *out, const struct drop_file *file);

/* pack.c: a folder as one streamed file */
void pack_answer(struct call *call, const char *folder, bool zip);

/* upload.c: PUT */
void upload_put(struct call *call);
void upload_bare(struct call *call);
/* Answers what the drop refused. */
void upload_refuse(struct call *call, enum drop_result result, const char *path);

/* post.c: POST of a form with files */
void post_form(struct call *call);

/* tus.c: resumable uploads */
void tus_options(struct call *call);
void tus_create(struct call *call);
void tus_head(struct call *call);
void tus_patch(struct call *call);
void tus_override(struct call *call);
void tus_delete(struct call *call);

/* opam.c: the mirror's answers */
void opam_answer(struct call *call);

#endif
