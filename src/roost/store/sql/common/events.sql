-- name: events.last_seq
SELECT coalesce(max(seq), 0) FROM events;

-- name: events.count
SELECT count(*), coalesce(max(seq), 0) FROM events WHERE (:project IS NULL OR project = :project);

-- name: events.prune
-- The oldest, in the order in which they were written: readers that resume later than that miss nothing.
DELETE FROM events WHERE seq IN (SELECT seq FROM events ORDER BY seq LIMIT :limit) AND at <= :before RETURNING 1;
