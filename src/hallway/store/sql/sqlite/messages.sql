-- name: messages.insert
INSERT INTO messages (message_id, thread_id, in_reply_to, task_id, type, from_session, to_session, project, subject,
                      body, data, priority, sent_at, expires_at, idempotency_key, digest)
VALUES (:message_id, :thread_id, :in_reply_to, :task_id, :type, :from_session, :to_session, :project, :subject,
        :body, :data, :priority, :now, :expires_at, :idempotency_key, :digest)
RETURNING seq;

-- name: messages.deliver_to_all
-- Delivers to every live session of a project except the sender, or only to those with a capability, of a client or on a
-- branch (null: any).
INSERT INTO deliveries (recipient, seq, expires_at)
SELECT session_id, :seq, :expires_at FROM sessions
WHERE project = :project AND ended_at IS NULL AND expires_at > :now AND session_id <> :from_session
  AND (:capability IS NULL OR EXISTS (SELECT 1 FROM json_each(capabilities) WHERE value = :capability))
  AND (:agent_type IS NULL OR agent_type = :agent_type)
  AND (:branch IS NULL OR branch = :branch)
RETURNING recipient;

-- name: messages.groups
-- What a project's live sessions may be addressed by, to suggest similar names.
SELECT DISTINCT 'capability:' || each.value FROM sessions, json_each(capabilities) AS each
WHERE project = :project AND ended_at IS NULL AND expires_at > :now
UNION SELECT 'type:' || agent_type FROM sessions WHERE project = :project AND ended_at IS NULL AND expires_at > :now
UNION SELECT 'branch:' || branch FROM sessions
WHERE project = :project AND ended_at IS NULL AND expires_at > :now AND branch IS NOT NULL
LIMIT 200;

-- name: messages.take_quota
-- M8: takes one message from a pair's rate limit, which refills by one every `interval` up to `burst`. No row: the
-- limit is used up. A debt beyond the burst means that the clock was set back; it then counts as just used up.
INSERT INTO pairs VALUES (:from_session, :to_session, :now + :interval)
ON CONFLICT DO UPDATE
SET used_until = max(:now, min(used_until, :now + (:burst - 1) * :interval)) + :interval
WHERE used_until + :interval <= :now + :burst * :interval OR used_until > :now + :burst * :interval
RETURNING used_until;

-- name: messages.inbox
-- A message is new if no client has taken it. One that a wake-up handed over is new again after a minute without a
-- confirmation from the client.
SELECT {message_columns}
FROM deliveries AS d INDEXED BY deliveries_inbox CROSS JOIN messages AS m USING (seq)
WHERE d.recipient = :session_id AND d.is_read = 0 AND d.seq > :after
  AND (d.expires_at IS NULL OR d.expires_at > :now)
  AND (:types IS NULL OR m.type IN (SELECT value FROM json_each(:types)))
  AND (NOT :new_only OR (d.injected_at IS NULL AND coalesce(d.handed_at <= :now - 60000000, TRUE)))
ORDER BY d.seq LIMIT :limit;

-- name: messages.unread_in_all
-- Reads recipient by recipient, so that the cost depends on the unread messages and not on all messages.
WITH RECURSIVE recipients (recipient) AS (
    SELECT min(recipient) FROM deliveries
    UNION ALL
    SELECT (SELECT min(d.recipient) FROM deliveries AS d WHERE d.recipient > recipients.recipient) FROM recipients
    WHERE recipients.recipient IS NOT NULL)
SELECT count(*)
FROM recipients CROSS JOIN deliveries AS d INDEXED BY deliveries_inbox ON d.recipient = recipients.recipient
WHERE d.is_read = 0 AND (d.expires_at IS NULL OR d.expires_at > :now)
  AND (:project IS NULL OR EXISTS (SELECT 1 FROM messages AS m WHERE m.seq = d.seq AND m.project = :project))
  AND (:visible IS NULL OR EXISTS (
        SELECT 1 FROM messages AS m
        WHERE m.seq = d.seq AND m.project IN (SELECT value FROM json_each(:visible))));

