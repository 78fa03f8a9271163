-- Moves of a project's records to another project, and the records of each move, so that it can be taken back.

CREATE TABLE project_moves (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    old_project TEXT NOT NULL,
    new_project TEXT NOT NULL,
    moved_at    INTEGER NOT NULL
) STRICT;

-- A record by its own name: a session's, message's or task's id, a memory key, or a session's id and a file's path.
CREATE TABLE moved_records (
    move_id INTEGER NOT NULL,
    noun    TEXT NOT NULL,
    name    TEXT NOT NULL,
    part    TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (move_id, noun, name, part)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER project_move_goes AFTER DELETE ON project_moves BEGIN
    DELETE FROM moved_records WHERE move_id = OLD.id;
END;

-- The totals follow a message to another project.
CREATE TRIGGER message_moves AFTER UPDATE OF project ON messages BEGIN
    UPDATE message_totals
    SET total = total - 1,
        size_bytes = size_bytes - octet_length(OLD.subject) - octet_length(OLD.body) - octet_length(OLD.data)
    WHERE project = OLD.project AND type = OLD.type;
    INSERT INTO message_totals
    VALUES (NEW.project, NEW.type, 1, octet_length(NEW.subject) + octet_length(NEW.body) + octet_length(NEW.data))
    ON CONFLICT DO UPDATE SET total = total + 1, size_bytes = size_bytes + excluded.size_bytes;
END;
