-- Who may speak: tokens, of which only the SHA-256 is kept, and the one that registered a session.

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

-- A name is one token's at a time; that of a revoked one may be given again.
CREATE UNIQUE INDEX tokens_name ON tokens (name) WHERE revoked_at IS NULL;

-- NULL: whoever owns the bus.
ALTER TABLE sessions ADD COLUMN principal text COLLATE "C";
