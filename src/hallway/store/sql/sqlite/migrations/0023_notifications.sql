-- Notifications of persons: what was sent where, when each person last looked at the list, and tokens to answer from afar.
-- Times are microseconds since 1970, UTC.

-- One row for each item that was begun to be sent through a channel. `state` is sending, waiting (for another attempt), sent,
-- failed or unknown (the sender ended in the middle). `due_at` is the end of the lease while it is being sent, and the time of
-- the next attempt while it waits.
CREATE TABLE notifications (
    person     TEXT    NOT NULL,
    channel    TEXT    NOT NULL,
    item_id    TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    holder     TEXT    NOT NULL,
    due_at     INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    error      TEXT,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (person, channel, item_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX notifications_age ON notifications (updated_at);

CREATE TABLE attention_looks (
    person    TEXT    PRIMARY KEY,
    looked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `bearer` is the name of the hub token whose rights the answer has; NULL: the owner of the bus.
CREATE TABLE answer_tokens (
    digest     TEXT    PRIMARY KEY,
    item_id    TEXT    NOT NULL,
    bearer     TEXT,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT, WITHOUT ROWID;
