-- Sessions, the projects they are in, and the record of events. Times are microseconds since 1970, UTC. Names and ids
-- sort by their bytes, as on SQLite; JSON is kept as the text that was written.

-- fillfactor leaves room in each page for the next version of a row: a heartbeat updates a row every few seconds, and
-- the next write to the page reuses the old version's space. Vacuum runs early because the index on last_seen changes.
CREATE TABLE sessions (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id    text COLLATE "C" NOT NULL UNIQUE,
    project       text COLLATE "C" NOT NULL,
    agent_name    text NOT NULL,
    agent_type    text NOT NULL,
    status        text NOT NULL CHECK (status IN ('active', 'idle', 'working', 'waiting', 'offline')),
    current_task  text,
    human_user    text,
    location      text,
    branch        text,
    ttl_s         bigint NOT NULL,
    started_at    bigint NOT NULL,
    last_seen     bigint NOT NULL,
    expires_at    bigint NOT NULL,
    check_at      bigint NOT NULL, -- when a sweep checks it: at expiry or earlier, so a heartbeat need not change it
    ended_at      bigint,
    end_reason    text,
    capabilities  text NOT NULL DEFAULT '[]',
    metadata      text NOT NULL DEFAULT '{}',
    status_detail text NOT NULL DEFAULT 'null',
    CHECK ((ended_at IS NULL) = (status <> 'offline'))
) WITH (
    fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);

-- Find the other sessions of a project, newest first, and the session to sweep next. Both index only live rows.
CREATE INDEX sessions_live ON sessions (project, last_seen) WHERE ended_at IS NULL;
CREATE INDEX sessions_check ON sessions (check_at) WHERE ended_at IS NULL;
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;

-- How many sessions of a project have not ended, so that a heartbeat need not count them. Only the triggers write it,
-- so no code path can forget it; a heartbeat sets neither column and fires no trigger.
CREATE TABLE projects (
    project text COLLATE "C" PRIMARY KEY,
    live    bigint NOT NULL
) WITH (fillfactor = 50);

CREATE FUNCTION count_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.ended_at IS NULL THEN
        UPDATE projects SET live = live - 1 WHERE project = OLD.project;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.ended_at IS NULL THEN
        INSERT INTO projects VALUES (NEW.project, 1) ON CONFLICT (project) DO UPDATE SET live = projects.live + 1;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER session_arrives AFTER INSERT OR DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION count_session();
CREATE TRIGGER session_changes AFTER UPDATE OF ended_at, project ON sessions FOR EACH ROW
    WHEN (OLD.ended_at IS DISTINCT FROM NEW.ended_at OR OLD.project <> NEW.project) EXECUTE FUNCTION count_session();

-- The latest time at which any session was seen, to within a second. If it is in the future, the database's clock was
-- set back. Every statement that writes last_seen passes it through this function, which returns it unchanged. The
-- function never waits for a lock, so a heartbeat cannot be part of a deadlock.
CREATE TABLE clock (at bigint NOT NULL) WITH (fillfactor = 10);
INSERT INTO clock VALUES (0);

CREATE FUNCTION seen(moment bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    UPDATE clock SET at = moment
    WHERE ctid = (SELECT ctid FROM clock WHERE at < moment - 1000000 FOR UPDATE SKIP LOCKED);
    RETURN moment;
END $$;

-- The last seq of each record that readers follow. A counter is a row, not a sequence: the writer's transaction locks
-- it, and a rollback restores it, so that seq rises in the order of the commits and without gaps. The pages are left
-- almost empty for the row versions of one batch.
CREATE TABLE counters (
    name text PRIMARY KEY,
    last bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO counters VALUES ('events', 0);

CREATE TABLE events (
    seq        bigint PRIMARY KEY,
    at         bigint NOT NULL,
    kind       text NOT NULL,
    project    text COLLATE "C" NOT NULL,
    session_id text COLLATE "C",
    data       text NOT NULL DEFAULT '{}'
);

CREATE INDEX events_project ON events (project, seq);
