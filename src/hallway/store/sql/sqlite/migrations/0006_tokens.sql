-- Who may speak: tokens, of which only the SHA-256 is kept, and the one that registered a session.

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

-- A name is one token's at a time; that of a revoked one may be given again.
CREATE UNIQUE INDEX tokens_name ON tokens (name) WHERE revoked_at IS NULL;

-- NULL: whoever owns the bus.
ALTER TABLE sessions ADD COLUMN principal TEXT;
