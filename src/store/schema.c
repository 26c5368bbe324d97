/* What the three databases look like, as the steps that led there. A database has the number of the
 * last step it went through in user_version; opening it runs those that are missing, each in a
 * transaction (db.c). A step that was released is never edited; a change of the tables is one more
 * step.
 *
 * control.db: `log` is the truth, and every other table is what it adds up to. kv.db: rows, their
 * clock, and sums that triggers keep. assets.db: static files in parts, and the same sums. */
#include "store/schema.h"

#include "store/store.h"

/* Deleting a routine or a version leaves its number in `numbering`: a number, once given, means one
 * thing for ever. `current` carries the versions it points to, so that the foreign keys make it
 * impossible to delete what is deployed; `deployment` is history and may name versions that are
 * gone. `setting` has one row a name, so that a name is a variable or a secret and never both. A
 * namespace's id is the sequence that made it: a namespace of the same name later on does not
 * inherit rows that were not swept yet. */
static const char CONTROL_1[] =
    "CREATE TABLE node(one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, sequence INTEGER NOT NULL, key_check BLOB) "
    "STRICT;"
    "INSERT INTO node VALUES (1, lower(hex(randomblob(16))), 0, NULL);"
    "CREATE TABLE log(sequence INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, kind TEXT NOT NULL, actor TEXT NOT NULL, source TEXT "
    "NOT NULL,"
    " routine TEXT NOT NULL, data TEXT NOT NULL) STRICT;"
    "CREATE TABLE routine(name TEXT PRIMARY KEY, sequence INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE numbering(routine TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE blob(hash BLOB PRIMARY KEY CHECK (length(hash) = 32), bytes BLOB NOT NULL) STRICT;"
    "CREATE TABLE version(routine TEXT NOT NULL REFERENCES routine(name), number INTEGER NOT NULL CHECK (number > 0),"
    " code BLOB NOT NULL REFERENCES blob(hash), map BLOB REFERENCES blob(hash), code_n INTEGER NOT NULL, map_n INTEGER NOT NULL,"
    " settings TEXT NOT NULL, description TEXT NOT NULL, actor TEXT NOT NULL, at_ms INTEGER NOT NULL,"
    " PRIMARY KEY (routine, number DESC)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX version_code ON version(code);"
    "CREATE INDEX version_map ON version(map) WHERE map IS NOT NULL;"
    "CREATE TABLE deployment(id INTEGER PRIMARY KEY AUTOINCREMENT, sequence INTEGER NOT NULL, routine TEXT NOT NULL REFERENCES "
    "routine(name),"
    " env INTEGER NOT NULL, version0 INTEGER NOT NULL, version1 INTEGER, percent INTEGER NOT NULL CHECK (percent BETWEEN 1 AND "
    "100),"
    " guard INTEGER NOT NULL, error_percent INTEGER NOT NULL, p99_percent INTEGER NOT NULL, least_requests INTEGER NOT NULL,"
    " watch_s INTEGER NOT NULL, at_ms INTEGER NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL) STRICT;"
    "CREATE INDEX deployment_routine ON deployment(routine, id);"
    "CREATE TABLE current(routine TEXT NOT NULL REFERENCES routine(name), env INTEGER NOT NULL, deployment INTEGER NOT NULL "
    "REFERENCES"
    " deployment(id), version0 INTEGER NOT NULL, version1 INTEGER, PRIMARY KEY (routine, env),"
    " FOREIGN KEY (routine, version0) REFERENCES version(routine, number),"
    " FOREIGN KEY (routine, version1) REFERENCES version(routine, number)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX current_deployment ON current(deployment);"
    "CREATE TABLE route(env INTEGER NOT NULL, position INTEGER NOT NULL, pattern TEXT NOT NULL, routine TEXT NOT NULL REFERENCES "
    "routine(name),"
    " PRIMARY KEY (env, position), UNIQUE (env, pattern)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX route_routine ON route(routine);"
    "CREATE TABLE setting(routine TEXT NOT NULL REFERENCES routine(name), env INTEGER NOT NULL, name TEXT NOT NULL, secret "
    "INTEGER NOT NULL,"
    " value BLOB NOT NULL, at_ms INTEGER NOT NULL, actor TEXT NOT NULL, PRIMARY KEY (routine, env, name)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE token(name TEXT PRIMARY KEY, role TEXT NOT NULL, salt BLOB NOT NULL, hash BLOB NOT NULL, actor TEXT NOT NULL,"
    " at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE token_routine(token TEXT NOT NULL REFERENCES token(name), routine TEXT NOT NULL, PRIMARY KEY (token, routine))"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE namespace(name TEXT PRIMARY KEY, id INTEGER NOT NULL UNIQUE) STRICT, WITHOUT ROWID;";

