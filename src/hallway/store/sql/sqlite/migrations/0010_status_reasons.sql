-- Why a session is waiting or idle, one line about it, and since when its status and reason are what they are (S11).

ALTER TABLE sessions ADD COLUMN reason TEXT;
ALTER TABLE sessions ADD COLUMN detail TEXT;
ALTER TABLE sessions ADD COLUMN status_since INTEGER NOT NULL DEFAULT 0;
UPDATE sessions SET status_since = coalesce(ended_at, last_seen);
