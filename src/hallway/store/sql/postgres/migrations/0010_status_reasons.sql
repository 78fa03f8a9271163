-- Why a session is waiting or idle, one line of detail, and the time of the last change of status or reason (S11).

ALTER TABLE sessions ADD COLUMN reason text;
ALTER TABLE sessions ADD COLUMN detail text;
ALTER TABLE sessions ADD COLUMN status_since bigint NOT NULL DEFAULT 0;
UPDATE sessions SET status_since = coalesce(ended_at, last_seen);
