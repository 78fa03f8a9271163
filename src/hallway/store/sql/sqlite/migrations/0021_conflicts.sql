-- Conflicts: two live sessions write one file. Times are microseconds since 1970, UTC.

-- Where a file is in the repository, so that every worktree and machine means the same one: `relative` is its path below
-- the worktree's root, `place` the same in lower case, for the index. `repository` tells apart the repositories of a project
-- that a setting names, and the hosts of files outside of any. NULL: the file is in conflict with nothing.
ALTER TABLE files ADD COLUMN repository TEXT;
ALTER TABLE files ADD COLUMN place TEXT;
ALTER TABLE files ADD COLUMN relative TEXT;
ALTER TABLE files ADD COLUMN worktree TEXT;
ALTER TABLE files ADD COLUMN branch TEXT;
ALTER TABLE files ADD COLUMN ignores_case INTEGER NOT NULL DEFAULT 0;
CREATE INDEX files_place ON files (project, place, repository, at) WHERE place IS NOT NULL;

-- One row for each conflict that has not ended, and for one that was settled, until the same may be a conflict again.
-- `seq` is that of its event. `merge` is clean or conflict once a merge of the two worktrees was tried, at `tried_at`.
CREATE TABLE conflicts (
    conflict_id  TEXT    PRIMARY KEY,
    seq          INTEGER NOT NULL,
    project      TEXT    NOT NULL,
    repository   TEXT    NOT NULL,
    place        TEXT    NOT NULL,
    path         TEXT    NOT NULL,
    found_at     INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    settled_at   INTEGER,
    merge        TEXT,
    merge_lines  TEXT,
    merge_files  TEXT,
    tried_at     INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX conflicts_project ON conflicts (project, seq);
CREATE INDEX conflicts_expiry ON conflicts (expires_at);

-- The two sessions of a conflict: side 0 wrote first. `path` is absolute on the session's machine.
CREATE TABLE conflict_parties (
    conflict_id TEXT    NOT NULL,
    side        INTEGER NOT NULL,
    session_id  TEXT    NOT NULL,
    is_open     INTEGER NOT NULL,
    worktree    TEXT    NOT NULL,
    branch      TEXT,
    path        TEXT    NOT NULL,
    written_at  INTEGER NOT NULL,
    PRIMARY KEY (conflict_id, side)
) STRICT, WITHOUT ROWID;

CREATE INDEX conflict_parties_session ON conflict_parties (session_id, is_open);

CREATE TRIGGER conflict_ends AFTER DELETE ON conflicts BEGIN
    DELETE FROM conflict_parties WHERE conflict_id = OLD.conflict_id;
END;
