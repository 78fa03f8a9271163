-- Finds the tasks that are offered to a session when that session ends.

CREATE INDEX tasks_offered ON tasks (offered_to) WHERE status IN ('offered', 'accepted');
