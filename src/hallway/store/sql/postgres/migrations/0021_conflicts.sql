-- Conflicts: two live sessions write one file. Times are microseconds since 1970, UTC.

-- Where a file is in the repository, so that every worktree and machine means the same one: `relative` is its path below
-- the worktree's root, `place` the same in lower case, for the index. `repository` tells apart the repositories of a project
-- that a setting names, and the hosts of files outside of any. NULL: the file is in conflict with nothing.
ALTER TABLE files ADD COLUMN repository text COLLATE "C";
ALTER TABLE files ADD COLUMN place text COLLATE "C";
ALTER TABLE files ADD COLUMN relative text COLLATE "C";
ALTER TABLE files ADD COLUMN worktree text COLLATE "C";
ALTER TABLE files ADD COLUMN branch text COLLATE "C";
ALTER TABLE files ADD COLUMN ignores_case boolean NOT NULL DEFAULT FALSE;
CREATE INDEX files_place ON files (project, place, repository, at) WHERE place IS NOT NULL;

-- One row for each conflict that has not ended, and for one that was settled, until the same may be a conflict again.
-- `seq` is that of its event. `merge` is clean or conflict once a merge of the two worktrees was tried, at `tried_at`.
CREATE TABLE conflicts (
    conflict_id  text COLLATE "C" PRIMARY KEY,
    seq          bigint NOT NULL,
    project      text COLLATE "C" NOT NULL,
    repository   text COLLATE "C" NOT NULL,
    place        text COLLATE "C" NOT NULL,
    path         text COLLATE "C" NOT NULL,
    found_at     bigint NOT NULL,
    expires_at   bigint NOT NULL,
    settled_at   bigint,
    merge        text COLLATE "C",
    merge_lines  text COLLATE "C",
    merge_files  text COLLATE "C",
    tried_at     bigint
);

CREATE INDEX conflicts_project ON conflicts (project, seq);
CREATE INDEX conflicts_expiry ON conflicts (expires_at);

-- The two sessions of a conflict: side 0 wrote first. `path` is absolute on the session's machine.
CREATE TABLE conflict_parties (
    conflict_id text COLLATE "C" NOT NULL,
    side        bigint NOT NULL,
    session_id  text COLLATE "C" NOT NULL,
    is_open     boolean NOT NULL,
    worktree    text COLLATE "C" NOT NULL,
    branch      text COLLATE "C",
    path        text COLLATE "C" NOT NULL,
    written_at  bigint NOT NULL,
    PRIMARY KEY (conflict_id, side)
);

CREATE INDEX conflict_parties_session ON conflict_parties (session_id, is_open);

CREATE FUNCTION conflict_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM conflict_parties WHERE conflict_id = OLD.conflict_id;
    RETURN NULL;
END $$;

CREATE TRIGGER conflict_ends AFTER DELETE ON conflicts FOR EACH ROW EXECUTE FUNCTION conflict_ends();
