-- Shared memory: keys, the versions of their entries, and the full-text index. Times are microseconds since 1970, UTC.

-- One row for every key that was ever set in a project. The row stays when its entries are removed, so that no version
-- number is used twice. entry is the newest version (NULL: deleted); type and expires_at are copied from that version,
-- so that counting entries and finding expired ones reads this table alone.
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

-- Every kept version, in the order of writing. value is the last column: reading the others then skips its pages.
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

-- Only the triggers write which version of a key is the newest, so no code path can forget it.
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
-- (project, type, author and tags, each as one exact word) that narrow a search without another index.
-- rowid is the entry's id, so the highest rowid is the newest entry. The index keeps words, not texts.
CREATE VIRTUAL TABLE memory_index USING fts5 (
    key, tags, text, labels,
    content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);
