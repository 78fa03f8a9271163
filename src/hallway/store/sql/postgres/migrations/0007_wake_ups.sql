-- Turns that wake-ups started, and the budget that each counts against (M8). Times are microseconds since 1970, UTC.

-- When a message was handed to a client that has not confirmed yet that its agent received it.
ALTER TABLE deliveries ADD COLUMN handed_at bigint;

-- A row for each wake-up, sender and budget. It no longer counts after `refilled_at`, when a person sent a message.
CREATE TABLE wakes (
    wake_id      text COLLATE "C" NOT NULL,
    session_id   text COLLATE "C" NOT NULL,
    from_session text COLLATE "C" NOT NULL,
    budget_id    text COLLATE "C" NOT NULL,
    at           bigint NOT NULL,
    refilled_at  bigint,
    PRIMARY KEY (wake_id, from_session, budget_id)
);

CREATE INDEX wakes_budget ON wakes (budget_id, refilled_at);
CREATE INDEX wakes_session ON wakes (session_id, at);
CREATE INDEX wakes_sender ON wakes (from_session);
CREATE INDEX wakes_age ON wakes (at);

-- The threads that a session began during a turn started by a wake-up: they share that wake-up's budget.
CREATE TABLE shared_budgets (
    thread_id text COLLATE "C" PRIMARY KEY,
    budget_id text COLLATE "C" NOT NULL,
    at        bigint NOT NULL
);

CREATE INDEX shared_budgets_age ON shared_budgets (at);
