/* The target of a request, path and query, in one spelling. What routes match, what a routine reads
 * in request.url and what an origin gets is the same text, so that nobody passes a rule by writing
 * the same path in another way.
 *
 * The spelling is that of the URL Standard's parser ("\" is "/", "." and ".." are resolved also as
 * "%2e", what is not allowed raw is encoded), and of RFC 3986 6.2.2: an encoded letter, digit, "-",
 * ".", "_" or "~" is decoded, hexadecimal digits are capitals. A "%" that begins no encoding is
 * written "%25": decoding what stands behind it can then not make a new one. Nothing is decoded
 * twice.
 *
 * Pure. */
#ifndef ER_HTTP_TARGET_H
#define ER_HTTP_TARGET_H

#include "base/arena.h"
#include "base/buf.h"

/* `target` begins with "/" and has no "#". *out is `target` itself when it is in that spelling
 * already, as nearly all are (one look at each byte), else text in the arena. False, with *why for
 * a person: a ".." or "." hidden behind "%2F", "%5C" or ";", or "%00": servers disagree about what
 * such a path is. */
bool er_target_normal(er_arena *a, er_slice target, er_slice *out, const char **why);
/* The path of a rule, so that it is matched with paths in that spelling and with their readings.
 * What an encoding stands for and may stand raw in a path ("@" for "%40") is raw here. With
 * `prefix` the last segment is only the beginning of one: its dots are left. */
er_slice er_target_pattern(er_arena *a, er_slice path, bool prefix);

enum { ER_TARGET_READINGS = 3 };
/* Servers behind read some paths in several ways: "%40" is "@" for all of them; "//" may be "/";
 * "%2F" and "%5C" may be "/", and ";x" nothing. Writes these readings, each with those before, to
 * *room and returns how many there are: 0 for most paths, without touching *room. `path` is in the
 * one spelling. */
size_t er_target_readings(er_slice path, er_buf *room, er_slice out[ER_TARGET_READINGS]);

#endif
