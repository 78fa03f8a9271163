-- Claims: leases on paths and other resources, and those that wait for one. Times are microseconds since 1970, UTC.

-- One row for each claim that is granted or waits. The row of a claim that has ended is deleted. `number` is the claim's
-- place in the queue, and `fence` the number of its grant; both come from the project's counter, which only rises.
-- `expires_at` is when a granted claim ends, or when a waiting one is given up.
CREATE TABLE claims (
    claim_id     TEXT    PRIMARY KEY,
    project      TEXT    NOT NULL,
    session_id   TEXT    NOT NULL,
    paths        TEXT    NOT NULL,
    mode         TEXT    NOT NULL CHECK (mode IN ('exclusive', 'shared')),
    intent       TEXT    NOT NULL,
    task_id      TEXT,
    state        TEXT    NOT NULL CHECK (state IN ('granted', 'waiting')),
    number       INTEGER NOT NULL,
    fence        INTEGER,
    asked_at     INTEGER NOT NULL,
    granted_at   INTEGER,
    ttl_s        INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    ignores_case INTEGER NOT NULL,
    CHECK ((state = 'granted') = (fence IS NOT NULL)),
    CHECK ((state = 'granted') = (granted_at IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX claims_project ON claims (project, number);
CREATE INDEX claims_session ON claims (session_id);
CREATE INDEX claims_task ON claims (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX claims_expiry ON claims (expires_at);

-- The globs of each claim. Every path that a glob matches begins with its `prefix`, which is in lower case. Two globs can
-- overlap only if one prefix begins with the other.
CREATE TABLE claim_paths (
    project  TEXT NOT NULL,
    prefix   TEXT NOT NULL,
    claim_id TEXT NOT NULL,
    glob     TEXT NOT NULL,
    PRIMARY KEY (project, prefix, claim_id, glob)
) STRICT, WITHOUT ROWID;

CREATE INDEX claim_paths_claim ON claim_paths (claim_id);

CREATE TRIGGER claim_ends AFTER DELETE ON claims BEGIN
    DELETE FROM claim_paths WHERE claim_id = OLD.claim_id;
END;

-- The last number of each project. A row is never removed, so that no number is used twice.
CREATE TABLE claim_numbers (
    project TEXT    PRIMARY KEY,
    last    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
