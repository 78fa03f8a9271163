-- name: memory.key_row
-- A key's row, even if the key has no entry now.
SELECT id, last_version, entry, expires_at FROM memory_keys WHERE project = :project AND key = :key;

-- name: memory.key_row_of
SELECT entry, expires_at FROM memory_keys WHERE id = :key_id;

-- name: memory.add_key
INSERT INTO memory_keys (project, key) VALUES (:project, :key) RETURNING id;

-- name: memory.insert
INSERT INTO memory_entries (key_id, version, entry_id, type, session_id, created_at, expires_at, size_bytes, tags,
                            metadata, value, idempotency_key)
VALUES (:key_id, :version, :entry_id, :type, :session_id, :now, :expires_at, :size_bytes, :tags, :metadata, :value,
        :idempotency_key)
RETURNING id;

-- name: memory.trim
-- R4: deletes the versions beyond the number that is kept.
DELETE FROM memory_entries WHERE key_id = :key_id AND version <= :until;

-- name: memory.forget
-- Every version of a key, or only one session's.
DELETE FROM memory_entries WHERE key_id = :key_id AND (:session_id IS NULL OR session_id = :session_id)
RETURNING expires_at;

-- name: memory.has
SELECT 1 FROM memory_entries WHERE entry_id = :entry_id;

-- name: memory.has_version
SELECT 1 FROM memory_entries WHERE key_id = :key_id AND version = :version;

-- name: memory.count_on
UPDATE memory_keys SET last_version = :last_version WHERE id = :key_id AND last_version < :last_version RETURNING id;

-- name: memory.expired
SELECT id FROM memory_keys WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit;

-- name: memory.project_keys
-- The keys of a project that have a readable entry now, or one of a given session.
SELECT id FROM memory_keys AS k
WHERE project = :project AND entry IS NOT NULL AND (expires_at IS NULL OR expires_at > :now)
  AND (:session_id IS NULL OR EXISTS (
        SELECT 1 FROM memory_entries AS e
        WHERE key_id = k.id AND session_id = :session_id AND (e.expires_at IS NULL OR e.expires_at > :now)))
LIMIT :limit;

-- name: memory.get
SELECT entry_id, key, e.type, value, version, tags, session_id, project, created_at, e.expires_at, metadata
FROM memory_keys AS k JOIN memory_entries AS e ON e.id = k.entry
WHERE k.project = :project AND k.key = :key AND (k.expires_at IS NULL OR k.expires_at > :now);

-- name: memory.same
-- The entry that a session wrote earlier with the same idempotency key.
SELECT entry_id, key, e.type, value, version, tags, session_id, project, created_at, e.expires_at, metadata
FROM memory_entries AS e JOIN memory_keys AS k ON k.id = e.key_id
WHERE session_id = :session_id AND idempotency_key = :idempotency_key;

-- name: memory.history
-- The ids and sizes of a live key's live versions, newest first.
SELECT e.id, e.size_bytes
FROM memory_keys AS k JOIN memory_entries AS e ON e.key_id = k.id
WHERE k.project = :project AND k.key = :key AND (k.expires_at IS NULL OR k.expires_at > :now)
  AND (e.expires_at IS NULL OR e.expires_at > :now)
  AND (:before_version IS NULL OR version < :before_version)
ORDER BY version DESC LIMIT :limit;

-- name: memory.count_texts
-- The number of keys with an entry, of all projects or of one; counts no further than `most`.
SELECT count(*) FROM (
    SELECT 1 FROM memory_keys WHERE entry IS NOT NULL AND (:project IS NULL OR project = :project) LIMIT :most) AS counted;

-- name: memory.counts
-- The number of live entries of each type.
SELECT type, count(*) FROM memory_keys
WHERE entry IS NOT NULL AND (expires_at IS NULL OR expires_at > :now) AND (:project IS NULL OR project = :project)
  AND {is_visible}
GROUP BY type ORDER BY type;
