-- The full-text index of messages: subject (key) and text, by the same words and expressions as memory_index; tags and
-- labels stay empty. rowid is the message's seq. Messages are indexed in order of seq, when somebody searches.
CREATE VIRTUAL TABLE message_index USING fts5 (
    key, tags, text, labels,
    content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TRIGGER message_leaves_index AFTER DELETE ON messages BEGIN
    DELETE FROM message_index WHERE rowid = OLD.seq;
END;
