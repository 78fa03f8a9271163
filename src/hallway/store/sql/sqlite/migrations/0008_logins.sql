-- Who is logged in to the page: sessions of a browser, of whose secret only the SHA-256 is kept, as of a token's.
-- `used_at` is NULL for a one-time link that nobody has followed yet.

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
