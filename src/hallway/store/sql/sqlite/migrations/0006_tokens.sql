-- Tokens, of which only the SHA-256 is kept, and for each session the token that registered it.

CREATE TABLE tokens (
    id             INTEGER PRIMARY KEY,
    name           TEXT    NOT NULL,
    digest         TEXT    NOT NULL UNIQUE,
    role           TEXT    NOT NULL CHECK (role IN ('observer', 'agent', 'admin')),
    projects       TEXT,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER,
    revoked_at     INTEGER,
    last_used_at   INTEGER,
    last_used_from TEXT
) STRICT;

-- No two valid tokens have one name; the name of a revoked token may be used again.
CREATE UNIQUE INDEX tokens_name ON tokens (name) WHERE revoked_at IS NULL;

-- NULL: the bus's owner registered the session.
ALTER TABLE sessions ADD COLUMN principal TEXT;
