/* Inside the spawner: what the node's half (spawner.c), the process (spawner_main.c) and the
 * start of one sandbox (spawner_start.c) share.
 *
 * Each gateway thread has a SEQPACKET socket: a packet is one er_spawn_request (with three
 * descriptors for START, or four) or one er_spawner_event. Both ends are the same program, forked,
 * so the structs travel as they are. */
#ifndef ER_ISOLATE_SPAWNER_INTERNAL_H
#define ER_ISOLATE_SPAWNER_INTERNAL_H

#include "isolate/spawner.h"

#include <sys/types.h>

enum er_spawn_op { ER_SPAWN_START = 1, ER_SPAWN_KILL };

typedef struct er_spawn_request {
	uint32_t op; /* er_spawn_op */
	uint32_t slot;
	uint32_t profile; /* er_profile */
	uint32_t inspect; /* 1: a descriptor more comes with it, the debugger's socket */
} er_spawn_request;

enum {
	ER_SPAWN_FDS = 3,
	ER_SPAWN_FDS_MOST = ER_SPAWN_FDS + 1,
	/* User and group ids of sandboxes when the spawner may choose them: a range that systemd's
	 * and Debian's tables leave unused (systemd.io/UIDS-GIDS: 1879048192-2147352575), so that no
	 * account, container or DynamicUser shares one. */
	ER_SPAWN_UID_BASE = 1900000000,
	/* Several nodes on one machine must not share ids: the limit on processes counts all of an
	 * id together. Each spawner takes a stretch of them by its own process id. */
	ER_SPAWN_UIDS = 4096,
	ER_SPAWN_STRETCHES = 60000,
};

/* The first id of a spawner's stretch. */
static inline uid_t er_spawn_first_uid(pid_t spawner)
{
	return ER_SPAWN_UID_BASE + (uid_t)spawner % ER_SPAWN_STRETCHES * ER_SPAWN_UIDS;
}

/* How sandboxes are started on this machine; found out once, by trying (er_spawn_probe). */
typedef struct er_spawn_plan {
	er_level level;
	bool own_ids;   /* each gets a user id of its own (needs privilege) */
	bool userns;    /* namespaces come with a user namespace (no privilege needed) */
	char text[256]; /* why not more, and what to enable; empty if it is what was wanted */
} er_spawn_plan;

typedef struct er_spawn_context {
	const er_spawner_config *config;
	er_spawn_plan plan;
	/* the er-sandbox executable, opened once: a rebuild or upgrade beside a running node
	 * changes nothing */
	int exe;
	/* pidfd of the spawner: a child sees by it that its parent is already gone */
	int self;
	int null;           /* /dev/null */
	bool emptied;       /* the spawner itself is in empty namespaces, and its children with it */
	uid_t ruid;         /* the spawner's own ids */
	uid_t sandbox_uids; /* first of its stretch */
	gid_t rgid;
} er_spawn_context;

typedef struct er_spawn_want {
	enum er_profile profile;
	unsigned index;        /* of the live sandbox; distinct ids come from it */
	int fds[ER_SPAWN_FDS]; /* borrowed */
	int inspect;           /* the debugger's socket, borrowed; -1: the sandbox has none */
} er_spawn_want;

typedef struct er_spawned {
	pid_t pid;
	/* read end of the sandbox's standard error until it is locked down; owned by the caller */
	int boot;
} er_spawned;

/* Tries what this machine allows, best first, and fills ctx->plan. Never fails: the least is
 * ER_LEVEL_SECCOMP_ONLY. */
void er_spawn_probe(er_spawn_context *ctx);
/* Starts one sandbox. On failure `text` says which step and what to do about it. */
bool er_spawn_start(const er_spawn_context *ctx, const er_spawn_want *want, er_spawned *out, char text[static 256]);
/* All of the environment that a sandbox has; ended by NULL. */
const char *const *er_spawn_environment(enum er_profile profile);
/* The process: never returns. `socks` are its ends of the gateway threads' sockets. */
_Noreturn void er_spawner_main(const er_spawner_config *config, const int *socks, unsigned n, pid_t node);

#endif
