-- name: messages.insert
-- The counter's row stays locked until the commit, so that no message becomes visible before one with a lower seq (M4).
WITH next AS (UPDATE counters SET last = last + 1 WHERE name = 'messages' RETURNING last)
INSERT INTO messages (seq, message_id, thread_id, in_reply_to, task_id, type, from_session, to_session, project,
                      subject, body, data, priority, sent_at, expires_at, idempotency_key, digest)
SELECT last, :message_id, :thread_id, :in_reply_to, :task_id, :type, :from_session, :to_session, :project, :subject,
       :body, :data, :priority, :now, :expires_at, :idempotency_key, :digest FROM next
RETURNING seq;

-- name: messages.deliver_to_all
-- Delivers to every live session of a project except the sender, or only to those with a capability, of a client or on a
-- branch (null: any).
INSERT INTO deliveries (recipient, seq, expires_at)
SELECT session_id, :seq, :expires_at FROM sessions
WHERE project = :project AND ended_at IS NULL AND expires_at > :now AND session_id <> :from_session
  AND (:capability IS NULL OR EXISTS (
        SELECT 1 FROM json_array_elements_text(capabilities::json) AS each WHERE each = :capability))
  AND (:agent_type IS NULL OR agent_type = :agent_type)
  AND (:branch IS NULL OR branch = :branch)
RETURNING recipient;

-- name: messages.groups
-- What a project's live sessions may be addressed by, to suggest similar names.
SELECT DISTINCT 'capability:' || each FROM sessions, json_array_elements_text(capabilities::json) AS each
WHERE project = :project AND ended_at IS NULL AND expires_at > :now
UNION SELECT 'type:' || agent_type FROM sessions WHERE project = :project AND ended_at IS NULL AND expires_at > :now
UNION SELECT 'branch:' || branch FROM sessions
WHERE project = :project AND ended_at IS NULL AND expires_at > :now AND branch IS NOT NULL
LIMIT 200;

-- name: messages.take_quota
-- M8: takes one message from a pair's rate limit, which refills by one every `interval` up to `burst`. No row: the
-- limit is used up. A debt beyond the burst means that the clock was set back; it then counts as just used up.
INSERT INTO pairs VALUES (:from_session, :to_session, :now + :interval)
ON CONFLICT (from_session, to_session) DO UPDATE
SET used_until = greatest(:now, least(pairs.used_until, :now + (:burst - 1) * :interval)) + :interval
WHERE pairs.used_until + :interval <= :now + :burst * :interval OR pairs.used_until > :now + :burst * :interval
RETURNING used_until;

-- name: messages.inbox
-- A message is new if no client has taken it. One that a wake-up handed over is new again after a minute without a
-- confirmation from the client.
SELECT {message_columns}
FROM deliveries AS d JOIN messages AS m USING (seq)
WHERE d.recipient = :session_id AND d.acknowledged_at IS NULL AND d.seq > :after
  AND (d.expires_at IS NULL OR d.expires_at > :now)
  AND (:types IS NULL OR m.type IN (SELECT json_array_elements_text(:types::json)))
  AND (NOT :new_only OR (d.injected_at IS NULL AND coalesce(d.handed_at <= :now - 60000000, TRUE)))
ORDER BY d.seq LIMIT :limit;

-- name: messages.unread_in_all
SELECT count(*) FROM deliveries AS d
WHERE acknowledged_at IS NULL AND (expires_at IS NULL OR expires_at > :now)
  AND (:project IS NULL OR EXISTS (SELECT 1 FROM messages AS m WHERE m.seq = d.seq AND m.project = :project))
  AND (:visible IS NULL OR EXISTS (
        SELECT 1 FROM messages AS m
        WHERE m.seq = d.seq AND m.project IN (SELECT value FROM json_each(:visible))));

-- name: messages.inboxes
SELECT recipient, count(*), sum(CASE WHEN m.priority = 'urgent' THEN 1 ELSE 0 END), min(m.sent_at)
FROM deliveries AS d JOIN messages AS m USING (seq)
WHERE d.acknowledged_at IS NULL AND (d.expires_at IS NULL OR d.expires_at > :now)
  AND (:project IS NULL OR m.project = :project) AND (:session_id IS NULL OR recipient = :session_id)
  AND {is_visible}
