-- Tokens, of which only the SHA-256 is kept, and for each session the token that registered it.

CREATE TABLE tokens (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name           text COLLATE "C" NOT NULL,
    digest         text COLLATE "C" NOT NULL UNIQUE,
    role           text NOT NULL CHECK (role IN ('observer', 'agent', 'admin')),
    projects       text,
    created_at     bigint NOT NULL,
    expires_at     bigint,
    revoked_at     bigint,
    last_used_at   bigint,
    last_used_from text
);

-- No two valid tokens have one name; the name of a revoked token may be used again.
CREATE UNIQUE INDEX tokens_name ON tokens (name) WHERE revoked_at IS NULL;

-- NULL: the bus's owner registered the session.
ALTER TABLE sessions ADD COLUMN principal text COLLATE "C";
