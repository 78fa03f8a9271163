-- The planner must know how often a word occurs that is in a few hundred of a million entries: whether to begin with
-- the index of words or with the newest entries depends on it. With the default it knows the commonest 150 only.
ALTER TABLE memory_index ALTER COLUMN words SET STATISTICS 1000;
