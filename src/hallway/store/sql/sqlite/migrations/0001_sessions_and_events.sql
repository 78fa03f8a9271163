-- Sessions, the projects they are in, and the record of events. Times are microseconds since 1970, UTC.

CREATE TABLE sessions (
    id            INTEGER PRIMARY KEY,
    session_id    TEXT    NOT NULL UNIQUE,
    project       TEXT    NOT NULL,
    agent_name    TEXT    NOT NULL,
    agent_type    TEXT    NOT NULL,
    status        TEXT    NOT NULL CHECK (status IN ('active', 'idle', 'working', 'waiting', 'offline')),
    current_task  TEXT,
    human_user    TEXT,
    location      TEXT,
    branch        TEXT,
    ttl_s         INTEGER NOT NULL,
    started_at    INTEGER NOT NULL,
    last_seen     INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    check_at      INTEGER NOT NULL, -- when a sweep looks at it: at its expiry or before, so a heartbeat need not move it
    ended_at      INTEGER,
    end_reason    TEXT,
    capabilities  TEXT    NOT NULL DEFAULT '[]',
    metadata      TEXT    NOT NULL DEFAULT '{}',
    status_detail TEXT    NOT NULL DEFAULT 'null',
    CHECK ((ended_at IS NULL) = (status <> 'offline'))
) STRICT;

-- Who else is in the project, newest first; and whom a sweep looks at next. Only live rows are in them.
CREATE INDEX sessions_live ON sessions (project, last_seen) WHERE ended_at IS NULL;
CREATE INDEX sessions_check ON sessions (check_at) WHERE ended_at IS NULL;
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;

-- How many sessions of a project have not ended: a heartbeat tells the total without counting. The triggers alone
-- write it, so no code path can forget; a heartbeat sets neither column and fires none.
CREATE TABLE projects (
    project TEXT    PRIMARY KEY,
    live    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER session_arrives AFTER INSERT ON sessions WHEN NEW.ended_at IS NULL BEGIN
    INSERT INTO projects VALUES (NEW.project, 1) ON CONFLICT (project) DO UPDATE SET live = live + 1;
END;

CREATE TRIGGER session_changes AFTER UPDATE OF ended_at, project ON sessions BEGIN
    UPDATE projects SET live = live - 1 WHERE project = OLD.project AND OLD.ended_at IS NULL;
    INSERT INTO projects SELECT NEW.project, 1 WHERE NEW.ended_at IS NULL
        ON CONFLICT (project) DO UPDATE SET live = live + 1;
END;

CREATE TRIGGER session_goes AFTER DELETE ON sessions WHEN OLD.ended_at IS NULL BEGIN
    UPDATE projects SET live = live - 1 WHERE project = OLD.project;
END;

-- The latest moment a session was seen, to within a second: one that lies ahead of now tells that the host's clock was
-- set back. One row, written by the triggers alone, at most once a second.
CREATE TABLE clock (at INTEGER NOT NULL) STRICT;
INSERT INTO clock VALUES (0);

CREATE TRIGGER session_is_new AFTER INSERT ON sessions
WHEN NEW.last_seen > (SELECT at FROM clock) + 1000000 BEGIN
    UPDATE clock SET at = NEW.last_seen;
END;

CREATE TRIGGER session_is_seen AFTER UPDATE OF last_seen ON sessions
WHEN NEW.last_seen > (SELECT at FROM clock) + 1000000 BEGIN
    UPDATE clock SET at = NEW.last_seen;
END;

-- AUTOINCREMENT: a seq is never used twice, even after the newest events were pruned.
CREATE TABLE events (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    project    TEXT    NOT NULL,
    session_id TEXT,
    data       TEXT    NOT NULL DEFAULT '{}'
) STRICT;

CREATE INDEX events_project ON events (project, seq);
