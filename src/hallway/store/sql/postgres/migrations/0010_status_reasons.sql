-- Why a session is waiting or idle, one line about it, and since when its status and reason are what they are (S11).

ALTER TABLE sessions ADD COLUMN reason text;
ALTER TABLE sessions ADD COLUMN detail text;
ALTER TABLE sessions ADD COLUMN status_since bigint NOT NULL DEFAULT 0;
UPDATE sessions SET status_since = coalesce(ended_at, last_seen);
