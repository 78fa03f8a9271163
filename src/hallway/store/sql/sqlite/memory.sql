-- name: memory.entries
-- The entries with the ids of a JSON list, in the list's order.
SELECT entry_id, k.key, e.type, e.value, version, tags, session_id, project, created_at, e.expires_at, metadata
FROM json_each(:ids) AS wanted
JOIN memory_entries AS e ON e.id = wanted.value JOIN memory_keys AS k ON k.id = e.key_id
ORDER BY wanted.key;

-- name: memory.in_key_order
-- The newest entries whose keys are in a range and match a glob.
SELECT entry, key, e.size_bytes
FROM memory_keys AS k JOIN memory_entries AS e ON e.id = k.entry
WHERE k.project = :project AND k.key >= :low AND k.key < coalesce(:high, x'') AND k.key > :after AND k.key GLOB :pattern
  AND (k.expires_at IS NULL OR k.expires_at > :now)
ORDER BY k.key LIMIT :limit;

-- name: memory.newest_first
-- The newest entries with these labels.
SELECT e.id, e.size_bytes
FROM memory_index AS i JOIN memory_entries AS e ON e.id = i.rowid
WHERE memory_index MATCH :match AND i.rowid < :after_id
  AND (e.expires_at IS NULL OR e.expires_at > :now)
  AND (:pattern IS NULL OR (SELECT key FROM memory_keys WHERE id = e.key_id) GLOB :pattern)
ORDER BY i.rowid DESC LIMIT :limit;

-- name: memory.by_relevance
-- Ranks only the newest matches: a word that is in every entry would else make it rank every entry.
SELECT id, score, size_bytes FROM (
    SELECT e.id AS id, e.size_bytes AS size_bytes, relevance(memory_index, :weights) AS score
    FROM memory_index JOIN memory_entries AS e ON e.id = memory_index.rowid
    WHERE memory_index MATCH :match
      AND (e.expires_at IS NULL OR e.expires_at > :now)
      AND (:pattern IS NULL OR (SELECT key FROM memory_keys WHERE id = e.key_id) GLOB :pattern)
    ORDER BY memory_index.rowid DESC LIMIT :candidates)
WHERE score < :after_score OR (score = :after_score AND id < :after_id)
ORDER BY score DESC, id DESC LIMIT :limit;

-- name: memory.count_matches
SELECT count(*) FROM (SELECT 1 FROM memory_index WHERE memory_index MATCH :match LIMIT :most);

-- name: memory.index_drop
DELETE FROM memory_index WHERE rowid = :id;

-- name: memory.index_add
INSERT INTO memory_index (rowid, key, tags, text, labels) VALUES (:id, :key, :tags, :text, :labels);
