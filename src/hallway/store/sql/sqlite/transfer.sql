-- name: transfer.add_message
INSERT INTO messages (seq, message_id, type, from_session, to_session, project, subject, body, data, priority,
                      in_reply_to, thread_id, task_id, sent_at, expires_at, expired_at, idempotency_key, digest)
VALUES (:seq, :message_id, :type, :from_session, :to_session, :project, :subject, :body, :data, :priority,
        :in_reply_to, :thread_id, :task_id, :sent_at, :expires_at,
        CASE WHEN :expires_at <= :now THEN :expires_at END, :idempotency_key, :digest)
ON CONFLICT DO NOTHING RETURNING seq;

-- name: transfer.add_event
INSERT INTO events (seq, at, kind, project, session_id, data)
VALUES (:seq, :at, :kind, :project, :session_id, :data) RETURNING seq;

-- name: transfer.last_seq
-- The highest seq that a table ever assigned.
SELECT seq FROM sqlite_sequence WHERE name = :table;
