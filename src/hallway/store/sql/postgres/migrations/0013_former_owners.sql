-- Who had a task that was offered again because its owner was gone: nobody else having taken it, it is that one's again.

ALTER TABLE tasks ADD COLUMN former_owner text COLLATE "C";
CREATE INDEX tasks_left ON tasks (former_owner) WHERE former_owner IS NOT NULL;
