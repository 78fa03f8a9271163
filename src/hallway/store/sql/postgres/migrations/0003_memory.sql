-- Shared memory: keys, the versions of their entries, and the full-text index. Times are microseconds since 1970, UTC.

-- One row for every key that was ever set in a project. The row stays when its entries are removed, so that no version
-- number is used twice. entry is the newest version (NULL: deleted); type and expires_at are copied from that version,
-- so that counting entries and finding expired ones reads this table alone.
CREATE TABLE memory_keys (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project      text COLLATE "C" NOT NULL,
    key          text COLLATE "C" NOT NULL,
    last_version bigint NOT NULL DEFAULT 0,
    entry        bigint,
    type         text,
    expires_at   bigint,
    UNIQUE (project, key)
);

CREATE INDEX memory_expiry ON memory_keys (expires_at) WHERE expires_at IS NOT NULL;

-- Every kept version, in the order of writing.
CREATE TABLE memory_entries (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key_id          bigint NOT NULL REFERENCES memory_keys (id),
    version         bigint NOT NULL,
    entry_id        text COLLATE "C" NOT NULL UNIQUE,
    type            text NOT NULL,
    session_id      text COLLATE "C" NOT NULL,
    created_at      bigint NOT NULL,
    expires_at      bigint,
    size_bytes      bigint NOT NULL,
    tags            text NOT NULL DEFAULT '[]',
    metadata        text NOT NULL DEFAULT '{}',
    idempotency_key text COLLATE "C",
    value           text NOT NULL,
    UNIQUE (key_id, version)
);

CREATE UNIQUE INDEX memory_same ON memory_entries (session_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- Only the trigger writes which version of a key is the newest, so no code path can forget it.
CREATE FUNCTION point_to_newest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE memory_keys AS k
        SET last_version = greatest(k.last_version, NEW.version), entry = NEW.id, type = NEW.type,
            expires_at = NEW.expires_at
        WHERE k.id = NEW.key_id
          AND NEW.version > coalesce((SELECT e.version FROM memory_entries AS e WHERE e.id = k.entry), 0);
    ELSE
        UPDATE memory_keys AS k
        SET (entry, type, expires_at) = (
            SELECT e.id, e.type, e.expires_at FROM memory_entries AS e
            WHERE e.key_id = OLD.key_id ORDER BY e.version DESC LIMIT 1)
        WHERE k.id = OLD.key_id AND k.entry = OLD.id;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER memory_newest AFTER INSERT OR DELETE ON memory_entries FOR EACH ROW EXECUTE FUNCTION point_to_newest();

-- The newest version of each key: the words of its key (A), tags (B) and value, and its labels (project, type, author
-- and tags, each as one exact lexeme) that narrow a search without another index.
CREATE TABLE memory_index (
    id    bigint PRIMARY KEY,
    words tsvector NOT NULL
);

CREATE INDEX memory_words ON memory_index USING gin (words);
