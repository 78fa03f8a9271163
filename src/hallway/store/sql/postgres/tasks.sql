-- name: tasks.accept
-- T1: if several sessions accept at once, only one of these statements finds the task open.
UPDATE tasks SET status = 'accepted', owner = :session_id, offered_to = NULL, former_owner = NULL,
    updated_at = :now
WHERE task_id = :task_id AND status IN ('offered', 'accepted')
  AND (offered_to IN ('*', :session_id)
    OR offered_to IN (SELECT 'type:' || agent_type FROM sessions WHERE session_id = :session_id)
    OR offered_to IN (SELECT 'branch:' || branch FROM sessions WHERE session_id = :session_id)
    OR EXISTS (
        SELECT 1 FROM sessions, json_array_elements_text(capabilities::json) AS each
        WHERE session_id = :session_id AND offered_to = 'capability:' || each))
RETURNING project;

-- name: tasks.prune
DELETE FROM tasks WHERE id IN (
    SELECT id FROM tasks
    WHERE status IN ('completed', 'cancelled') AND updated_at <= :before ORDER BY updated_at LIMIT :limit)
RETURNING 1;
