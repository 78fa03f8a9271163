-- Logins to the page, one per browser. Only the SHA-256 of a login's secret is kept, as for tokens.
-- `used_at` is NULL for a one-time link that was not opened yet.

CREATE TABLE logins (
    id             INTEGER PRIMARY KEY,
    login_id       TEXT    NOT NULL UNIQUE,
    digest         TEXT    NOT NULL UNIQUE,
    token_digest   TEXT    NOT NULL,
    token_name     TEXT    NOT NULL,
    host           TEXT    NOT NULL,
    peer_user      INTEGER,
    browser        TEXT,
    created_at     INTEGER NOT NULL,
    used_at        INTEGER,
    expires_at     INTEGER NOT NULL,
    last_used_at   INTEGER,
    last_used_from TEXT
) STRICT;

CREATE INDEX logins_token ON logins (token_name, id);
