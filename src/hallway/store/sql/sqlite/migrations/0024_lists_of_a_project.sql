-- The lists of one project, newest first, read the rows of that project alone.
CREATE INDEX sessions_project ON sessions (project);
CREATE INDEX messages_project ON messages (project);
CREATE INDEX tasks_project ON tasks (project);
CREATE INDEX requests_project ON requests (project);

-- A message's project and sender are labels in its row of the index, which the next search fills anew.
INSERT INTO message_index (message_index) VALUES ('delete-all');
