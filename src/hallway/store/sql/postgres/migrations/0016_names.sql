-- What people and agents call a session (S9): unique among the sessions of a project that have not ended. `name_base` is
-- the name without the number that makes it unique, `name_source` who chose it: person, client or hallway.

ALTER TABLE sessions ADD COLUMN name text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN name_base text COLLATE "C" NOT NULL DEFAULT 'session';
ALTER TABLE sessions ADD COLUMN name_source text NOT NULL DEFAULT 'hallway';
UPDATE sessions SET name = 'session-' || id;
CREATE UNIQUE INDEX sessions_name ON sessions (name, project) WHERE ended_at IS NULL;
CREATE INDEX sessions_former_name ON sessions (name, ended_at) WHERE ended_at IS NOT NULL;
