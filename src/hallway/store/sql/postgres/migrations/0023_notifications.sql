-- Notifications of persons: what was sent where, when each person last looked at the list, and tokens to answer from afar.
-- Times are microseconds since 1970, UTC.

-- One row for each item that was begun to be sent through a channel. `state` is sending, waiting (for another attempt), sent,
-- failed or unknown (the sender ended in the middle). `due_at` is the end of the lease while it is being sent, and the time of
-- the next attempt while it waits.
CREATE TABLE notifications (
    person     text COLLATE "C" NOT NULL,
    channel    text COLLATE "C" NOT NULL,
    item_id    text COLLATE "C" NOT NULL,
    state      text COLLATE "C" NOT NULL,
    holder     text COLLATE "C" NOT NULL,
    due_at     bigint NOT NULL,
    attempts   bigint NOT NULL,
    error      text,
    updated_at bigint NOT NULL,
    PRIMARY KEY (person, channel, item_id)
);

CREATE INDEX notifications_age ON notifications (updated_at);

CREATE TABLE attention_looks (
    person    text COLLATE "C" PRIMARY KEY,
    looked_at bigint NOT NULL
);

-- `bearer` is the name of the hub token whose rights the answer has; NULL: the owner of the bus.
CREATE TABLE answer_tokens (
    digest     text COLLATE "C" PRIMARY KEY,
    item_id    text COLLATE "C" NOT NULL,
    bearer     text COLLATE "C",
    expires_at bigint NOT NULL,
    used_at    bigint
);