GROUP BY recipient
ORDER BY sum(CASE WHEN m.priority = 'urgent' THEN 1 ELSE 0 END) > 0 DESC, count(*) DESC, recipient LIMIT :limit;

-- name: messages.acknowledge
UPDATE deliveries AS d SET acknowledged_at = :now
FROM messages AS m
WHERE d.recipient = :session_id AND d.acknowledged_at IS NULL AND d.seq = m.seq
  AND m.message_id IN (SELECT json_array_elements_text(:message_ids::json))
RETURNING m.message_id, m.project;

-- name: messages.inject
UPDATE deliveries AS d SET injected_at = :now
FROM messages AS m
WHERE d.recipient = :session_id AND d.injected_at IS NULL AND d.acknowledged_at IS NULL AND d.seq = m.seq
  AND m.message_id IN (SELECT json_array_elements_text(:message_ids::json))
RETURNING m.message_id, m.project;

-- name: messages.received_after
-- A session's unread messages, its read messages, and its project's broadcasts from before it registered; oldest first.
SELECT * FROM (
    (SELECT {message_columns}
     FROM deliveries AS d JOIN messages AS m USING (seq)
     WHERE {is_received} AND d.acknowledged_at IS NULL AND d.seq > :after
       AND {is_visible}
     ORDER BY d.seq LIMIT :limit)
    UNION ALL
    (SELECT {message_columns}
     FROM deliveries AS d JOIN messages AS m USING (seq)
     WHERE {is_received} AND d.acknowledged_at IS NOT NULL AND d.seq > :after
       AND {is_visible}
       AND NOT :unread_only
     ORDER BY d.seq LIMIT :limit)
    UNION ALL
    (SELECT {message_columns}
     FROM messages AS m
     WHERE {is_earlier_broadcast} AND m.seq > :after
     ORDER BY m.seq LIMIT :limit)) AS received
ORDER BY seq LIMIT :limit;

-- name: messages.received_last
-- The rows of the statement above, newest first.
SELECT * FROM (
    (SELECT {message_columns}
     FROM deliveries AS d JOIN messages AS m USING (seq)
     WHERE {is_received} AND d.acknowledged_at IS NULL AND (:before IS NULL OR d.seq < :before)
       AND {is_visible}
     ORDER BY d.seq DESC LIMIT :limit)
    UNION ALL
    (SELECT {message_columns}
     FROM deliveries AS d JOIN messages AS m USING (seq)
     WHERE {is_received} AND d.acknowledged_at IS NOT NULL AND (:before IS NULL OR d.seq < :before)
       AND {is_visible}
       AND NOT :unread_only
     ORDER BY d.seq DESC LIMIT :limit)
    UNION ALL
    (SELECT {message_columns}
     FROM messages AS m
     WHERE {is_earlier_broadcast} AND (:before IS NULL OR m.seq < :before)
     ORDER BY m.seq DESC LIMIT :limit)) AS received
ORDER BY seq DESC LIMIT :limit;

-- name: messages.thread
-- A thread's first message, if it still exists, and the others; only messages that the caller may see.
SELECT {message_columns}
FROM messages AS m
WHERE message_id = :thread_id AND seq > :after
  AND {message_is_visible}
UNION ALL
SELECT {message_columns}
FROM messages AS m
WHERE thread_id = :thread_id AND thread_id <> message_id AND seq > :after
  AND {message_is_visible}
ORDER BY seq LIMIT :limit;

-- name: messages.deliveries_in_thread
-- The deliveries of the given messages, in order.
SELECT {delivery_row}
FROM json_array_elements_text(:seqs::json) WITH ORDINALITY AS wanted (seq, place)
JOIN messages AS m ON m.seq = wanted.seq::bigint JOIN deliveries AS d ON d.seq = m.seq
ORDER BY place, recipient LIMIT :limit;

-- name: messages.deliveries
SELECT {delivery_row}
FROM messages AS m JOIN deliveries AS d USING (seq)
WHERE message_id = :message_id AND recipient > :after_id ORDER BY recipient LIMIT :limit;