-- name: messages.inboxes
-- Reads recipient by recipient, as above; with a recipient given, only that one.
WITH RECURSIVE recipients (recipient) AS (
    SELECT coalesce(:session_id, (SELECT min(recipient) FROM deliveries))
    UNION ALL
    SELECT (SELECT min(d.recipient) FROM deliveries AS d WHERE d.recipient > recipients.recipient) FROM recipients
    WHERE recipients.recipient IS NOT NULL AND :session_id IS NULL)
SELECT recipients.recipient, count(*), sum(m.priority = 'urgent'), min(m.sent_at)
FROM recipients CROSS JOIN deliveries AS d INDEXED BY deliveries_inbox ON d.recipient = recipients.recipient
     CROSS JOIN messages AS m USING (seq)
WHERE d.is_read = 0 AND (d.expires_at IS NULL OR d.expires_at > :now) AND (:project IS NULL OR m.project = :project)
  AND {is_visible}
GROUP BY recipients.recipient
ORDER BY sum(m.priority = 'urgent') > 0 DESC, count(*) DESC, recipients.recipient LIMIT :limit;

-- name: messages.acknowledge
UPDATE deliveries SET acknowledged_at = :now
WHERE recipient = :session_id AND acknowledged_at IS NULL
  AND seq IN (SELECT seq FROM messages WHERE message_id IN (SELECT value FROM json_each(:message_ids)))
RETURNING (SELECT message_id FROM messages AS m WHERE m.seq = deliveries.seq),
          (SELECT project FROM messages AS m WHERE m.seq = deliveries.seq);

-- name: messages.inject
UPDATE deliveries SET injected_at = :now
WHERE recipient = :session_id AND injected_at IS NULL AND acknowledged_at IS NULL
  AND seq IN (SELECT seq FROM messages WHERE message_id IN (SELECT value FROM json_each(:message_ids)))
RETURNING (SELECT message_id FROM messages AS m WHERE m.seq = deliveries.seq),
          (SELECT project FROM messages AS m WHERE m.seq = deliveries.seq);

-- name: messages.received_after
-- A session's unread messages, its read messages, and its project's broadcasts from before it registered; oldest first.
SELECT {message_columns}
FROM deliveries AS d INDEXED BY deliveries_inbox CROSS JOIN messages AS m USING (seq)
WHERE {is_received} AND d.is_read = 0 AND d.seq > :after
  AND {is_visible}
UNION ALL
SELECT {message_columns}
FROM deliveries AS d INDEXED BY deliveries_inbox CROSS JOIN messages AS m USING (seq)
WHERE {is_received} AND d.is_read = 1 AND d.seq > :after
  AND {is_visible}
  AND NOT :unread_only
UNION ALL
SELECT {message_columns}
FROM messages AS m INDEXED BY messages_broadcast
WHERE {is_earlier_broadcast} AND m.seq > :after
ORDER BY seq LIMIT :limit;

-- name: messages.received_last
-- The rows of the statement above, newest first.
SELECT {message_columns}
FROM deliveries AS d INDEXED BY deliveries_inbox CROSS JOIN messages AS m USING (seq)
WHERE {is_received} AND d.is_read = 0 AND (:before IS NULL OR d.seq < :before)
  AND {is_visible}
UNION ALL
SELECT {message_columns}
FROM deliveries AS d INDEXED BY deliveries_inbox CROSS JOIN messages AS m USING (seq)
WHERE {is_received} AND d.is_read = 1 AND (:before IS NULL OR d.seq < :before)
  AND {is_visible}
  AND NOT :unread_only
UNION ALL
SELECT {message_columns}
FROM messages AS m INDEXED BY messages_broadcast
WHERE {is_earlier_broadcast} AND (:before IS NULL OR m.seq < :before)
ORDER BY seq DESC LIMIT :limit;

-- name: messages.thread
-- A thread's first message, if it still exists, and the others; only messages that the caller may see.
SELECT {message_columns}
FROM messages AS m
WHERE message_id = :thread_id AND seq > :after
  AND {message_is_visible}
UNION ALL
SELECT {message_columns}
FROM messages AS m INDEXED BY messages_thread
WHERE thread_id = :thread_id AND thread_id <> message_id AND seq > :after
  AND {message_is_visible}
ORDER BY seq LIMIT :limit;

