/* Where the records of one cache file lie: a table of 64-bit entries, eight in a bucket of one
 * cache line. A hash has two buckets and lies in either. The table grows with what is in it and is
 * four fifths full then: 10.3 bytes a record, and two for what was refused. It grows
 * to what it was told, and no further: from then on, what finds no room takes the place of the
 * entry that was used least.
 *
 * An entry is a guess: 20 bits of the hash or more. A wrong one costs a read, whose record has
 * another hash. Entries change by single atomic words: any thread looks, counts a use and clears;
 * one thread, the file's writer, puts. Who drops while it puts may miss an entry that moves: the
 * two have a lock (er_volume's). */
#ifndef ER_CACHE_DISK_INDEX_H
#define ER_CACHE_DISK_INDEX_H

#include "cache/disk_format.h"

typedef struct er_disk_index er_disk_index;
/* 0: nothing. */
typedef uint64_t er_disk_entry;

enum { ER_DISK_USES = 3 }; /* that an entry counts, at most */

/* `records`: so many have room, in a file of so many units. */
er_disk_index *er_disk_index_new(uint64_t records, uint64_t units);
void er_disk_index_free(er_disk_index *ix);

/* Where the record begins, in units from the file's beginning; and how many units have to be read
 * for all of it: eight, or an eighth more than it has, at most. */
uint64_t er_disk_entry_at(const er_disk_index *ix, er_disk_entry e);
uint32_t er_disk_entry_units(er_disk_entry e);
unsigned er_disk_entry_uses(er_disk_entry e);

er_disk_entry er_disk_index_get(const er_disk_index *ix, er_disk_hash hash);
/* Counts a use of what is under the hash, and says whether there is something. */
bool er_disk_index_use(er_disk_index *ix, er_disk_hash hash);
/* It will be put soon: its places are fetched into the processor's cache meanwhile. */
void er_disk_index_expect(const er_disk_index *ix, er_disk_hash hash);
/* In place of what is under the hash. */
void er_disk_index_put(er_disk_index *ix, er_disk_hash hash, uint64_t at, uint32_t units, unsigned uses);
/* Nothing is under the hash any more. */
void er_disk_index_drop(er_disk_index *ix, er_disk_hash hash);
/* The same if the record there is still the one that begins at `at`, and whether it was. */
bool er_disk_index_drop_at(er_disk_index *ix, er_disk_hash hash, uint64_t at);
/* What was not worth a place, and is if it comes again: the ghost queue of S3-FIFO, in two bytes a
 * record. About as many are remembered as there were records at the last
 * er_disk_index_measure_refused, and the oldest is forgotten first. */
void er_disk_index_refuse(er_disk_index *ix, er_disk_hash hash);
bool er_disk_index_refused(const er_disk_index *ix, er_disk_hash hash);
/* Forgets all of them if the number of records is another than it was. The thread that puts. */
void er_disk_index_measure_refused(er_disk_index *ix);
uint64_t er_disk_index_count(const er_disk_index *ix);
uint64_t er_disk_index_bytes(const er_disk_index *ix);

#endif
