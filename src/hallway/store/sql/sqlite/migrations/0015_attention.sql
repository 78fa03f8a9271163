-- What needs a person: which items are known, dismissed or answered, and what the list is made from.
-- Times are microseconds since 1970, UTC.

-- The time of a session's last act. A server's heartbeat, which only shows that the process runs, does not change it.
ALTER TABLE sessions ADD COLUMN progress_at INTEGER NOT NULL DEFAULT 0;
UPDATE sessions SET progress_at = last_seen;

-- An item that was announced with an event, for as long as it is an item. `item` is the record as JSON, to show it
-- while its answer is under way. `answer_seq` is the message that answers it, `answer_to` the session that it is for.
CREATE TABLE attention (
    item_id      TEXT    PRIMARY KEY,
    item         TEXT    NOT NULL,
    appeared_at  INTEGER NOT NULL,
    dismissed_at INTEGER,
    answered_at  INTEGER,
    answer_seq   INTEGER,
    answer_to    TEXT
) STRICT, WITHOUT ROWID;

-- The messages that may be items: urgent ones, and requests to a person. Only the triggers add them, so no code path can
-- forget it; they are removed once they are settled, so that the list never reads the messages of the past.
CREATE TABLE watched_messages (seq INTEGER PRIMARY KEY) STRICT;

CREATE TRIGGER message_is_watched AFTER INSERT ON messages
WHEN NEW.priority = 'urgent' OR (NEW.type = 'request' AND substr(NEW.to_session, 1, 5) = 'user:') BEGIN
    INSERT INTO watched_messages VALUES (NEW.seq);
END;

CREATE TRIGGER message_is_unwatched AFTER DELETE ON messages BEGIN
    DELETE FROM watched_messages WHERE seq = OLD.seq;
END;

INSERT INTO watched_messages
SELECT seq FROM messages
WHERE priority = 'urgent' OR (type = 'request' AND substr(to_session, 1, 5) = 'user:');