-- name: messages.has_inbox
SELECT 1 FROM sessions WHERE session_id = :session_id
UNION ALL SELECT 1 WHERE EXISTS (SELECT 1 FROM deliveries WHERE recipient = :session_id AND acknowledged_at IS NULL)
UNION ALL SELECT 1 WHERE EXISTS (SELECT 1 FROM deliveries WHERE recipient = :session_id AND acknowledged_at IS NOT NULL);

-- name: messages.prune_old
-- M7: never a message that a live session has not acknowledged. `last` limits the search; the age of each message
-- decides, because after an import or a clock set back an old message may have a higher seq than a newer one.
DELETE FROM messages WHERE seq IN (
    SELECT seq FROM messages AS m WHERE seq <= :last AND sent_at <= :before AND NOT EXISTS (
        SELECT 1 FROM deliveries AS d JOIN sessions AS s ON s.session_id = d.recipient
        WHERE d.seq = m.seq AND d.acknowledged_at IS NULL AND s.ended_at IS NULL
          AND (d.expires_at IS NULL OR d.expires_at > :now))
    ORDER BY seq LIMIT :limit)
RETURNING 1;

-- name: messages.prune_expired
DELETE FROM messages WHERE seq IN (
    SELECT seq FROM messages
    WHERE expires_at <= :now AND expired_at IS NOT NULL ORDER BY expires_at LIMIT :limit)
RETURNING 1;

-- name: messages.prune_size
-- Deletes the oldest messages until the excess is removed; never one that a live session has not acknowledged.
DELETE FROM messages WHERE seq IN (
    SELECT seq FROM (
        SELECT seq, sum(size) OVER (ORDER BY seq) - size AS before_it FROM (
            SELECT seq, octet_length(subject) + octet_length(body) + octet_length(data) AS size FROM messages AS m
            WHERE NOT EXISTS (
                SELECT 1 FROM deliveries AS d JOIN sessions AS s ON s.session_id = d.recipient
                WHERE d.seq = m.seq AND d.acknowledged_at IS NULL AND s.ended_at IS NULL
                  AND (d.expires_at IS NULL OR d.expires_at > :now))
            ORDER BY seq LIMIT :limit) AS oldest) AS sums
    WHERE before_it < :excess)
RETURNING 1;

-- name: messages.last_indexed
SELECT max(id) FROM message_index;

-- name: messages.texts_of
SELECT seq, subject, body, project, from_session
FROM messages WHERE seq IN (SELECT value::bigint FROM json_array_elements_text(:seqs::json) AS wanted (value)) ORDER BY seq;

-- name: messages.index_drop
DELETE FROM message_index WHERE id = :id;

-- name: messages.index_add
INSERT INTO message_index (id, words) VALUES (:id, :words::tsvector) ON CONFLICT DO NOTHING;

-- name: messages.by_relevance
-- Ranks only the newest matches, as memory.by_relevance does.
SELECT id, score, size_bytes FROM (
    SELECT found.id, found.size_bytes, (
        SELECT sum(asked.weight * ts_rank('{0.05, 0.25, 0.5, 1}', found.words, asked.word, 1))
        FROM unnest(:asked::tsquery[], :weights::double precision[]) AS asked (word, weight)) AS score
    FROM (
        SELECT m.seq AS id, octet_length(m.body) AS size_bytes, i.words
        FROM message_index AS i JOIN messages AS m ON m.seq = i.id
        WHERE i.words @@ :match::tsquery AND {is_searched} AND {message_is_visible}
        ORDER BY i.id DESC LIMIT :candidates) AS found) AS ranked
WHERE score < :after_score OR (score = :after_score AND id < :after_id::bigint)
ORDER BY score DESC, id DESC LIMIT :limit;

-- name: messages.count_matches
SELECT count(*) FROM (
    SELECT 1 FROM message_index AS i JOIN messages AS m ON m.seq = i.id
    WHERE i.words @@ :match::tsquery AND {is_searched} AND {message_is_visible} LIMIT :most) AS counted;

-- name: messages.of_seqs
-- The messages with the seqs of a JSON list, in the list's order.
SELECT {message_columns}
FROM json_array_elements_text(:seqs::json) WITH ORDINALITY AS wanted (seq, place)
JOIN messages AS m ON m.seq = wanted.seq::bigint
ORDER BY place;
