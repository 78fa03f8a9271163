-- Waiting claims whose session gets a message when its turn comes.
ALTER TABLE claims ADD COLUMN notifies boolean NOT NULL DEFAULT false;
