-- The files that sessions have written, and when last: one row per file and session, for any number of writes.
-- Times are microseconds since 1970, UTC.

CREATE TABLE files (
    project    text COLLATE "C" NOT NULL,
    path       text COLLATE "C" NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    at         bigint NOT NULL,
    PRIMARY KEY (project, path, session_id)
);

CREATE INDEX files_session ON files (session_id, at);
CREATE INDEX files_age ON files (at);
