-- name: events.append
INSERT INTO events (at, kind, project, session_id, data) VALUES (:now, :kind, :project, :session_id, :data);

-- name: events.read
-- In order of seq; a kind includes every kind below it (session: session.expired and so on).
SELECT seq, at, kind, project, session_id, data FROM events
WHERE seq > :after
  AND (:project IS NULL OR project = :project)
  AND {is_visible}
  AND (:kinds IS NULL OR EXISTS (
        SELECT 1 FROM json_each(:kinds) AS wanted
        WHERE kind = wanted.value OR substr(kind, 1, length(wanted.value) + 1) = wanted.value || '.'))
ORDER BY seq LIMIT :limit;
