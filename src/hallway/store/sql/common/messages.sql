-- fragment: message_columns
-- The columns of a message, in the order of the fields of Message in core/model.py.
m.message_id, m.seq AS seq, m.type, m.from_session, m.to_session, m.project, m.subject, m.body, m.data, m.priority,
m.in_reply_to, m.thread_id, m.task_id, m.sent_at, m.expires_at,
CASE WHEN m.type = 'request' THEN (SELECT requests.reply_by FROM requests WHERE requests.seq = m.seq) END AS reply_by

-- fragment: delivery_row
-- What a delivery's state is derived from; `expires_at` is the delivery's.
message_id, recipient, sent_at, injected_at, acknowledged_at, handed_at, d.expires_at,
CASE WHEN m.type = 'request' THEN (SELECT requests.state FROM requests WHERE requests.seq = m.seq) END AS request_state

-- fragment: message_is_visible
(:visible IS NULL OR project IN (SELECT value FROM json_each(:visible)) OR :person IN (from_session, to_session)
    OR EXISTS (SELECT 1 FROM sessions AS s WHERE s.session_id IN (from_session, to_session)
               AND s.project IN (SELECT value FROM json_each(:visible))))

-- fragment: is_received
d.recipient = :session_id AND (:message_type IS NULL OR type = :message_type)
AND (:include_broadcasts OR to_session <> '*')

-- fragment: is_earlier_broadcast
-- From before the session registered: nothing was delivered to it.
:include_broadcasts AND NOT :unread_only AND to_session = '*' AND project = :project
AND (:message_type IS NULL OR type = :message_type) AND from_session <> :session_id
AND NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.recipient = :session_id AND d.seq = m.seq)

-- fragment: is_searched
(:project IS NULL OR project = :project) AND (:from_session IS NULL OR from_session = :from_session)

-- name: messages.parties
-- Which of the two ids are sessions that the caller may see, and their status. A row that is overdue but not swept yet
-- counts as offline (S2).
SELECT session_id, project, CASE WHEN ended_at IS NULL AND expires_at <= :now THEN 'offline' ELSE status END
FROM sessions
WHERE session_id IN (:from_session, :to_session)
  AND {is_visible};

-- name: messages.deliver
INSERT INTO deliveries (recipient, seq, expires_at) VALUES (:recipient, :seq, :expires_at);

-- name: messages.quota_until
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
SELECT {message_columns} FROM messages AS m WHERE message_id = :message_id;

-- name: messages.replies
-- What a session received in reply to a message, in whatever state; the message itself may be gone by now.
SELECT {message_columns}
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
  AND {is_visible}
GROUP BY type HAVING sum(total) > 0 ORDER BY type;

-- name: messages.from
-- The first message from a seq on, and when it was sent.
SELECT seq, sent_at FROM messages WHERE seq >= :seq ORDER BY seq LIMIT 1;

-- name: messages.last_seq
SELECT coalesce(max(seq), 0) FROM messages;

-- name: messages.prune_pairs
DELETE FROM pairs WHERE used_until <= :now;

-- name: messages.sent
-- Newest first. A sender's messages are searched only among the newest of all, because there is no index on the sender.
SELECT {message_columns}
FROM messages AS m
WHERE (:before IS NULL OR seq < :before)
  AND (:from_session IS NULL
       OR (from_session = :from_session AND seq > (SELECT coalesce(max(seq), 0) FROM messages) - CAST(:look_back AS BIGINT)))
  AND (:project IS NULL OR project = :project)
  AND {is_visible}
ORDER BY seq DESC LIMIT :limit;

-- name: messages.move
-- S14: what a session has not acknowledged is its successor's, which has not been shown it.
UPDATE deliveries SET recipient = :session_id, injected_at = NULL, handed_at = NULL
WHERE recipient = :continues AND acknowledged_at IS NULL
  AND seq NOT IN (SELECT seq FROM deliveries WHERE recipient = :session_id)
RETURNING seq;

-- name: messages.correspondents
-- The live sessions that have written to a session lately, or that it has written to: from the newest messages alone.
SELECT DISTINCT s.session_id
FROM (SELECT from_session, to_session FROM messages WHERE sent_at >= :since ORDER BY seq DESC LIMIT 1000) AS m
JOIN sessions AS s ON s.session_id = CASE WHEN m.from_session = :continues THEN m.to_session ELSE m.from_session END
WHERE (m.from_session = :continues OR m.to_session = :continues)
  AND s.ended_at IS NULL AND s.expires_at > :now AND s.session_id NOT IN (:continues, :session_id)
LIMIT 50;

-- name: messages.expire
-- M10: each expiry is recorded once. The rows say whether somebody never saw the message.
UPDATE messages SET expired_at = :now
WHERE seq IN (SELECT e.seq FROM messages AS e WHERE e.expires_at <= :now AND e.expired_at IS NULL
              ORDER BY e.expires_at LIMIT :limit)
RETURNING seq, message_id, project, type, from_session, to_session, subject,
    (SELECT count(*) FROM deliveries AS d
     WHERE d.seq = messages.seq AND d.injected_at IS NULL AND d.acknowledged_at IS NULL) AS unread;

-- name: messages.labels
-- The project and the sender of each message, which are labels in the full-text index.
SELECT seq, project, from_session FROM messages WHERE seq > :after AND seq < :before ORDER BY seq;

-- name: messages.not_indexed
-- The oldest messages that are not in the full-text index, as many as have so many bytes: at least one.
SELECT seq, subject, body FROM (
    SELECT seq, subject, body, sum(octet_length(body)) OVER (ORDER BY seq) - octet_length(body) AS before_it
    FROM (SELECT seq, subject, body FROM messages WHERE seq > :last ORDER BY seq LIMIT :limit) AS next) AS counted
WHERE before_it < CAST(:most_bytes AS BIGINT) ORDER BY seq;

-- name: messages.count_texts
-- The number of messages that the caller may find; counts no further than `most`.
SELECT count(*) FROM (SELECT 1 FROM messages WHERE {is_searched} AND {message_is_visible} LIMIT :most) AS counted;