/* Private addresses that an administrator allowed to a routine. */
static const char CONTROL_2[] =
    "CREATE TABLE address(routine TEXT NOT NULL REFERENCES routine(name), range TEXT NOT NULL, at_ms INTEGER NOT NULL,"
    " actor TEXT NOT NULL, PRIMARY KEY (routine, range)) STRICT, WITHOUT ROWID;";

/* The value stands last: a list reads the columns before it and leaves the pages of a long value
 * alone. `tally` makes the size of a namespace a look-up and not a walk over all of it. */
static const char KV_1[] =
    "CREATE TABLE clock(one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL) STRICT;"
    "INSERT INTO clock VALUES (1, 0);"
    "CREATE TABLE kv(id INTEGER PRIMARY KEY, ns INTEGER NOT NULL, key BLOB NOT NULL, expires_s INTEGER NOT NULL, sequence "
    "INTEGER NOT NULL,"
    " metadata TEXT NOT NULL, value BLOB NOT NULL, UNIQUE (ns, key)) STRICT;"
    "CREATE INDEX kv_expires ON kv(expires_s) WHERE expires_s > 0;"
    "CREATE TABLE tally(ns INTEGER PRIMARY KEY, keys INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;"
    "CREATE TRIGGER kv_added AFTER INSERT ON kv BEGIN"
    " INSERT INTO tally VALUES (new.ns, 1, length(new.key) + length(new.value))"
    " ON CONFLICT (ns) DO UPDATE SET keys = keys + 1, bytes = bytes + excluded.bytes; END;"
    "CREATE TRIGGER kv_changed AFTER UPDATE ON kv BEGIN"
    " UPDATE tally SET bytes = bytes + length(new.value) - length(old.value) WHERE ns = new.ns; END;"
    "CREATE TRIGGER kv_gone AFTER DELETE ON kv BEGIN"
    " UPDATE tally SET keys = keys - 1, bytes = bytes - length(old.key) - length(old.value) WHERE ns = old.ns; END;";

/* Long values in parts, by their number. `loose` has the numbers of those that no key has: still
 * being written, or replaced; triggers put them there, and the sweep takes them. */
static const char KV_2[] =
    "ALTER TABLE kv ADD COLUMN parts INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE kv ADD COLUMN size INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE clock ADD COLUMN parts INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE part(parts INTEGER NOT NULL, n INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (parts, n)) STRICT;"
    "CREATE TABLE loose(parts INTEGER PRIMARY KEY) STRICT;"
    "DROP TRIGGER kv_added; DROP TRIGGER kv_changed; DROP TRIGGER kv_gone;"
    "CREATE TRIGGER kv_added AFTER INSERT ON kv BEGIN"
    " INSERT INTO tally VALUES (new.ns, 1, length(new.key) + length(new.value) + new.size)"
    " ON CONFLICT (ns) DO UPDATE SET keys = keys + 1, bytes = bytes + excluded.bytes; END;"
    "CREATE TRIGGER kv_changed AFTER UPDATE ON kv BEGIN"
    " UPDATE tally SET bytes = bytes + length(new.value) + new.size - length(old.value) - old.size WHERE ns = new.ns;"
    " INSERT INTO loose SELECT old.parts WHERE old.parts > 0 AND old.parts <> new.parts; END;"
    "CREATE TRIGGER kv_gone AFTER DELETE ON kv BEGIN"
    " UPDATE tally SET keys = keys - 1, bytes = bytes - length(old.key) - length(old.value) - old.size WHERE ns = old.ns;"
    " INSERT INTO loose SELECT old.parts WHERE old.parts > 0; END;";

/* Of what is loose: whose namespace it was, and how many bytes of it are there, by value and
 * summed. `loose` stays as it is: a predecessor of before this step may still write to it. */
