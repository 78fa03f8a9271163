-- What tells most globs apart before they are compared: how a match ends, backwards and in lower case, and how many names
-- it may have. The globs that are there may have any.
ALTER TABLE claim_paths ADD COLUMN ending TEXT NOT NULL DEFAULT '';
ALTER TABLE claim_paths ADD COLUMN min_depth INTEGER NOT NULL DEFAULT 0;
ALTER TABLE claim_paths ADD COLUMN max_depth INTEGER NOT NULL DEFAULT 2147483647;
