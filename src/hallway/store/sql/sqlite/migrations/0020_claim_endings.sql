-- By these columns the database excludes most globs that cannot overlap: the ending of every path that a glob matches
-- (stored backwards, in lower case), and how many names such a path can have. Claims from before match any.
ALTER TABLE claim_paths ADD COLUMN ending TEXT NOT NULL DEFAULT '';
ALTER TABLE claim_paths ADD COLUMN min_depth INTEGER NOT NULL DEFAULT 0;
ALTER TABLE claim_paths ADD COLUMN max_depth INTEGER NOT NULL DEFAULT 2147483647;
