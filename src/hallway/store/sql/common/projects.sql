-- Moves of everything that is stored under one project's name to another name, and the records of each move.

-- name: projects.add_move
INSERT INTO project_moves (old_project, new_project, moved_at) VALUES (:from_project, :to_project, :now) RETURNING id;

-- name: projects.last_move
SELECT id FROM project_moves WHERE old_project = :old_project AND new_project = :new_project ORDER BY id DESC LIMIT 1;

-- name: projects.forget_move
DELETE FROM project_moves WHERE id = :id;

-- name: projects.prune
DELETE FROM project_moves WHERE id IN (
    SELECT id FROM project_moves WHERE moved_at <= :before ORDER BY id LIMIT :limit);

-- name: projects.listed
SELECT noun, count(*) FROM moved_records WHERE move_id = :id GROUP BY noun;

-- name: projects.list_sessions
-- With the name that each session has, which it gets back when the move is taken back.
INSERT INTO moved_records (move_id, noun, name, part)
SELECT :id, 'sessions', session_id, name FROM sessions WHERE project = :from_project;

-- name: projects.former_names
-- The sessions that a move gave other names, with those from before; without those that were renamed since.
SELECT s.session_id, m.part FROM moved_records AS m JOIN sessions AS s ON s.session_id = m.name
WHERE m.move_id = :id AND m.noun = 'sessions' AND s.project = :to_project AND s.name <> m.part
  AND (m.part = s.name_base OR substr(m.part, 1, length(s.name_base) + 1) = s.name_base || '-');

-- name: projects.move_sessions
UPDATE sessions SET project = :to_project
WHERE project = :from_project
  AND session_id IN (SELECT name FROM moved_records WHERE move_id = :id AND noun = 'sessions')
RETURNING 1;

-- name: projects.list_messages
INSERT INTO moved_records (move_id, noun, name)
SELECT :id, 'messages', message_id FROM messages WHERE project = :from_project;

-- name: projects.move_messages
UPDATE messages SET project = :to_project
WHERE project = :from_project
  AND message_id IN (SELECT name FROM moved_records WHERE move_id = :id AND noun = 'messages')
RETURNING seq;

-- name: projects.move_requests
-- What became of the requests among the messages.
UPDATE requests SET project = :to_project
WHERE project = :from_project
  AND seq IN (SELECT seq FROM messages AS m JOIN moved_records AS moved ON moved.name = m.message_id
              WHERE moved.move_id = :id AND moved.noun = 'messages' AND m.project = :to_project);

-- name: projects.list_tasks
INSERT INTO moved_records (move_id, noun, name)
SELECT :id, 'tasks', task_id FROM tasks WHERE project = :from_project;

-- name: projects.move_tasks
UPDATE tasks SET project = :to_project
WHERE project = :from_project
  AND task_id IN (SELECT name FROM moved_records WHERE move_id = :id AND noun = 'tasks')
RETURNING 1;

-- name: projects.list_memory
-- R1: a key that the other project has, or once had, stays where it is.
INSERT INTO moved_records (move_id, noun, name)
SELECT :id, 'memory', key FROM memory_keys AS k
WHERE project = :from_project
  AND NOT EXISTS (SELECT 1 FROM memory_keys AS other WHERE other.project = :to_project AND other.key = k.key);

-- name: projects.move_memory
UPDATE memory_keys SET project = :to_project
WHERE project = :from_project
  AND key IN (SELECT name FROM moved_records WHERE move_id = :id AND noun = 'memory')
  AND key NOT IN (SELECT key FROM memory_keys WHERE project = :to_project)
RETURNING entry;

-- name: projects.shared_keys
-- Keys with an entry that a move does not take: the other project knows the key. Of an undone move: only keys it took.
SELECT key FROM memory_keys AS k
WHERE project = :from_project AND entry IS NOT NULL
  AND EXISTS (SELECT 1 FROM memory_keys AS other WHERE other.project = :to_project AND other.key = k.key)
  AND (EXISTS (SELECT 1 FROM moved_records WHERE move_id = :id AND noun = 'memory' AND name = k.key)
       OR EXISTS (SELECT 1 FROM project_moves WHERE id = :id AND old_project = :from_project))
ORDER BY key;

-- name: projects.list_files
INSERT INTO moved_records (move_id, noun, name, part)
SELECT :id, 'files', session_id, path FROM files AS f
WHERE project = :from_project
  AND NOT EXISTS (SELECT 1 FROM files AS other
                  WHERE other.project = :to_project AND other.path = f.path AND other.session_id = f.session_id);

-- name: projects.move_files
UPDATE files SET project = :to_project
WHERE project = :from_project
  AND (session_id, path) IN (SELECT name, part FROM moved_records WHERE move_id = :id AND noun = 'files')
  AND (session_id, path) NOT IN (SELECT session_id, path FROM files WHERE project = :to_project)
RETURNING 1;

-- name: projects.names
-- For near matches. However many records there are, it looks at a bounded number.
SELECT project FROM (SELECT project FROM projects ORDER BY live DESC LIMIT 200) AS with_sessions
UNION
SELECT project FROM (SELECT project FROM memory_keys ORDER BY id DESC LIMIT 200) AS with_memory;
