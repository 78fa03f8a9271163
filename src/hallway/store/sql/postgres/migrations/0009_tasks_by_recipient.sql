-- What is offered to a session, for when it ends.

CREATE INDEX tasks_offered ON tasks (offered_to) WHERE status IN ('offered', 'accepted');
