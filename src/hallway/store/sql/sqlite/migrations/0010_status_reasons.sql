-- Why a session is waiting or idle, one line of detail, and the time of the last change of status or reason (S11).

ALTER TABLE sessions ADD COLUMN reason TEXT;
ALTER TABLE sessions ADD COLUMN detail TEXT;
ALTER TABLE sessions ADD COLUMN status_since INTEGER NOT NULL DEFAULT 0;
UPDATE sessions SET status_since = coalesce(ended_at, last_seen);
