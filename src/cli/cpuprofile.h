/* A profile of CPU time as Chrome and VS Code open it (a .cpuprofile, CDP's Profiler.Profile),
 * added up from what the engine's sampling profiler says: the tree that all stacks make together,
 * and for each sample the node on top of its stack. Pure: trees of JSON in (json_tree.h), JSON out.
 *
 * It can go on over the lives of several sandboxes and scripts. Between two entries into JavaScript
 * nothing runs and no sample is taken; that time belongs to "(idle)", else it would count for
 * whatever ran last. What the sandbox says is not trusted: nodes, samples, names and the depth of a
 * stack have bounds, and what is beyond them is left out. */
#ifndef ER_CLI_CPUPROFILE_H
#define ER_CLI_CPUPROFILE_H

#include "base/json_out.h"
#include "base/json_tree.h"

typedef struct er_cpuprofile er_cpuprofile;

/* The caller's, to be freed by er_cpuprofile_free. */
er_cpuprofile *er_cpuprofile_new(void);
void er_cpuprofile_free(er_cpuprofile *p);
/* Places in the script `url` are, from now on, those of the author's files by this source map
 * (JSON; empty, or none that can be read: as they are). Sources are named from the folder above the
 * script's, as the sourceRoot of a bundle's map has it. */
void er_cpuprofile_script(er_cpuprofile *p, er_slice url, er_slice map);
/* From now on script ids are said as "GENERATION:ID" (cdp_value.h); 0, as at first: all are "0". */
void er_cpuprofile_generation(er_cpuprofile *p, unsigned generation);
/* The engine's clock shows `engine` seconds when ours shows `us`; times never go back. */
void er_cpuprofile_clock(er_cpuprofile *p, double engine, uint64_t us);
/* JavaScript ran from one time of the engine's clock to another (ScriptProfiler.trackingUpdate). */
void er_cpuprofile_ran(er_cpuprofile *p, double from, double to);
/* The `samples` of ScriptProfiler.trackingComplete, in the order of time, which is said at the time
 * `end`, with all that ran told before. What the engine had looked at before the end (it does when
 * it collects garbage) has the time 0: such samples are put one behind the other, from the last
 * time that is known. */
void er_cpuprofile_samples(er_cpuprofile *p, const er_json *samples, double end);
/* How many there are, without those of idle time. */
uint64_t er_cpuprofile_count(const er_cpuprofile *p);
/* The members nodes, samples, timeDeltas (microseconds), startTime and endTime. */
void er_cpuprofile_put(const er_cpuprofile *p, er_out *o);

/* Samples whose innermost frame is of this file. */
typedef struct er_cpuprofile_file {
	er_slice url; /* borrowed from the profile */
	uint64_t samples;
} er_cpuprofile_file;
/* Every file once, in no order: at most `most` are written, and their number is returned. */
size_t er_cpuprofile_files(const er_cpuprofile *p, er_cpuprofile_file *out, size_t most);

#endif
