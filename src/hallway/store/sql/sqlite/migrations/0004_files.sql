-- The files that sessions have written, and when last: one row per file and session, for any number of writes.
-- Times are microseconds since 1970, UTC.

CREATE TABLE files (
    project    TEXT    NOT NULL,
    path       TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (project, path, session_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX files_session ON files (session_id, at);
CREATE INDEX files_age ON files (at);
