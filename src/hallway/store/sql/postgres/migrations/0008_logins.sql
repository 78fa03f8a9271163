-- Logins to the page, one per browser. Only the SHA-256 of a login's secret is kept, as for tokens.
-- `used_at` is NULL for a one-time link that was not opened yet.

CREATE TABLE logins (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    login_id       text COLLATE "C" NOT NULL UNIQUE,
    digest         text COLLATE "C" NOT NULL UNIQUE,
    token_digest   text    NOT NULL,
    token_name     text COLLATE "C" NOT NULL,
    host           text    NOT NULL,
    peer_user      bigint,
    browser        text,
    created_at     bigint NOT NULL,
    used_at        bigint,
    expires_at     bigint NOT NULL,
    last_used_at   bigint,
    last_used_from text
);

CREATE INDEX logins_token ON logins (token_name, id);
