CREATE VIEW attempts AS SELECT b.attempt, b.connect_cluster, b.connector, json_extract(b.json, '$.plan.strategy') AS strategy, coalesce(json_extract(b.json, '$.by.person'), json_extract(b.json, '$.by')) AS by, json_extract(b.json, '$.reason') AS reason, strftime('%Y-%m-%dT%H:%M:%SZ', b.at_ms / 1000, 'unixepoch') AS begun, strftime('%Y-%m-%dT%H:%M:%SZ', e.at_ms / 1000, 'unixepoch') AS ended, coalesce(json_extract(e.json, '$.ended'), 'open') AS outcome, json_extract(e.json, '$.says') AS says, json_extract(e.json, '$.lost.stretch.to.t') - json_extract(e.json, '$.lost.stretch.from.t') AS lost_seconds FROM entry b LEFT JOIN entry e ON e.attempt = b.attempt AND e.event = 'ended' WHERE b.event = 'begun' ORDER BY b.seq;
CREATE VIEW audit AS SELECT seq, strftime('%Y-%m-%dT%H:%M:%SZ', at_ms / 1000, 'unixepoch') AS at, event, connect_cluster, connector, coalesce(json_extract(json, '$.plan.id'), json_extract(json, '$.plan')) AS plan, attempt, coalesce(json_extract(json, '$.by.person'), json_extract(json, '$.by')) AS by, json_extract(json, '$.reason') AS reason FROM entry WHERE event NOT IN ('saved', 'intent', 'outcome', 'skipped') ORDER BY seq;
CREATE TABLE entry ( seq INTEGER PRIMARY KEY CHECK (seq > 0), at_ms INTEGER NOT NULL, event TEXT NOT NULL, attempt TEXT, connect_cluster TEXT, connector TEXT, json TEXT NOT NULL );
CREATE INDEX entry_attempt ON entry (attempt, seq);
CREATE TRIGGER entry_stays BEFORE DELETE ON entry WHEN NOT EXISTS (SELECT 1 FROM forgotten WHERE OLD.seq BETWEEN first AND last) BEGIN SELECT RAISE(ABORT, 'entries are never removed');
END;
CREATE TRIGGER entry_unchanged BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'entries are never changed');
END;
CREATE TABLE forgotten (first INTEGER NOT NULL, last INTEGER NOT NULL CHECK (first <= last), at_ms INTEGER NOT NULL);
CREATE TRIGGER forgotten_stays BEFORE DELETE ON forgotten BEGIN SELECT RAISE(ABORT, 'entries are never removed');
END;
CREATE TRIGGER forgotten_unchanged BEFORE UPDATE ON forgotten BEGIN SELECT RAISE(ABORT, 'entries are never changed');
END;
CREATE VIEW steps AS SELECT i.attempt, i.connect_cluster, i.connector, i.seq, json_extract(i.json, '$.phase') AS phase, json_extract(i.json, '$.round') AS round, json_extract(i.json, '$.index') AS number, json_extract(i.json, '$.step.step') AS step, i.event = 'intent' AS begun, strftime('%Y-%m-%dT%H:%M:%SZ', i.at_ms / 1000, 'unixepoch') AS at, strftime('%Y-%m-%dT%H:%M:%SZ', o.at_ms / 1000, 'unixepoch') AS ended, coalesce(json_extract(o.json, '$.outcome.outcome'), 'unknown') AS outcome, json_extract(o.json, '$.outcome.says') AS says FROM entry i LEFT JOIN entry o ON o.event IN ('outcome', 'skipped') AND o.seq = ( SELECT min(n.seq) FROM entry n WHERE n.attempt = i.attempt AND (n.seq = i.seq AND n.event = 'skipped' OR n.seq > i.seq AND n.event IN ('intent', 'outcome', 'skipped', 'ended'))) AND ( o.event = 'outcome' OR o.seq = i.seq) WHERE i.event IN ('intent', 'skipped') ORDER BY i.seq;
-- version 2
