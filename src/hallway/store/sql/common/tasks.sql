-- name: tasks.insert
INSERT INTO tasks (task_id, project, subject, body, data, status, address, offered_by, offered_to, owner,
                   created_at, updated_at)
VALUES (:task_id, :project, :subject, :body, :data, :status, :offered_to, :offered_by, :offered_to, :owner, :now, :now);

-- name: tasks.get
SELECT task_id, project, subject, body, data, status, offered_by, offered_to, owner, result, created_at, updated_at
FROM tasks WHERE task_id = :task_id;

-- name: tasks.hand_off
-- T2: offered to another, while the owner stays the owner.
UPDATE tasks SET offered_to = :to_session, updated_at = :now
WHERE task_id = :task_id AND status = 'accepted' AND owner = :session_id
RETURNING project;

-- name: tasks.complete
UPDATE tasks SET status = 'completed', offered_to = NULL, result = :result, updated_at = :now
WHERE task_id = :task_id AND status = 'accepted' AND owner = :session_id
RETURNING project;

-- name: tasks.cancel
-- By who offered it, who owns it, or a person.
UPDATE tasks SET status = 'cancelled', offered_to = NULL, result = :reason, updated_at = :now
WHERE task_id = :task_id AND status IN ('offered', 'accepted')
  AND (:session_id IN (offered_by, owner) OR substr(:session_id, 1, 5) = 'user:')
RETURNING project;

-- name: tasks.reoffer
-- T3: what a session had accepted, to whom it was offered first; to everybody where that was one recipient.
UPDATE tasks
SET status = 'offered', owner = NULL, updated_at = :now,
    offered_to = CASE WHEN offered_to IS NULL AND substr(address, 1, 11) = 'capability:' THEN address ELSE '*' END
WHERE owner = :session_id AND status = 'accepted'
RETURNING task_id;

-- name: tasks.reoffer_unaccepted
-- T3: what was offered to one session that is gone before it accepted: to everybody.
UPDATE tasks SET offered_to = '*', updated_at = :now
WHERE offered_to = :session_id AND status = 'offered'
RETURNING task_id;

-- name: tasks.return_handoffs
-- T3: what was handed to a session that is gone before it accepted stays its owner's.
UPDATE tasks SET offered_to = NULL, updated_at = :now
WHERE offered_to = :session_id AND status = 'accepted'
RETURNING task_id;

-- name: tasks.find
-- Newest first, of those that the caller sees.
SELECT task_id, project, subject, body, data, status, offered_by, offered_to, owner, result, created_at, updated_at
FROM tasks
WHERE (:include_done OR status IN ('offered', 'accepted'))
  AND (:status IS NULL OR status = :status)
  AND (:project IS NULL OR project = :project)
  AND (:owner IS NULL OR owner = :owner)
  AND (:visible IS NULL OR project IN (SELECT value FROM json_each(:visible))
       OR :person IN (offered_by, offered_to, owner)
       OR EXISTS (SELECT 1 FROM sessions AS s WHERE s.session_id IN (offered_by, offered_to, owner)
                  AND s.project IN (SELECT value FROM json_each(:visible))))
  AND (:after_id IS NULL OR id < (SELECT id FROM tasks WHERE task_id = :after_id AND (:visible IS NULL OR project IN (SELECT value FROM json_each(:visible))
       OR :person IN (offered_by, offered_to, owner)
       OR EXISTS (SELECT 1 FROM sessions AS s WHERE s.session_id IN (offered_by, offered_to, owner)
                  AND s.project IN (SELECT value FROM json_each(:visible))))))
ORDER BY id DESC LIMIT :limit;

-- name: tasks.counts
SELECT status, count(*) FROM tasks
WHERE (:project IS NULL OR project = :project)
  AND (:visible IS NULL OR project IN (SELECT value FROM json_each(:visible)))
GROUP BY status;

-- name: tasks.ids
-- For near matches: the newest ids, of those that the caller sees. However many there are, it looks at a hundred.
SELECT task_id FROM (SELECT task_id, project FROM tasks ORDER BY id DESC LIMIT 50) AS newest
WHERE :visible IS NULL OR project IN (SELECT value FROM json_each(:visible))
UNION
SELECT task_id FROM (
    SELECT task_id FROM tasks
    WHERE status IN ('offered', 'accepted') AND project IN (SELECT value FROM json_each(:visible)) LIMIT 50) AS own;
