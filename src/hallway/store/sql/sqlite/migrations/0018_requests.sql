-- What became of each request (M9), and which expiries of messages are recorded (M10). Times are microseconds since 1970.

-- `due_at` is the deadline while it is ahead, so that a sweep finds what is due with one look at an index. The times
-- `overdue_at` and `turn_ended_at` say when the sender was told of each; of its recipient being gone it is told the first time.
CREATE TABLE requests (
    seq           INTEGER PRIMARY KEY,  -- the message's
    project       TEXT    NOT NULL,
    from_session  TEXT    NOT NULL,     -- both are those that go on for the ones in the message (S14)
    to_session    TEXT    NOT NULL,
    is_group      INTEGER NOT NULL,
    state         TEXT    NOT NULL,
    state_since   INTEGER NOT NULL,
    asked_at      INTEGER NOT NULL,
    reply_within  INTEGER,
    reply_by      INTEGER,
    due_at        INTEGER,
    overdue_at    INTEGER,
    times_gone    INTEGER NOT NULL DEFAULT 0,
    turn_ended_at INTEGER,
    closed_at     INTEGER,              -- when it was answered or expired
    answer_id     TEXT
) STRICT;

CREATE INDEX requests_due ON requests (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX requests_open ON requests (project, seq) WHERE closed_at IS NULL;
CREATE INDEX requests_to ON requests (to_session, seq) WHERE closed_at IS NULL;
CREATE INDEX requests_group ON requests (project) WHERE closed_at IS NULL AND is_group;
CREATE INDEX requests_overdue ON requests (overdue_at) WHERE closed_at IS NULL AND overdue_at IS NOT NULL;

CREATE TRIGGER request_goes AFTER DELETE ON messages WHEN OLD.type = 'request' BEGIN
    DELETE FROM requests WHERE seq = OLD.seq;
END;

-- When the expiry of a message was recorded.
ALTER TABLE messages ADD COLUMN expired_at INTEGER;
CREATE INDEX messages_expiring ON messages (expires_at) WHERE expires_at IS NOT NULL AND expired_at IS NULL;
