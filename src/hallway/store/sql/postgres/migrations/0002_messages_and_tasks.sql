-- Messages, their delivery to each recipient, and tasks.

INSERT INTO counters VALUES ('messages', 0);

CREATE TABLE messages (
    seq             bigint PRIMARY KEY,
    message_id      text COLLATE "C" NOT NULL UNIQUE,
    thread_id       text COLLATE "C" NOT NULL,
    in_reply_to     text COLLATE "C",
    task_id         text COLLATE "C",
    type            text NOT NULL,
    from_session    text COLLATE "C" NOT NULL,
    to_session      text COLLATE "C" NOT NULL,
    project         text COLLATE "C" NOT NULL,
    subject         text NOT NULL,
    body            text NOT NULL,
    data            text NOT NULL DEFAULT '{}',
    priority        text NOT NULL,
    sent_at         bigint NOT NULL,
    expires_at      bigint,
    idempotency_key text COLLATE "C",
    digest          bigint NOT NULL
);

CREATE UNIQUE INDEX messages_key ON messages (from_session, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX messages_thread ON messages (thread_id) WHERE thread_id <> message_id;
CREATE INDEX messages_expiry ON messages (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX messages_digest ON messages (digest, sent_at);
CREATE INDEX messages_broadcast ON messages (project, seq) WHERE to_session = '*';

-- One row for each recipient of a message. Two indexes find a recipient's unacknowledged and its acknowledged messages
-- in order of seq, at a cost independent of the bus's size.
CREATE TABLE deliveries (
    seq             bigint NOT NULL,
    recipient       text COLLATE "C" NOT NULL,
    expires_at      bigint,
    injected_at     bigint,
    acknowledged_at bigint,
    PRIMARY KEY (seq, recipient)
) WITH (fillfactor = 80);

CREATE INDEX deliveries_inbox ON deliveries (recipient, seq, expires_at) WHERE acknowledged_at IS NULL;
CREATE INDEX deliveries_read ON deliveries (recipient, seq) WHERE acknowledged_at IS NOT NULL;

-- The number and total size of all messages, so that no statement has to count them. Only the triggers write it.
CREATE TABLE message_totals (
    project    text COLLATE "C" NOT NULL,
    type       text NOT NULL,
    total      bigint NOT NULL,
    size_bytes bigint NOT NULL,
    PRIMARY KEY (project, type)
) WITH (fillfactor = 20);

CREATE FUNCTION count_message() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO message_totals
        VALUES (NEW.project, NEW.type, 1, octet_length(NEW.subject) + octet_length(NEW.body) + octet_length(NEW.data))
        ON CONFLICT (project, type) DO UPDATE
        SET total = message_totals.total + 1, size_bytes = message_totals.size_bytes + excluded.size_bytes;
    ELSE
        DELETE FROM deliveries WHERE seq = OLD.seq;
        UPDATE message_totals
        SET total = total - 1,
            size_bytes = size_bytes - octet_length(OLD.subject) - octet_length(OLD.body) - octet_length(OLD.data)
        WHERE project = OLD.project AND type = OLD.type;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER message_counts AFTER INSERT OR DELETE ON messages FOR EACH ROW EXECUTE FUNCTION count_message();

-- Until when a sender has used up its rate limit to an address (M8). A row whose time has passed has no effect.
CREATE TABLE pairs (
    from_session text COLLATE "C" NOT NULL,
    to_session   text COLLATE "C" NOT NULL,
    used_until   bigint NOT NULL,
    PRIMARY KEY (from_session, to_session)
) WITH (fillfactor = 50);

CREATE TABLE tasks (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id    text COLLATE "C" NOT NULL UNIQUE,
    project    text COLLATE "C" NOT NULL,
    subject    text NOT NULL,
    body       text NOT NULL,
    data       text NOT NULL DEFAULT '{}',
    status     text NOT NULL CHECK (status IN ('offered', 'accepted', 'completed', 'cancelled')),
    address    text NOT NULL,
    offered_by text COLLATE "C" NOT NULL,
    offered_to text COLLATE "C",
    owner      text COLLATE "C",
    result     text,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    CHECK (status <> 'offered' OR (owner IS NULL AND offered_to IS NOT NULL)),
    CHECK (status <> 'accepted' OR owner IS NOT NULL)
);

CREATE INDEX tasks_owned ON tasks (owner) WHERE status = 'accepted';
CREATE INDEX tasks_open ON tasks (project, id) WHERE status IN ('offered', 'accepted');
CREATE INDEX tasks_done ON tasks (updated_at) WHERE status IN ('completed', 'cancelled');
