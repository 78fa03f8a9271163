-- fragment: both_sides
-- A conflict, then each of its two sessions: the fields of a ConflictParty, in order.
c.conflict_id, c.seq, c.project, c.path, c.found_at, c.merge, c.merge_lines, c.merge_files, c.tried_at, c.settled_at,
a.session_id, coalesce(sa.name, ''), a.branch, a.worktree, a.path, a.written_at,
b.session_id, coalesce(sb.name, ''), b.branch, b.worktree, b.path, b.written_at

-- fragment: with_sides
JOIN conflict_parties AS a ON a.conflict_id = c.conflict_id AND a.side = 0
JOIN conflict_parties AS b ON b.conflict_id = c.conflict_id AND b.side = 1
LEFT JOIN sessions AS sa ON sa.session_id = a.session_id
LEFT JOIN sessions AS sb ON sb.session_id = b.session_id

-- name: conflicts.insert
INSERT INTO conflicts (conflict_id, seq, project, repository, place, path, found_at, expires_at)
VALUES (:conflict_id, :seq, :project, :repository, :place, :path, :now, :expires_at);

-- name: conflicts.number
-- The seq of the event that was written last, which is the conflict's.
UPDATE conflicts SET seq = (SELECT max(seq) FROM events) WHERE conflict_id = :conflict_id;

-- name: conflicts.insert_party
INSERT INTO conflict_parties (conflict_id, side, session_id, is_open, worktree, branch, path, written_at)
VALUES (:conflict_id, :side, :session_id, TRUE, :worktree, :branch, :path, :written_at);

-- name: conflicts.between
-- The conflict of two sessions over a file, settled or not.
SELECT c.conflict_id, c.settled_at, c.found_at
FROM conflict_parties AS p JOIN conflicts AS c ON c.conflict_id = p.conflict_id
     JOIN conflict_parties AS o ON o.conflict_id = p.conflict_id AND o.side <> p.side
WHERE p.session_id = :session_id AND o.session_id = :other_id
  AND c.project = :project AND c.place = :place AND c.repository = :repository;

-- name: conflicts.write_again
UPDATE conflict_parties SET written_at = :now, worktree = :worktree, branch = :branch, path = :path
WHERE conflict_id = :conflict_id AND session_id = :session_id;

-- name: conflicts.prolong
UPDATE conflicts SET expires_at = :expires_at WHERE conflict_id = :conflict_id;

-- name: conflicts.count
SELECT count(*) FROM conflict_parties WHERE session_id = :session_id;

-- name: conflicts.get
SELECT {both_sides} FROM conflicts AS c {with_sides} WHERE c.conflict_id = :conflict_id;

-- name: conflicts.find
SELECT {both_sides} FROM (
    SELECT * FROM conflicts
    WHERE settled_at IS NULL AND expires_at > :now AND (:project IS NULL OR project = :project)
      AND (:session_id IS NULL OR conflict_id IN (
            SELECT conflict_id FROM conflict_parties WHERE session_id = :session_id AND is_open))
      AND (:before IS NULL OR seq < :before) AND {is_visible}
    ORDER BY seq DESC LIMIT :limit) AS c
{with_sides}
ORDER BY c.seq DESC;

-- name: conflicts.of_session
SELECT {both_sides} FROM conflicts AS c {with_sides}
WHERE c.conflict_id IN (SELECT conflict_id FROM conflict_parties WHERE session_id = :session_id) ORDER BY c.seq;

-- name: conflicts.of_project
SELECT {both_sides} FROM conflicts AS c {with_sides} WHERE c.project = :project ORDER BY c.seq;

-- name: conflicts.tried
UPDATE conflicts SET merge = :merge, merge_lines = :merge_lines, merge_files = :merge_files, tried_at = :now
WHERE conflict_id = :conflict_id;

-- name: conflicts.where
SELECT project, place, repository FROM conflicts WHERE conflict_id = :conflict_id;

-- name: conflicts.settle
-- It is kept for a while, in which what the two write is no conflict again.
UPDATE conflicts SET settled_at = :now, expires_at = :expires_at WHERE conflict_id = :conflict_id;

-- name: conflicts.close_parties
UPDATE conflict_parties SET is_open = FALSE WHERE conflict_id = :conflict_id;

-- name: conflicts.delete
DELETE FROM conflicts WHERE conflict_id = :conflict_id;

-- name: conflicts.overdue
SELECT {both_sides} FROM conflicts AS c {with_sides}
WHERE c.expires_at <= :now ORDER BY c.expires_at LIMIT :limit;

-- name: conflicts.rewind
-- The clock was set back: none lasts longer from now than from when it was found.
UPDATE conflicts SET expires_at = :expires_at WHERE expires_at > :expires_at;

-- name: conflicts.give
UPDATE conflict_parties SET session_id = :session_id WHERE conflict_id = :conflict_id AND session_id = :continues;

-- name: conflicts.move
-- Those whose sessions have both moved to another project.
UPDATE conflicts SET project = :to_project
WHERE project = :from_project AND NOT EXISTS (
    SELECT 1 FROM conflict_parties AS p JOIN sessions AS s ON s.session_id = p.session_id
    WHERE p.conflict_id = conflicts.conflict_id AND s.project <> :to_project);
