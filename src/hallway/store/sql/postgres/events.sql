-- name: events.append
-- The counter's row stays locked until the commit, so that no event becomes visible before one with a lower seq (E1).
WITH next AS (UPDATE counters SET last = last + 1 WHERE name = 'events' RETURNING last)
INSERT INTO events (seq, at, kind, project, session_id, data)
SELECT last, :now, :kind, :project, :session_id, :data FROM next;

-- name: events.read
-- In order of seq; a kind includes every kind below it (session: session.expired and so on).
SELECT seq, at, kind, project, session_id, data FROM events
WHERE seq > :after
  AND (:project IS NULL OR project = :project)
  AND {is_visible}
  AND (:kinds IS NULL OR EXISTS (
        SELECT 1 FROM json_array_elements_text(:kinds::json) AS wanted
        WHERE kind = wanted OR starts_with(kind, wanted || '.')))
ORDER BY seq LIMIT :limit;
