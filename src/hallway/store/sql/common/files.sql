-- name: files.touch
INSERT INTO files (project, path, session_id, at) VALUES (:project, :path, :session_id, :now)
ON CONFLICT (project, path, session_id) DO UPDATE SET at = excluded.at WHERE excluded.at > files.at;

-- name: files.keep
-- Keeps only the newest files of a session, so that a session that rewrites a whole tree does not fill the disk.
DELETE FROM files WHERE session_id = :session_id AND at < (
    SELECT at FROM files WHERE session_id = :session_id ORDER BY at DESC LIMIT 1 OFFSET :most - 1);

-- name: files.touched
SELECT project, path, session_id, at FROM files
WHERE (:project IS NULL OR project = :project) AND (:path IS NULL OR path = :path)
  AND (:session_id IS NULL OR session_id = :session_id) AND at >= :since
  AND {is_visible}
ORDER BY at DESC, path, session_id LIMIT :limit;

-- name: files.prune
DELETE FROM files WHERE (project, path, session_id) IN (
    SELECT project, path, session_id FROM files WHERE at <= :before ORDER BY at LIMIT :limit)
RETURNING 1;
