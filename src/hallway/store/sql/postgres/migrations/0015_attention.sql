-- What needs a person: which items are known, dismissed or answered, and what the list is made from.
-- Times are microseconds since 1970, UTC.

-- The time of a session's last act. A server's heartbeat, which only shows that the process runs, does not change it.
ALTER TABLE sessions ADD COLUMN progress_at bigint NOT NULL DEFAULT 0;
UPDATE sessions SET progress_at = last_seen;

-- An item that was announced with an event, for as long as it is an item. `item` is the record as JSON, to show it
-- while its answer is under way. `answer_seq` is the message that answers it, `answer_to` the session that it is for.
CREATE TABLE attention (
    item_id      text COLLATE "C" PRIMARY KEY,
    item         text NOT NULL,
    appeared_at  bigint NOT NULL,
    dismissed_at bigint,
    answered_at  bigint,
    answer_seq   bigint,
    answer_to    text COLLATE "C"
);

-- The messages that may be items: urgent ones, and requests to a person. Only the triggers add them, so no code path can
-- forget it; they are removed once they are settled, so that the list never reads the messages of the past.
CREATE TABLE watched_messages (seq bigint PRIMARY KEY);

CREATE FUNCTION watch_message() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO watched_messages VALUES (NEW.seq);
    ELSE
        DELETE FROM watched_messages WHERE seq = OLD.seq;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER message_is_watched AFTER INSERT ON messages FOR EACH ROW
WHEN (NEW.priority = 'urgent' OR (NEW.type = 'request' AND substr(NEW.to_session, 1, 5) = 'user:'))
EXECUTE FUNCTION watch_message();

CREATE TRIGGER message_is_unwatched AFTER DELETE ON messages FOR EACH ROW
WHEN (OLD.priority = 'urgent' OR (OLD.type = 'request' AND substr(OLD.to_session, 1, 5) = 'user:'))
EXECUTE FUNCTION watch_message();

INSERT INTO watched_messages
SELECT seq FROM messages
WHERE priority = 'urgent' OR (type = 'request' AND substr(to_session, 1, 5) = 'user:');
