/* The few files that SQLite does not write for us: the folder, its lock, the key. What is made here
 * is on the disk, name included, when the function returns. */
#ifndef ER_STORE_FILES_H
#define ER_STORE_FILES_H

#include "base/err.h"
#include "base/slice.h"
#include "store/fault.h"

/* Mode 0700 if it is new. */
ER_MUST_CHECK bool er_dir_make(const char *dir, er_err *err);
ER_MUST_CHECK bool er_dir_empty(const char *dir, bool *empty, er_err *err);
ER_MUST_CHECK bool er_dir_sync(const er_fault *f, const char *dir, er_err *err);
/* The folder that `path` stands in; free with er_free. */
char *er_path_parent(const char *path);
bool er_path_exists(const char *path);
bool er_file_empty(const char *path); /* or not there */

/* The descriptor of DIR/lock with an exclusive flock on it, or -1. One that a predecessor handed on
 * by ER_STORE_LOCK_FD is taken, and then *inherited is true. */
int er_dir_lock(const char *dir, bool *inherited, er_err *err);
/* A descriptor that says that this process uses the folder, or -1. During a take-over two do. */
int er_dir_use(const char *dir, er_err *err);
/* No other process uses the folder, and none begins to before er_dir_share. */
bool er_dir_alone(int use_fd);
void er_dir_share(int use_fd);

ER_MUST_CHECK bool er_file_sync(const er_fault *f, const char *path, er_err *err);
/* Makes a file of mode 0600 that is there whole or not at all. *made false: there is one already,
 * and it stays as it is. */
ER_MUST_CHECK bool er_file_make(const er_fault *f, const char *path, er_slice content, bool *made, er_err *err);
/* `from` takes the place of `to`. */
ER_MUST_CHECK bool er_file_replace(const er_fault *f, const char *from, const char *to, er_err *err);
/* The whole of a small file into `to`; TOO_LARGE if it does not fit. *found false: there is
 * none. */
ER_MUST_CHECK bool er_file_read_private(const char *path, uint8_t *to, size_t cap, size_t *n, bool *found, er_err *err);

#endif