-- name: messages.deliveries_in_thread
-- The deliveries of the given messages, in order.
SELECT {delivery_row}
FROM json_each(:seqs) AS wanted CROSS JOIN messages AS m ON m.seq = wanted.value CROSS JOIN deliveries AS d USING (seq)
ORDER BY wanted.id, recipient LIMIT :limit;

-- name: messages.deliveries
SELECT {delivery_row}
FROM messages AS m CROSS JOIN deliveries AS d USING (seq)
WHERE message_id = :message_id AND recipient > :after_id ORDER BY recipient LIMIT :limit;

-- name: messages.has_inbox
SELECT 1 FROM sessions WHERE session_id = :session_id
UNION ALL SELECT 1 FROM (SELECT 1 FROM deliveries INDEXED BY deliveries_inbox WHERE recipient = :session_id LIMIT 1);

-- name: messages.prune_old
-- M7: never a message that a live session has not acknowledged. `last` limits the search; the age of each message
-- decides, because after an import or a clock set back an old message may have a higher seq than a newer one.
DELETE FROM messages WHERE seq IN (
    SELECT seq FROM messages AS m WHERE seq <= :last AND sent_at <= :before AND NOT EXISTS (
        SELECT 1 FROM deliveries AS d CROSS JOIN sessions AS s ON s.session_id = d.recipient
        WHERE d.seq = m.seq AND d.is_read = 0 AND s.ended_at IS NULL
          AND (d.expires_at IS NULL OR d.expires_at > :now))
    ORDER BY seq LIMIT :limit)
RETURNING 1;

-- name: messages.prune_expired
DELETE FROM messages WHERE seq IN (
    SELECT seq FROM messages INDEXED BY messages_expiry
    WHERE expires_at <= :now AND expired_at IS NOT NULL ORDER BY expires_at LIMIT :limit)
RETURNING 1;

-- name: messages.prune_size
-- Deletes the oldest messages until the excess is removed; never one that a live session has not acknowledged.
DELETE FROM messages WHERE seq IN (
    SELECT seq FROM (
        SELECT seq, sum(size) OVER (ORDER BY seq) - size AS before_it FROM (
            SELECT seq, octet_length(subject) + octet_length(body) + octet_length(data) AS size FROM messages AS m
            WHERE NOT EXISTS (
                SELECT 1 FROM deliveries AS d CROSS JOIN sessions AS s ON s.session_id = d.recipient
                WHERE d.seq = m.seq AND d.is_read = 0 AND s.ended_at IS NULL
                  AND (d.expires_at IS NULL OR d.expires_at > :now))
            ORDER BY seq LIMIT :limit))
    WHERE before_it < :excess)
RETURNING 1;

-- name: messages.last_indexed
SELECT max(id) FROM message_index_docsize;

-- name: messages.texts_of
SELECT seq, subject, body, project, from_session
FROM messages WHERE seq IN (SELECT value FROM json_each(:seqs)) ORDER BY seq;

-- name: messages.index_drop
DELETE FROM message_index WHERE rowid = :id;

-- name: messages.index_add
INSERT INTO message_index (rowid, key, tags, text, labels) VALUES (:id, :key, :tags, :text, :labels);

-- name: messages.by_relevance
-- Ranks only the newest matches, as memory.by_relevance does.
SELECT id, score, size_bytes FROM (
    SELECT m.seq AS id, octet_length(m.body) AS size_bytes, relevance(message_index, :weights) AS score
    FROM message_index CROSS JOIN messages AS m ON m.seq = message_index.rowid
    WHERE message_index MATCH :match AND {is_searched} AND {message_is_visible}
    ORDER BY message_index.rowid DESC LIMIT :candidates)
WHERE score < :after_score OR (score = :after_score AND id < :after_id)
ORDER BY score DESC, id DESC LIMIT :limit;

-- name: messages.count_matches
SELECT count(*) FROM (
    SELECT 1 FROM message_index CROSS JOIN messages AS m ON m.seq = message_index.rowid
    WHERE message_index MATCH :match AND {is_searched} AND {message_is_visible} LIMIT :most);

-- name: messages.of_seqs
-- The messages with the seqs of a JSON list, in the list's order.
SELECT {message_columns}
FROM json_each(:seqs) AS wanted CROSS JOIN messages AS m ON m.seq = wanted.value
ORDER BY wanted.id;
