-- name: files.touch
INSERT INTO files (project, path, session_id, at, repository, place, relative, worktree, branch, ignores_case)
VALUES (:project, :path, :session_id, :now, :repository, :place, :relative, :worktree, :branch, :ignores_case)
ON CONFLICT (project, path, session_id) DO UPDATE
SET at = excluded.at, repository = excluded.repository, place = excluded.place, relative = excluded.relative,
    worktree = excluded.worktree, branch = excluded.branch, ignores_case = excluded.ignores_case
WHERE excluded.at >= files.at;

-- name: files.keep
-- Keeps only the newest files of a session, so that a session that rewrites a whole tree does not fill the disk.
DELETE FROM files WHERE session_id = :session_id AND at < (
    SELECT at FROM files WHERE session_id = :session_id ORDER BY at DESC LIMIT 1 OFFSET :most - 1);

-- name: files.rewind
-- The clock was set back: what was written at a time that is now in the future was written by now.
UPDATE files SET at = :now WHERE at > :now;

-- name: files.writers
-- The live sessions of a project that have written a file since a time, the last first.
SELECT f.session_id, f.relative, f.ignores_case, f.worktree, f.branch, f.path, f.at
FROM files AS f JOIN sessions AS s ON s.session_id = f.session_id
WHERE f.project = :project AND f.place = :place AND f.repository = :repository AND f.at > :since
  AND f.session_id <> :session_id AND s.project = :project AND s.ended_at IS NULL AND s.expires_at > :now
ORDER BY f.at DESC LIMIT :most;

-- name: files.drop_shared
-- The rows of a session for files that the one that goes on for it has written, too.
DELETE FROM files WHERE session_id = :continues
  AND (project, path) IN (SELECT project, path FROM files WHERE session_id = :session_id);

-- name: files.give
UPDATE files SET session_id = :session_id WHERE session_id = :continues;

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
