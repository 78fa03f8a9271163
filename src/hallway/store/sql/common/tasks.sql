-- fragment: task_columns
-- The fields of a Task, in order.
task_id, project, subject, body, data, status, offered_by, offered_to, owner, result, created_at, updated_at

-- fragment: task_is_visible
(:visible IS NULL OR project IN (SELECT value FROM json_each(:visible))
    OR :person IN (offered_by, offered_to, owner)
    OR EXISTS (SELECT 1 FROM sessions AS s WHERE s.session_id IN (offered_by, offered_to, owner)
               AND s.project IN (SELECT value FROM json_each(:visible))))

-- name: tasks.insert
INSERT INTO tasks (task_id, project, subject, body, data, status, address, offered_by, offered_to, owner,
                   created_at, updated_at)
VALUES (:task_id, :project, :subject, :body, :data, :status, :offered_to, :offered_by, :offered_to, :owner, :now, :now);

-- name: tasks.get
SELECT {task_columns}
FROM tasks WHERE task_id = :task_id;

-- name: tasks.hand_off
-- T2: offers an accepted task to another session; the owner stays the owner until that session accepts.
UPDATE tasks SET offered_to = :to_session, updated_at = :now
WHERE task_id = :task_id AND status = 'accepted' AND owner = :session_id
RETURNING project;

-- name: tasks.take_back
-- T2: the owner keeps a task that it has handed to another session and that nobody has accepted since.
UPDATE tasks SET offered_to = NULL, updated_at = :now
WHERE task_id = :task_id AND status = 'accepted' AND owner = :session_id AND offered_to IS NOT NULL
RETURNING project;

-- name: tasks.complete
UPDATE tasks SET status = 'completed', offered_to = NULL, result = :result, updated_at = :now
WHERE task_id = :task_id AND status = 'accepted' AND owner = :session_id
RETURNING project;

-- name: tasks.cancel
-- Cancels a task; only the session that offered it, its owner, or a person may do so.
UPDATE tasks SET status = 'cancelled', offered_to = NULL, result = :reason, updated_at = :now
WHERE task_id = :task_id AND status IN ('offered', 'accepted')
  AND (:session_id IN (offered_by, owner) OR substr(:session_id, 1, 5) = 'user:')
RETURNING project;

-- name: tasks.reoffer
-- T3: offers a session's accepted tasks again, to their first address; to everybody if that was a single recipient.
UPDATE tasks
SET status = 'offered', owner = NULL, former_owner = :session_id, updated_at = :now,
    offered_to = CASE WHEN offered_to IS NULL AND (substr(address, 1, 11) = 'capability:'
        OR substr(address, 1, 5) = 'type:' OR substr(address, 1, 7) = 'branch:') THEN address ELSE '*' END
WHERE owner = :session_id AND status = 'accepted'
RETURNING task_id;

-- name: tasks.reoffer_unaccepted
-- T3: a task offered to one session that ended before accepting it is offered to everybody.
UPDATE tasks SET offered_to = '*', updated_at = :now
WHERE offered_to = :session_id AND status = 'offered'
RETURNING task_id;

-- name: tasks.return_handoffs
-- T3: a task handed to a session that ended before accepting it stays with its owner.
UPDATE tasks SET offered_to = NULL, updated_at = :now
WHERE offered_to = :session_id AND status = 'accepted'
RETURNING task_id;

-- name: tasks.find
-- Newest first; only tasks that the caller may see.
SELECT {task_columns}
FROM tasks
WHERE (:include_done OR status IN ('offered', 'accepted'))
  AND (:status IS NULL OR status = :status)
  AND (:project IS NULL OR project = :project)
  AND (:owner IS NULL OR owner = :owner)
  AND {task_is_visible}
  AND (:after_id IS NULL OR id < (SELECT id FROM tasks WHERE task_id = :after_id AND {task_is_visible}))
ORDER BY id DESC LIMIT :limit;

-- name: tasks.counts
SELECT status, count(*) FROM tasks
WHERE (:project IS NULL OR project = :project)
  AND {is_visible}
GROUP BY status ORDER BY status;

-- name: tasks.ids
-- Task ids to suggest for a misspelt one: the newest that the caller may see. Reads at most a hundred rows.
SELECT task_id FROM (SELECT task_id, project FROM tasks ORDER BY id DESC LIMIT 50) AS newest
WHERE {is_visible}
UNION
SELECT task_id FROM (
    SELECT task_id FROM tasks
    WHERE status IN ('offered', 'accepted') AND project IN (SELECT value FROM json_each(:visible)) LIMIT 50) AS own;

-- name: tasks.move_owned
-- S14: what a session had accepted is its successor's.
UPDATE tasks SET owner = :session_id, updated_at = :now WHERE owner = :continues AND status = 'accepted'
RETURNING task_id;

-- name: tasks.move_offered
-- S14: what was offered or handed to a session is offered to its successor.
UPDATE tasks SET offered_to = :session_id, updated_at = :now
WHERE offered_to = :continues AND status IN ('offered', 'accepted')
RETURNING task_id;

-- name: tasks.give_back
-- S13: what a session had accepted, that was offered again while it was silent, and that nobody has taken.
UPDATE tasks SET status = 'accepted', owner = :session_id, offered_to = NULL, former_owner = NULL, updated_at = :now
WHERE former_owner = :session_id AND status = 'offered'
RETURNING task_id;
