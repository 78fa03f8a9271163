-- name: events.last_seq
SELECT coalesce(max(seq), 0) FROM events;

-- name: events.last_visible_seq
-- The last seq among the events of the projects in a JSON list.
SELECT coalesce(max((SELECT max(seq) FROM events WHERE project = wanted.value)), 0)
FROM json_each(:visible) AS wanted;

-- name: events.count
SELECT count(*), coalesce(max(seq), 0) FROM events
WHERE (:project IS NULL OR project = :project)
  AND {is_visible};

-- name: events.prune
-- Deletes the oldest events in order of seq, so that a reader that resumes after the deleted ones misses nothing.
DELETE FROM events WHERE seq IN (SELECT seq FROM events ORDER BY seq LIMIT :limit) AND at <= :before RETURNING 1;
