/* Inside the translation (cdp.h): what a session knows, and the ways to say something. cdp.c has
 * the session and what the engine says, cdp_commands.c what the client says. */
#ifndef ER_CLI_CDP_INSIDE_H
#define ER_CLI_CDP_INSIDE_H

#include "base/idmap.h"
#include "base/list.h"
#include "cli/cdp.h"
#include "cli/cdp_value.h"
#include "cli/cpuprofile.h"

enum {
	ER_CDP_BREAKPOINTS = 4096,
	ER_CDP_BREAKPOINT_MAX = 64 * 1024, /* its parameters, the condition among them */
	ER_CDP_SCRIPTS = 10000,
	ER_CDP_URL = 4096,              /* of a script: what is kept of it */
	ER_CDP_ASKED = 10000,           /* questions that are open */
	ER_CDP_KEPT = 64 * 1024 * 1024, /* of what they keep */
	ER_CDP_ID = 32,                 /* of a command, its digits */
};

/* What the client calls the breakpoint before the first statement of every script. */
#define ER_CDP_BEGINNING_ID "er:beginning"

/* What becomes of the engine's answer. */
typedef enum er_cdp_kind {
	ER_CDP_DROP,      /* nobody waits for it */
	ER_CDP_EMPTY,     /* {} */
	ER_CDP_RAW,       /* as it is */
	ER_CDP_STEPPED,   /* {}, and the code runs on */
	ER_CDP_EVALUATED, /* result, exceptionDetails */
	ER_CDP_AWAITING,  /* the same, of the promise that it is, once that is settled */
	ER_CDP_PROPERTIES,
	ER_CDP_ACCESSORS,  /* of the same those with a getter or setter */
	ER_CDP_BREAKPOINT, /* of what was set */
	ER_CDP_PLACED,     /* a breakpoint at a place of this sandbox alone */
	ER_CDP_AGAIN,      /* a breakpoint of before, set in a new sandbox */
	ER_CDP_LOCATIONS,
	ER_CDP_PARSED,
	ER_CDP_GLOBAL,    /* the global object, for a function that is called on nothing */
	ER_CDP_STOPPED,   /* the profiler: the profile follows */
	ER_CDP_BEGINNING, /* the breakpoint at the first statement of a script */
	ER_CDP_UNINDEXED, /* an object with the properties to be listed */
	ER_CDP_ASSIGNED,  /* {}, or what the assignment threw */
} er_cdp_kind;

/* A question that the engine has not answered. */
typedef struct er_cdp_asked {
	er_list link;
	uint32_t id; /* the engine's */
	er_cdp_kind kind;
	char *client;    /* the client's id, as JSON; NULL: none */
	uint32_t number; /* of the breakpoint */
	char *then;      /* GLOBAL: the rest of the parameters, as members */
	size_t then_n;
	bool await;    /* GLOBAL */
	bool by_value; /* AWAITING, GLOBAL: not a reference */
} er_cdp_asked;

typedef struct er_cdp_breakpoint {
	er_list link;
	uint32_t number; /* for the client "er:NUMBER" */
	char *params;    /* what the engine was told, as JSON */
	char *engine;    /* what this sandbox's engine calls it; NULL: not known yet */
} er_cdp_breakpoint;

typedef struct er_cdp_script {
	char *id, *url;
	uint64_t end_line, end_column;
	bool hidden;
} er_cdp_script;

struct er_cdp {
	uint32_t magic;
	er_cdp_ports ports;
	unsigned generation; /* of sandboxes; names of the engine count in one */
	bool target;         /* there is a sandbox */
	char *url, *map;     /* of its script */
	bool runtime, debugger, log;
	bool paused;
	bool active;      /* breakpoints */
	bool skip;        /* all pauses */
	char *exceptions; /* Debugger.setPauseOnExceptions */
	char *blackboxed; /* the client's patterns, JSON */
	uint64_t async_depth;
	bool at_beginning;      /* the client wants to stand before each sandbox's script */
	char *beginning;        /* then: the engine's breakpoint there; NULL: not known, or met */
	er_cpuprofile *profile; /* NULL: none is being taken */
	char *profile_for;      /* who waits for the profile: the client's id; NULL: nobody */
	uint32_t next_id, next_breakpoint;
	size_t n_asked, kept, n_breakpoints, n_scripts, cap_scripts;
	er_list asked, breakpoints;
	er_cdp_script *scripts;
};

/* A command of the client, while it is handled. */
typedef struct er_cdp_command {
	er_slice id;           /* as JSON */
	const er_json *params; /* NULL: none */
	er_slice text;         /* of the message */
} er_cdp_command;

/* ---- saying (cdp_say.c) ---- */
/* An object that was begun with '{'; each function below takes it and closes it. */
er_out er_cdp_open(void);
void er_cdp_reply(er_cdp *c, er_slice id, er_out *result);
void er_cdp_reply_empty(er_cdp *c, er_slice id);
void er_cdp_refuse(er_cdp *c, er_slice id, int code, const char *why);
void er_cdp_refuse_text(er_cdp *c, er_slice id, int code, er_slice why);
void er_cdp_event(er_cdp *c, const char *method, er_out *params);
/* `client`: whose question it is; empty: nobody's. `params` NULL: none. NULL: too many are open,
 * which the client was told. */
er_cdp_asked *er_cdp_ask(er_cdp *c, er_cdp_kind kind, er_slice client, const char *method, er_out *params);
void er_cdp_forget_asked(er_cdp *c, er_cdp_asked *a);
/* The code runs on, as far as the client knows. */
void er_cdp_resumed(er_cdp *c);
void er_cdp_forget_scripts(er_cdp *c);
/* None is being taken any more, and nobody waits for one. */
void er_cdp_forget_profile(er_cdp *c);
const er_cdp_script *er_cdp_find_script(const er_cdp *c, er_slice id);

/* ---- cdp_commands.c ---- */
void er_cdp_handle(er_cdp *c, er_slice method, const er_cdp_command *cmd);
/* Tells a new sandbox what the client has set. */
void er_cdp_set_up(er_cdp *c);
void er_cdp_announce(er_cdp *c);
/* Evaluating while code runs must not stop anywhere: nothing could end the pause. Called before and
 * after; does nothing while paused. */
void er_cdp_quiet(er_cdp *c, bool begin);
er_cdp_breakpoint *er_cdp_breakpoint_of(er_cdp *c, uint32_t number);
/* Answers that it is set, and nowhere yet: it is kept for the next sandbox. */
void er_cdp_kept_breakpoint(er_cdp *c, er_slice client, const er_cdp_breakpoint *b);
/* By the engine's name of it. */
void er_cdp_remove_at_engine(er_cdp *c, er_slice engine);
void er_cdp_forget_breakpoint(er_cdp *c, er_cdp_breakpoint *b);

#endif
