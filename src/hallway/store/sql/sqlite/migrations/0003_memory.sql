-- Shared memory: keys, the versions of their entries, and the full-text index. Times are microseconds since 1970, UTC.

-- One row for every key that was ever set in a project; it stays when its entries go, so that a version number is
-- never given out twice. entry is the newest version (NULL: deleted); type and expires_at are copies of that
-- version's, so that counting and finding what has expired touch this table alone.
CREATE TABLE memory_keys (
    id           INTEGER PRIMARY KEY,
    project      TEXT    NOT NULL,
    key          TEXT    NOT NULL,
    last_version INTEGER NOT NULL DEFAULT 0,
    entry        INTEGER,
    type         TEXT,
    expires_at   INTEGER,
    UNIQUE (project, key)
) STRICT;

CREATE INDEX memory_expiry ON memory_keys (expires_at) WHERE expires_at IS NOT NULL;

-- Every version kept, in the order of writing; the value is last, so that reading the rest never pages through it.
CREATE TABLE memory_entries (
    id              INTEGER PRIMARY KEY,
    key_id          INTEGER NOT NULL REFERENCES memory_keys (id),
    version         INTEGER NOT NULL,
    entry_id        TEXT    NOT NULL UNIQUE,
    type            TEXT    NOT NULL,
    session_id      TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER,
    size_bytes      INTEGER NOT NULL,
    tags            TEXT    NOT NULL DEFAULT '[]',
    metadata        TEXT    NOT NULL DEFAULT '{}',
    idempotency_key TEXT,
    value           TEXT    NOT NULL,
    UNIQUE (key_id, version)
) STRICT;

CREATE UNIQUE INDEX memory_same ON memory_entries (session_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- The triggers alone say which version is a key's newest, so no code path can forget.
CREATE TRIGGER memory_entry_arrives AFTER INSERT ON memory_entries BEGIN
    UPDATE memory_keys
    SET last_version = max(last_version, NEW.version), entry = NEW.id, type = NEW.type, expires_at = NEW.expires_at
    WHERE id = NEW.key_id AND NEW.version > coalesce((SELECT version FROM memory_entries WHERE id = entry), 0);
END;

CREATE TRIGGER memory_entry_goes AFTER DELETE ON memory_entries BEGIN
    UPDATE memory_keys
    SET (entry, type, expires_at) = (
        SELECT id, type, expires_at FROM memory_entries WHERE key_id = OLD.key_id ORDER BY version DESC LIMIT 1)
    WHERE id = OLD.key_id AND entry = OLD.id;
END;

-- The newest version of each key: its key, tags and value with their compound words taken apart, and its labels
-- (project, type, author and tags, each as one exact word) by which finds are narrowed without another index.
-- rowid is the entry's id, so the highest is the newest. It keeps no text, only words.
CREATE VIRTUAL TABLE memory_index USING fts5 (
    key, tags, text, labels,
    content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);
