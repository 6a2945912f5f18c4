/*
 * tree: whole folders, linked, copied or removed.
 *
 * Everything goes by descriptors and never through a symbolic link: what lies in a folder that a
 * service may write is not trusted. Only regular files and folders are carried; names that begin
 * with a dot at the top (parts that are still arriving) are left out, and so is whatever vanishes
 * meanwhile. Copying and linking end early where SIGINT, SIGTERM or SIGHUP is held back and waits.
 */
#ifndef SUPERVISOR_TREE_H
#define SUPERVISOR_TREE_H

#include <stdbool.h>

/* Opens a folder by name below another, made with mode 0700 when make. -1 with errno. */
int tree_folder(int at, const char *name, bool make);

/* Opens the folder at path, never through a link at its end. 1; 0 there is none (*folder is -1);
 * -1, logged. */
int tree_open(const char *path, int *folder);

/* Copies those files below from that are not this account's own: most kernels do not let it link
 * them. 0, or -1, logged. */
int tree_copy_others(int from, int to);

/* Gives every file below from a second name below to, unless that is there (hard links; where the
 * file system cannot, a copy). 0, or -1, logged. */
int tree_link(int from, int to);

/* Copies every file below from into to, which is empty, with its time. 0, or -1, logged: as when to
 * lies on a file system that cannot hold the names, or not beside each other. */
int tree_copy(int from, int to);

/* Copies one file. 0; 1 if there is none; -1, logged. */
int tree_copy_file(int from, const char *name, int to, const char *as);

/* Removes all that is below folder, but for the names at its top in keep, which a NULL ends (NULL:
 * everything). 0, or -1, logged. */
int tree_empty(int folder, const char *const *keep);

/* Removes the folder called name and all below it; one that is not there is fine. 0, or -1, logged.
 */
int tree_remove(int at, const char *name);

#endif
