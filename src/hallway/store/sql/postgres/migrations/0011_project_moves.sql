-- Moves of a project's records to another project, and the records of each move, so that it can be taken back.

CREATE TABLE project_moves (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    old_project text COLLATE "C" NOT NULL,
    new_project text COLLATE "C" NOT NULL,
    moved_at    bigint NOT NULL
);

-- A record by its own name: a session's, message's or task's id, a memory key, or a session's id and a file's path.
CREATE TABLE moved_records (
    move_id bigint NOT NULL REFERENCES project_moves (id) ON DELETE CASCADE,
    noun    text COLLATE "C" NOT NULL,
    name    text COLLATE "C" NOT NULL,
    part    text COLLATE "C" NOT NULL DEFAULT '',
    PRIMARY KEY (move_id, noun, name, part)
);

-- The totals follow a message to another project.
CREATE FUNCTION move_message() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE message_totals
    SET total = total - 1,
        size_bytes = size_bytes - octet_length(OLD.subject) - octet_length(OLD.body) - octet_length(OLD.data)
    WHERE project = OLD.project AND type = OLD.type;
    INSERT INTO message_totals
    VALUES (NEW.project, NEW.type, 1, octet_length(NEW.subject) + octet_length(NEW.body) + octet_length(NEW.data))
    ON CONFLICT (project, type) DO UPDATE
    SET total = message_totals.total + 1, size_bytes = message_totals.size_bytes + excluded.size_bytes;
    RETURN NULL;
END $$;

CREATE TRIGGER message_moves AFTER UPDATE OF project ON messages FOR EACH ROW EXECUTE FUNCTION move_message();
