-- name: messages.parties
-- Which of the two ids are sessions that the caller may see, and their status. A row that is overdue but not swept yet
-- counts as offline (S2).
SELECT session_id, project, CASE WHEN ended_at IS NULL AND expires_at <= :now THEN 'offline' ELSE status END
FROM sessions
WHERE session_id IN (:from_session, :to_session)
  AND (:visible IS NULL OR project IN (SELECT value FROM json_each(:visible)));

-- name: messages.deliver
INSERT INTO deliveries (recipient, seq, expires_at) VALUES (:recipient, :seq, :expires_at);

-- name: messages.used_until
SELECT used_until FROM pairs WHERE from_session = :from_session AND to_session = :to_session;

-- name: messages.like
-- The messages since a time that may have the same content; the caller compares them.
SELECT message_id, sent_at, from_session, to_session, type, subject, body, data, in_reply_to
FROM messages WHERE digest = :digest AND sent_at > :since ORDER BY seq DESC;

-- name: messages.first
-- The message that a sender sent with an idempotency key.
SELECT message_id, seq, thread_id, task_id, to_session FROM messages
WHERE from_session = :from_session AND idempotency_key = :idempotency_key;

-- name: messages.get
SELECT message_id, seq, type, from_session, to_session, project, subject, body, data, priority, in_reply_to,
       thread_id, task_id, sent_at, expires_at
FROM messages WHERE message_id = :message_id;

-- name: messages.replies
-- What a session received in reply to a message, in whatever state; the message itself may be gone by now.
SELECT message_id, seq, type, from_session, to_session, project, subject, body, data, priority, in_reply_to,
       thread_id, task_id, sent_at, expires_at
FROM messages AS m
WHERE thread_id = coalesce((SELECT p.thread_id FROM messages AS p WHERE p.message_id = :message_id), :message_id)
  AND thread_id <> message_id AND in_reply_to = :message_id AND from_session <> :session_id
  AND EXISTS (SELECT 1 FROM deliveries AS d WHERE d.seq = m.seq AND d.recipient = :session_id)
ORDER BY seq LIMIT :limit;

-- name: messages.has_seen_party
-- Whether one of a message's or task's parties (a JSON list) is a session in one of another session's projects.
SELECT 1 FROM sessions
WHERE session_id IN (SELECT value FROM json_each(:parties))
  AND project IN (SELECT value FROM json_each(:visible)) LIMIT 1;

-- name: messages.count_deliveries
SELECT count(*) FROM deliveries WHERE seq = :seq;

-- name: messages.totals
SELECT type, sum(total), sum(size_bytes) FROM message_totals
WHERE (:project IS NULL OR project = :project)
  AND (:visible IS NULL OR project IN (SELECT value FROM json_each(:visible)))
GROUP BY type HAVING sum(total) > 0;

-- name: messages.from
-- The first message from a seq on, and when it was sent.
SELECT seq, sent_at FROM messages WHERE seq >= :seq ORDER BY seq LIMIT 1;

-- name: messages.last_seq
SELECT coalesce(max(seq), 0) FROM messages;

-- name: messages.prune_pairs
DELETE FROM pairs WHERE used_until <= :now;

-- name: messages.sent
-- Newest first. A sender's messages are searched only among the newest of all, because there is no index on the sender.
SELECT message_id, seq, type, from_session, to_session, project, subject, body, data, priority, in_reply_to,
       thread_id, task_id, sent_at, expires_at
FROM messages
WHERE (:before IS NULL OR seq < :before)
  AND (:from_session IS NULL
       OR (from_session = :from_session AND seq > (SELECT coalesce(max(seq), 0) FROM messages) - CAST(:look_back AS BIGINT)))
  AND (:project IS NULL OR project = :project)
  AND (:visible IS NULL OR project IN (SELECT value FROM json_each(:visible)))
ORDER BY seq DESC LIMIT :limit;
