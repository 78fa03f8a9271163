-- Messages, their delivery to each recipient, and tasks.

-- AUTOINCREMENT: a seq is never used twice, so a reader that continues after its last seq misses nothing.
CREATE TABLE messages (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id      TEXT    NOT NULL UNIQUE,
    thread_id       TEXT    NOT NULL,
    in_reply_to     TEXT,
    task_id         TEXT,
    type            TEXT    NOT NULL,
    from_session    TEXT    NOT NULL,
    to_session      TEXT    NOT NULL,
    project         TEXT    NOT NULL,
    subject         TEXT    NOT NULL,
    body            TEXT    NOT NULL,
    data            TEXT    NOT NULL DEFAULT '{}',
    priority        TEXT    NOT NULL,
    sent_at         INTEGER NOT NULL,
    expires_at      INTEGER,
    idempotency_key TEXT,
    digest          INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX messages_key ON messages (from_session, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX messages_thread ON messages (thread_id) WHERE thread_id <> message_id;
CREATE INDEX messages_expiry ON messages (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX messages_digest ON messages (digest, sent_at);
CREATE INDEX messages_broadcast ON messages (project, seq) WHERE to_session = '*';

-- One row for each recipient of a message; the rows of one message are stored together. deliveries_inbox finds a
-- recipient's unacknowledged and its acknowledged messages in order of seq, at a cost independent of the bus's size.
CREATE TABLE deliveries (
    seq             INTEGER NOT NULL,
    recipient       TEXT    NOT NULL,
    expires_at      INTEGER,
    injected_at     INTEGER,
    acknowledged_at INTEGER,
    is_read         INTEGER GENERATED ALWAYS AS (acknowledged_at IS NOT NULL) VIRTUAL,
    PRIMARY KEY (seq, recipient)
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_inbox ON deliveries (recipient, is_read, seq, expires_at);

-- The number and total size of all messages, so that no statement has to count them. Only the triggers write it.
CREATE TABLE message_totals (
    project    TEXT    NOT NULL,
    type       TEXT    NOT NULL,
    total      INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (project, type)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER message_arrives AFTER INSERT ON messages BEGIN
    INSERT INTO message_totals
    VALUES (NEW.project, NEW.type, 1, octet_length(NEW.subject) + octet_length(NEW.body) + octet_length(NEW.data))
    ON CONFLICT DO UPDATE SET total = total + 1, size_bytes = size_bytes + excluded.size_bytes;
END;

CREATE TRIGGER message_goes AFTER DELETE ON messages BEGIN
    DELETE FROM deliveries WHERE seq = OLD.seq;
    UPDATE message_totals
    SET total = total - 1,
        size_bytes = size_bytes - octet_length(OLD.subject) - octet_length(OLD.body) - octet_length(OLD.data)
    WHERE project = OLD.project AND type = OLD.type;
END;

-- Until when a sender has used up its rate limit to an address (M8). A row whose time has passed has no effect.
CREATE TABLE pairs (
    from_session TEXT    NOT NULL,
    to_session   TEXT    NOT NULL,
    used_until   INTEGER NOT NULL,
    PRIMARY KEY (from_session, to_session)
) STRICT, WITHOUT ROWID;

CREATE TABLE tasks (
    id         INTEGER PRIMARY KEY,
    task_id    TEXT    NOT NULL UNIQUE,
    project    TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    body       TEXT    NOT NULL,
    data       TEXT    NOT NULL DEFAULT '{}',
    status     TEXT    NOT NULL CHECK (status IN ('offered', 'accepted', 'completed', 'cancelled')),
    address    TEXT    NOT NULL,
    offered_by TEXT    NOT NULL,
    offered_to TEXT,
    owner      TEXT,
    result     TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK (status <> 'offered' OR (owner IS NULL AND offered_to IS NOT NULL)),
    CHECK (status <> 'accepted' OR owner IS NOT NULL)
) STRICT;

CREATE INDEX tasks_owned ON tasks (owner) WHERE status = 'accepted';
CREATE INDEX tasks_open ON tasks (project, id) WHERE status IN ('offered', 'accepted');
CREATE INDEX tasks_done ON tasks (updated_at) WHERE status IN ('completed', 'cancelled');
