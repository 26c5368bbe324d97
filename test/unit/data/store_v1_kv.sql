-- A kv.db as the first schema version left it. Never edited: databases like this are out there.
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA application_id = 1165118326;
PRAGMA user_version = 1;
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE clock(one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL) STRICT;
INSERT INTO clock VALUES(1,1);
CREATE TABLE kv(id INTEGER PRIMARY KEY, ns INTEGER NOT NULL, key BLOB NOT NULL, expires_s INTEGER NOT NULL, sequence INTEGER NOT NULL, metadata TEXT NOT NULL, value BLOB NOT NULL, UNIQUE (ns, key)) STRICT;
INSERT INTO kv VALUES(1,7,X'6b',0,1,'{}',X'76');
CREATE TABLE tally(ns INTEGER PRIMARY KEY, keys INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
INSERT INTO tally VALUES(7,1,2);
CREATE INDEX kv_expires ON kv(expires_s) WHERE expires_s > 0;
CREATE TRIGGER kv_added AFTER INSERT ON kv BEGIN INSERT INTO tally VALUES (new.ns, 1, length(new.key) + length(new.value)) ON CONFLICT (ns) DO UPDATE SET keys = keys + 1, bytes = bytes + excluded.bytes; END;
CREATE TRIGGER kv_changed AFTER UPDATE ON kv BEGIN UPDATE tally SET bytes = bytes + length(new.value) - length(old.value) WHERE ns = new.ns; END;
CREATE TRIGGER kv_gone AFTER DELETE ON kv BEGIN UPDATE tally SET keys = keys - 1, bytes = bytes - length(old.key) - length(old.value) WHERE ns = old.ns; END;
COMMIT;
