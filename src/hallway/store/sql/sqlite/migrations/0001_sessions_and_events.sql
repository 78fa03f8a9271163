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
    check_at      INTEGER NOT NULL, -- when a sweep checks it: at expiry or earlier, so a heartbeat need not change it
    ended_at      INTEGER,
    end_reason    TEXT,
    capabilities  TEXT    NOT NULL DEFAULT '[]',
    metadata      TEXT    NOT NULL DEFAULT '{}',
    status_detail TEXT    NOT NULL DEFAULT 'null',
    CHECK ((ended_at IS NULL) = (status <> 'offline'))
) STRICT;

-- Find the other sessions of a project, newest first, and the session to sweep next. Both index only live rows.
CREATE INDEX sessions_live ON sessions (project, last_seen) WHERE ended_at IS NULL;
CREATE INDEX sessions_check ON sessions (check_at) WHERE ended_at IS NULL;
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;

-- How many sessions of a project have not ended, so that a heartbeat need not count them. Only the triggers write it,
-- so no code path can forget it; a heartbeat sets neither column and fires no trigger.
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

-- The latest time at which any session was seen, to within a second. If it is in the future, the host's clock was set
-- back. One row, which only the triggers write, at most once a second.
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
