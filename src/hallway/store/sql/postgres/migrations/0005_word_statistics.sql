-- The planner needs statistics for words that are in a few hundred of a million entries: on them depends whether it
-- starts with the index of words or with the newest entries. The default covers only the 150 commonest words.
ALTER TABLE memory_index ALTER COLUMN words SET STATISTICS 1000;
