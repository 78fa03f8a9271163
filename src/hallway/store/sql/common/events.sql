-- name: events.last_seq
SELECT coalesce(max(seq), 0) FROM events;

-- name: events.last_visible_seq
-- Of the projects of a JSON list.
SELECT coalesce(max((SELECT max(seq) FROM events WHERE project = wanted.value)), 0)
FROM json_each(:visible) AS wanted;

-- name: events.count
SELECT count(*), coalesce(max(seq), 0) FROM events
WHERE (:project IS NULL OR project = :project)
  AND (:visible IS NULL OR project IN (SELECT value FROM json_each(:visible)));

-- name: events.prune
-- The oldest, in the order in which they were written: readers that resume later than that miss nothing.
DELETE FROM events WHERE seq IN (SELECT seq FROM events ORDER BY seq LIMIT :limit) AND at <= :before RETURNING 1;
