-- name: transfer.add_message
-- Keeps the message's seq if that is free; the counter never becomes lower than the highest seq.
WITH next AS (
    UPDATE counters SET last = coalesce(:seq, last + 1)
    WHERE name = 'messages' AND NOT EXISTS (
        SELECT 1 FROM messages
        WHERE message_id = :message_id
           OR (from_session = :from_session AND idempotency_key = :idempotency_key AND :idempotency_key IS NOT NULL))
    RETURNING last)
INSERT INTO messages (seq, message_id, type, from_session, to_session, project, subject, body, data, priority,
                      in_reply_to, thread_id, task_id, sent_at, expires_at, expired_at, idempotency_key, digest)
SELECT last, :message_id, :type, :from_session, :to_session, :project, :subject, :body, :data, :priority,
       :in_reply_to, :thread_id, :task_id, :sent_at, :expires_at,
        CASE WHEN :expires_at <= :now THEN :expires_at END, :idempotency_key, :digest FROM next
RETURNING seq;

-- name: transfer.add_event
WITH next AS (UPDATE counters SET last = coalesce(:seq, last + 1) WHERE name = 'events' RETURNING last)
INSERT INTO events (seq, at, kind, project, session_id, data)
SELECT last, :at, :kind, :project, :session_id, :data FROM next
RETURNING seq;

-- name: transfer.last_seq
-- The highest seq that a table ever assigned.
SELECT last FROM counters WHERE name = :table;
