CREATE TABLE bounds ( pass INTEGER NOT NULL, member INTEGER NOT NULL, first_t INTEGER, first_i INTEGER, last_t INTEGER, last_i INTEGER, size_bytes INTEGER, PRIMARY KEY (pass, member) ) STRICT, WITHOUT ROWID;
CREATE TABLE connector ( id INTEGER PRIMARY KEY, connect_cluster TEXT NOT NULL, connector TEXT NOT NULL, deployment TEXT, verdict TEXT, why TEXT, seen INTEGER NOT NULL, UNIQUE (connect_cluster, connector) ) STRICT;
CREATE TABLE event ( id INTEGER PRIMARY KEY, at INTEGER NOT NULL, connect_cluster TEXT NOT NULL, connector TEXT NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL ) STRICT;
CREATE INDEX event_connector ON event (connect_cluster, connector, at);
CREATE TABLE failure ( id INTEGER PRIMARY KEY, at INTEGER NOT NULL, ended INTEGER, connector INTEGER NOT NULL, task INTEGER NOT NULL, code INTEGER, class TEXT NOT NULL ) STRICT;
CREATE INDEX failure_connector ON failure (connector, at);
CREATE INDEX failure_standing ON failure (ended) WHERE ended IS NULL;
CREATE TABLE member ( id INTEGER PRIMARY KEY, deployment TEXT NOT NULL, member TEXT NOT NULL, seen INTEGER NOT NULL, UNIQUE (deployment, member) ) STRICT;
CREATE TABLE memory ( one INTEGER PRIMARY KEY CHECK (one = 1), layout INTEGER NOT NULL, at_ms INTEGER NOT NULL, uptime_ms INTEGER NOT NULL, json TEXT NOT NULL ) STRICT;
CREATE TABLE pass ( id INTEGER PRIMARY KEY, at INTEGER NOT NULL, grade INTEGER NOT NULL, connectors INTEGER NOT NULL ) STRICT;
CREATE INDEX pass_at ON pass (at);
CREATE INDEX pass_grade ON pass (grade, at);
CREATE TABLE sample ( pass INTEGER NOT NULL, connector INTEGER NOT NULL, verdict TEXT NOT NULL, why TEXT, position_t INTEGER, position_i INTEGER, headroom_seconds INTEGER, lag_seconds INTEGER, PRIMARY KEY (pass, connector) ) STRICT, WITHOUT ROWID;
CREATE TABLE verdict_change ( id INTEGER PRIMARY KEY, at INTEGER NOT NULL, connector INTEGER NOT NULL, before TEXT, verdict TEXT NOT NULL, why TEXT, headroom_seconds INTEGER ) STRICT;
CREATE INDEX verdict_change_connector ON verdict_change (connector, at);
-- version 1
