-- Claims: leases on paths and other resources, and those that wait for one. Times are microseconds since 1970, UTC.

-- One row for each claim that is granted or waits. The row of a claim that has ended is deleted. `number` is the claim's
-- place in the queue, and `fence` the number of its grant; both come from the project's counter, which only rises.
-- `expires_at` is when a granted claim ends, or when a waiting one is given up.
CREATE TABLE claims (
    claim_id     text COLLATE "C" PRIMARY KEY,
    project      text COLLATE "C" NOT NULL,
    session_id   text COLLATE "C" NOT NULL,
    paths        text COLLATE "C" NOT NULL,
    mode         text COLLATE "C" NOT NULL CHECK (mode IN ('exclusive', 'shared')),
    intent       text COLLATE "C" NOT NULL,
    task_id      text COLLATE "C",
    state        text COLLATE "C" NOT NULL CHECK (state IN ('granted', 'waiting')),
    number       bigint  NOT NULL,
    fence        bigint,
    asked_at     bigint  NOT NULL,
    granted_at   bigint,
    ttl_s        bigint  NOT NULL,
    expires_at   bigint  NOT NULL,
    ignores_case boolean NOT NULL,
    CHECK ((state = 'granted') = (fence IS NOT NULL)),
    CHECK ((state = 'granted') = (granted_at IS NOT NULL))
);

CREATE INDEX claims_project ON claims (project, number);
CREATE INDEX claims_session ON claims (session_id);
CREATE INDEX claims_task ON claims (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX claims_expiry ON claims (expires_at);

-- The globs of each claim. Every path that a glob matches begins with its `prefix`, which is in lower case. Two globs can
-- overlap only if one prefix begins with the other.
CREATE TABLE claim_paths (
    project  text COLLATE "C" NOT NULL,
    prefix   text COLLATE "C" NOT NULL,
    claim_id text COLLATE "C" NOT NULL,
    glob     text COLLATE "C" NOT NULL,
    PRIMARY KEY (project, prefix, claim_id, glob)
);

CREATE INDEX claim_paths_claim ON claim_paths (claim_id);

CREATE FUNCTION claim_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM claim_paths WHERE claim_id = OLD.claim_id;
    RETURN NULL;
END $$;

CREATE TRIGGER claim_ends AFTER DELETE ON claims FOR EACH ROW EXECUTE FUNCTION claim_ends();

-- The last number of each project. A row is never removed, so that no number is used twice.
CREATE TABLE claim_numbers (
    project text COLLATE "C" PRIMARY KEY,
    last    bigint NOT NULL
);