static const char KV_3[] =
    "CREATE TABLE waste(parts INTEGER PRIMARY KEY, ns INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;"
    "CREATE INDEX waste_ns ON waste(ns);"
    "CREATE TABLE waste_tally(ns INTEGER PRIMARY KEY, bytes INTEGER NOT NULL) STRICT;"
    "CREATE TRIGGER waste_added AFTER INSERT ON waste BEGIN"
    " INSERT INTO waste_tally VALUES (new.ns, new.bytes) ON CONFLICT (ns) DO UPDATE SET bytes = bytes + excluded.bytes; END;"
    "CREATE TRIGGER waste_changed AFTER UPDATE ON waste BEGIN"
    " INSERT INTO waste_tally VALUES (new.ns, new.bytes - old.bytes)"
    " ON CONFLICT (ns) DO UPDATE SET bytes = bytes + excluded.bytes; END;"
    "CREATE TRIGGER waste_gone AFTER DELETE ON waste BEGIN"
    " UPDATE waste_tally SET bytes = bytes - old.bytes WHERE ns = old.ns;"
    " DELETE FROM waste_tally WHERE ns = old.ns AND bytes <= 0; END;"
    "CREATE TRIGGER loose_gone AFTER DELETE ON loose BEGIN DELETE FROM waste WHERE parts = old.parts; END;"
    "INSERT INTO waste SELECT parts, 0, (SELECT coalesce(sum(length(bytes)), 0) FROM part p WHERE p.parts = loose.parts) FROM "
    "loose;"
    "DROP TRIGGER kv_changed; DROP TRIGGER kv_gone;"
    "CREATE TRIGGER kv_changed AFTER UPDATE ON kv BEGIN"
    " UPDATE tally SET bytes = bytes + length(new.value) + new.size - length(old.value) - old.size WHERE ns = new.ns;"
    " INSERT INTO loose SELECT old.parts WHERE old.parts > 0 AND old.parts <> new.parts;"
    " INSERT INTO waste SELECT old.parts, old.ns, old.size WHERE old.parts > 0 AND old.parts <> new.parts; END;"
    "CREATE TRIGGER kv_gone AFTER DELETE ON kv BEGIN"
    " UPDATE tally SET keys = keys - 1, bytes = bytes - length(old.key) - length(old.value) - old.size WHERE ns = old.ns;"
    " INSERT INTO loose SELECT old.parts WHERE old.parts > 0;"
    " INSERT INTO waste SELECT old.parts, old.ns, old.size WHERE old.parts > 0; END;";

/* Hosts that are granted to a token. */
static const char CONTROL_3[] =
    "CREATE TABLE token_host(token TEXT NOT NULL REFERENCES token(name), host TEXT NOT NULL, PRIMARY KEY (token, host))"
    " STRICT, WITHOUT ROWID;";

/* Why a deployment was made stood only in its reason, a text for people, which began so. */
static const char CONTROL_4[] =
    "ALTER TABLE deployment ADD COLUMN cause TEXT NOT NULL DEFAULT 'deploy';"
    "UPDATE deployment SET cause = CASE WHEN reason GLOB 'publish*' THEN 'publish' WHEN reason GLOB 'rollback*' THEN 'rollback'"
    " WHEN reason GLOB 'guard*' THEN 'guard' WHEN reason GLOB 'activation failed*' THEN 'undo' ELSE 'deploy' END;";
/* What was purged of the cache, by scope; and sites. */
static const char CONTROL_5[] =
    "CREATE TABLE purge(kind TEXT NOT NULL, site TEXT NOT NULL, value TEXT NOT NULL, hard INTEGER "
    "NOT NULL, soft INTEGER NOT NULL,"
    " PRIMARY KEY (kind, site, value)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE site(name TEXT PRIMARY KEY, settings TEXT NOT NULL, at_ms INTEGER NOT NULL, actor TEXT NOT NULL)"
    " STRICT, WITHOUT ROWID;";
/* The key of a site's certificate, encrypted as secrets are. */
static const char CONTROL_6[] = "ALTER TABLE site ADD COLUMN key BLOB;";
/* The manifest of a version's static files, a blob; how many there are, and how many bytes. */
static const char CONTROL_7[] = "ALTER TABLE version ADD COLUMN assets BLOB REFERENCES blob(hash);"
                                "ALTER TABLE version ADD COLUMN assets_files INTEGER NOT NULL DEFAULT 0;"
                                "ALTER TABLE version ADD COLUMN assets_bytes INTEGER NOT NULL DEFAULT 0;"
                                "CREATE INDEX version_assets ON version(assets) WHERE assets IS NOT NULL;";

