-- Turns that wake-ups started, and the budget that each counts against (M8). Times are microseconds since 1970, UTC.

-- When a message was handed to a client that has not confirmed yet that its agent received it.
ALTER TABLE deliveries ADD COLUMN handed_at INTEGER;

-- A row for each wake-up, sender and budget. It no longer counts after `refilled_at`, when a person sent a message.
CREATE TABLE wakes (
    wake_id      TEXT    NOT NULL,
    session_id   TEXT    NOT NULL,
    from_session TEXT    NOT NULL,
    budget_id    TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    refilled_at  INTEGER,
    PRIMARY KEY (wake_id, from_session, budget_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX wakes_budget ON wakes (budget_id, refilled_at);
CREATE INDEX wakes_session ON wakes (session_id, at);
CREATE INDEX wakes_sender ON wakes (from_session);
CREATE INDEX wakes_age ON wakes (at);

-- The threads that a session began during a turn started by a wake-up: they share that wake-up's budget.
CREATE TABLE shared_budgets (
    thread_id TEXT    PRIMARY KEY,
    budget_id TEXT    NOT NULL,
    at        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX shared_budgets_age ON shared_budgets (at);
