-- The lists of one project, newest first, read the rows of that project alone.
CREATE INDEX sessions_project ON sessions (project, id);
CREATE INDEX messages_project ON messages (project, seq);
CREATE INDEX tasks_project ON tasks (project, id);
CREATE INDEX requests_project ON requests (project, seq);

-- A message's project and sender are labels in its row of the index, which the next search fills anew.
TRUNCATE message_index;