/* When the routine that had the name was deleted last, as a sequence; 0: it never was. */
static const char CONTROL_8[] = "ALTER TABLE numbering ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;";

/* Namespaces of the KV that are granted to a token: "name", or "name:ro" to read alone. */
static const char CONTROL_9[] =
    "CREATE TABLE token_kv(token TEXT NOT NULL REFERENCES token(name), opens TEXT NOT NULL, PRIMARY KEY (token, opens))"
    " STRICT, WITHOUT ROWID;";

/* Routines that run by the clock (cron.h): the last minute that was taken, since 1970; and runs. */
static const char CONTROL_10[] =
    "CREATE TABLE cron(routine TEXT NOT NULL, cron TEXT NOT NULL, minute INTEGER NOT NULL, PRIMARY KEY (routine, cron))"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE cron_run(id INTEGER PRIMARY KEY AUTOINCREMENT, routine TEXT NOT NULL, cron TEXT NOT NULL, minute INTEGER NOT"
    " NULL, at_ms INTEGER NOT NULL, outcome TEXT NOT NULL, manual INTEGER NOT NULL, status INTEGER NOT NULL, error TEXT NOT NULL,"
    " cpu_us INTEGER NOT NULL, wall_us INTEGER NOT NULL) STRICT;"
    "CREATE INDEX cron_run_routine ON cron_run(routine, id);";

/* Static files. A part has the number of its file and its own: 256 * id + i. */
static const char ASSETS_1[] =
    "CREATE TABLE asset(id INTEGER PRIMARY KEY, routine TEXT NOT NULL, hash BLOB NOT NULL CHECK (length(hash) = 32),"
    " bytes INTEGER NOT NULL, at_s INTEGER NOT NULL, UNIQUE (routine, hash)) STRICT;"
    "CREATE TABLE part(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;"
    "CREATE TABLE asset_tally(routine TEXT PRIMARY KEY, files INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TRIGGER asset_added AFTER INSERT ON asset BEGIN"
    " INSERT INTO asset_tally VALUES (new.routine, 1, new.bytes)"
    " ON CONFLICT (routine) DO UPDATE SET files = files + 1, bytes = bytes + excluded.bytes; END;"
    "CREATE TRIGGER asset_gone AFTER DELETE ON asset BEGIN"
    " UPDATE asset_tally SET files = files - 1, bytes = bytes - old.bytes WHERE routine = old.routine;"
    " DELETE FROM asset_tally WHERE routine = old.routine AND files = 0; END;";
/* For which routine of the name a file was put: its numbering.ended. */
static const char ASSETS_2[] = "ALTER TABLE asset ADD COLUMN after INTEGER NOT NULL DEFAULT 0;";
_Static_assert(ER_SHA256 == 32, "the CHECK of blob says so");

static const char *const control_steps[] = {CONTROL_1, CONTROL_2, CONTROL_3, CONTROL_4, CONTROL_5,
                                            CONTROL_6, CONTROL_7, CONTROL_8, CONTROL_9, CONTROL_10};
static const char *const assets_steps[] = {ASSETS_1, ASSETS_2};
static const char *const kv_steps[] = {KV_1, KV_2, KV_3};

const er_schema er_schema_control = {
    .application_id = 0x45724374, /* "ErCt" */
    .full_sync = true,
    .steps = control_steps,
    .n_steps = sizeof control_steps / sizeof control_steps[0],
    .unchecked = {"blob"},
};
const er_schema er_schema_kv = {
    .application_id = 0x45724b76, /* "ErKv" */
    .full_sync = true,
    .steps = kv_steps,
    .n_steps = sizeof kv_steps / sizeof kv_steps[0],
    .unchecked = {"kv", "part"},
};
const er_schema er_schema_assets = {
    .application_id = 0x45724173, /* "ErAs" */
    .full_sync = true,
    .steps = assets_steps,
    .n_steps = sizeof assets_steps / sizeof assets_steps[0],
    .unchecked = {"part"},
};
