-- The full-text index of messages: the words of their subjects (A) and texts. Messages are indexed in order of seq, when
-- somebody searches.
CREATE TABLE message_index (
    id    bigint PRIMARY KEY REFERENCES messages (seq) ON DELETE CASCADE,
    words tsvector NOT NULL
);

CREATE INDEX message_words ON message_index USING gin (words);
ALTER TABLE message_index ALTER COLUMN words SET STATISTICS 1000;
