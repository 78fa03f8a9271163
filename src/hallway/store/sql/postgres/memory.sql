-- name: memory.entries
-- The entries with the ids of a JSON list, in the list's order.
SELECT entry_id, k.key, e.type, e.value, version, tags, session_id, project, created_at, e.expires_at, metadata
FROM json_array_elements_text(:ids::json) WITH ORDINALITY AS wanted (id, place)
JOIN memory_entries AS e ON e.id = wanted.id::bigint JOIN memory_keys AS k ON k.id = e.key_id
ORDER BY place;

-- name: memory.in_key_order
-- The newest entries whose keys are in a range and match a glob (given as a regular expression).
SELECT entry, key, e.size_bytes
FROM memory_keys AS k JOIN memory_entries AS e ON e.id = k.entry
WHERE k.project = :project AND k.key >= :low AND (:high IS NULL OR k.key < :high) AND k.key > :after::text
  AND k.key ~ :pattern
  AND (k.expires_at IS NULL OR k.expires_at > :now)
ORDER BY k.key LIMIT :limit;

-- name: memory.newest_first
-- The newest entries with these labels.
SELECT e.id, e.size_bytes
FROM memory_index AS i JOIN memory_entries AS e ON e.id = i.id
WHERE i.words @@ :match::tsquery AND i.id < :after_id::bigint
  AND (e.expires_at IS NULL OR e.expires_at > :now)
  AND (:pattern IS NULL OR (SELECT key FROM memory_keys WHERE id = e.key_id) ~ :pattern)
ORDER BY i.id DESC LIMIT :limit;

-- name: memory.by_relevance
-- Ranks only the newest matches: a word that is in every entry would else make it rank every entry. A word's rank rises
-- with the number of its positions and falls with the length of the text; rare words have more weight.
SELECT id, score, size_bytes FROM (
    SELECT found.id, found.size_bytes, (
        SELECT sum(asked.weight * ts_rank('{0.05, 0.25, 0.5, 1}', found.words, asked.word, 1))
        FROM unnest(:asked::tsquery[], :weights::double precision[]) AS asked (word, weight)) AS score
    FROM (
        SELECT e.id, e.size_bytes, i.words
        FROM memory_index AS i JOIN memory_entries AS e ON e.id = i.id
        WHERE i.words @@ :match::tsquery
          AND (e.expires_at IS NULL OR e.expires_at > :now)
          AND (:pattern IS NULL OR (SELECT key FROM memory_keys WHERE id = e.key_id) ~ :pattern)
        ORDER BY i.id DESC LIMIT :candidates) AS found) AS ranked
WHERE score < :after_score OR (score = :after_score AND id < :after_id::bigint)
ORDER BY score DESC, id DESC LIMIT :limit;

-- name: memory.count_matches
SELECT count(*) FROM (SELECT 1 FROM memory_index WHERE words @@ :match::tsquery LIMIT :most) AS counted;

-- name: memory.index_drop
DELETE FROM memory_index WHERE id = :id;

-- name: memory.index_add
INSERT INTO memory_index (id, words) VALUES (:id, :words::tsvector);
