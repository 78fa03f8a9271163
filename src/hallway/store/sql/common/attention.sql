-- fragment: attention_session
-- What an item says of a session, which may be gone.
s.session_id, s.name, s.agent_type, s.branch, s.human_user, s.project, s.location, s.metadata

-- name: attention.last_event
-- The last event's seq, and its time, which tells apart two buses that have as many events.
SELECT seq, at FROM events ORDER BY seq DESC LIMIT 1;

-- name: attention.sessions
-- The live sessions that may need a person: they wait, have finished a turn, or have shown no progress since a time.
SELECT {attention_session}, s.status, s.reason, coalesce(s.detail, s.current_task, ''), s.status_since, s.progress_at
FROM sessions AS s
WHERE s.ended_at IS NULL AND s.expires_at > :now
  AND (s.status = 'waiting' OR (s.status = 'idle' AND s.reason IN ('done', 'error', 'limited'))
       OR (s.status = 'working' AND s.progress_at <= :since));

-- name: attention.next_stuck
-- The oldest progress since a time: the session that is the next to be stuck, if it goes on so.
SELECT min(progress_at) FROM sessions
WHERE ended_at IS NULL AND expires_at > :now AND status = 'working' AND progress_at > :since;

-- name: attention.requests
-- The requests to a person, and the urgent messages to one, that are neither acknowledged nor answered; with who sent
-- them. A request that was answered and kept in the inbox is none; tasks have a statement of their own.
SELECT m.message_id, m.type, m.priority, m.project, m.subject, m.from_session, m.sent_at, d.recipient, d.expires_at,
       {attention_session}
FROM deliveries AS d JOIN messages AS m USING (seq)
     LEFT JOIN sessions AS s ON s.session_id = m.from_session
WHERE d.seq IN (SELECT seq FROM watched_messages)
  AND substr(d.recipient, 1, 5) = 'user:' AND d.acknowledged_at IS NULL AND m.type NOT IN ('task_offer', 'handoff')
  AND (d.expires_at IS NULL OR d.expires_at > :now)
  AND NOT EXISTS (SELECT 1 FROM messages AS r
                  WHERE r.thread_id = m.thread_id AND r.thread_id <> r.message_id
                    AND r.in_reply_to = m.message_id AND r.from_session = d.recipient);

-- name: attention.conflicts
-- The files that two live sessions write; with the session that wrote first, and the name of the other.
SELECT c.conflict_id, c.project, c.path, c.found_at, c.expires_at, c.merge, a.worktree = b.worktree,
       coalesce(o.name, b.session_id), {attention_session}
FROM conflicts AS c
     JOIN conflict_parties AS a ON a.conflict_id = c.conflict_id AND a.side = 0
     JOIN conflict_parties AS b ON b.conflict_id = c.conflict_id AND b.side = 1
     LEFT JOIN sessions AS s ON s.session_id = a.session_id
     LEFT JOIN sessions AS o ON o.session_id = b.session_id
WHERE c.settled_at IS NULL AND c.expires_at > :now;

-- name: attention.overdue
-- The requests between agents whose time is over and that are not answered; with who has not answered. A request to several
-- sessions has no session.
SELECT m.message_id, r.project, m.subject, m.priority, r.from_session, r.to_session, coalesce(r.reply_by, r.overdue_at),
       {attention_session}
FROM requests AS r JOIN messages AS m USING (seq) LEFT JOIN sessions AS s ON s.session_id = r.to_session
WHERE r.closed_at IS NULL AND r.overdue_at IS NOT NULL
  AND substr(r.from_session, 1, 5) <> 'user:' AND substr(r.to_session, 1, 5) <> 'user:';

-- name: attention.urgent
-- The urgent messages that a session's client has not taken; with that session.
SELECT m.message_id, m.project, m.subject, m.from_session, m.to_session, m.sent_at, d.expires_at, {attention_session}
FROM deliveries AS d JOIN messages AS m USING (seq)
     JOIN sessions AS s ON s.session_id = d.recipient
WHERE d.seq IN (SELECT seq FROM watched_messages)
  AND m.priority = 'urgent' AND d.acknowledged_at IS NULL AND d.injected_at IS NULL
  AND (d.expires_at IS NULL OR d.expires_at > :now)
ORDER BY d.seq, d.recipient;

-- name: attention.tasks
-- The tasks that nobody has accepted, and those that are offered or handed to a person; with the former owner, else with
-- who offers it.
SELECT t.task_id, t.project, t.subject, t.offered_by, t.offered_to, t.owner, t.former_owner, t.created_at, t.updated_at,
       coalesce(m.priority, 'normal'), {attention_session}
FROM tasks AS t
     LEFT JOIN messages AS m ON m.message_id = t.task_id
     LEFT JOIN sessions AS s ON s.session_id = coalesce(t.former_owner, t.owner, t.offered_by)
WHERE t.status IN ('offered', 'accepted')
  AND (t.status = 'offered' OR substr(t.offered_to, 1, 5) = 'user:');

-- name: attention.known
-- The announced items, and whether the session has what answers it: its client took it, or it is gone.
SELECT a.item_id, a.dismissed_at, a.answered_at,
       a.answer_seq IS NOT NULL AND (d.seq IS NULL OR d.injected_at IS NOT NULL OR d.acknowledged_at IS NOT NULL
                                     OR s.ended_at IS NOT NULL)
FROM attention AS a
     LEFT JOIN deliveries AS d ON d.seq = a.answer_seq AND d.recipient = a.answer_to
     LEFT JOIN sessions AS s ON s.session_id = a.answer_to;

-- name: attention.item
SELECT item FROM attention WHERE item_id = :item_id;

-- name: attention.announce
INSERT INTO attention (item_id, item, appeared_at) VALUES (:item_id, :item, :now);

-- name: attention.resolve
DELETE FROM attention WHERE item_id = :item_id;

-- name: attention.dismiss
UPDATE attention SET dismissed_at = :now WHERE item_id = :item_id AND dismissed_at IS NULL RETURNING item_id;

-- name: attention.restore
UPDATE attention SET dismissed_at = NULL WHERE item_id = :item_id AND dismissed_at IS NOT NULL RETURNING item_id;

-- name: attention.answer
UPDATE attention SET answered_at = :now, answer_seq = :seq, answer_to = :session_id
WHERE item_id = :item_id;

-- name: attention.is_answered
SELECT 1 FROM attention WHERE item_id = :item_id AND answered_at IS NOT NULL;

-- name: attention.reply
-- The last reply to a request by the person that it was for.
SELECT r.seq, r.to_session, r.sent_at FROM messages AS m JOIN messages AS r
     ON r.thread_id = m.thread_id AND r.thread_id <> r.message_id AND r.in_reply_to = m.message_id
WHERE m.message_id = :message_id AND r.from_session = :from_session
ORDER BY r.seq DESC LIMIT 1;

-- name: attention.unwatch
-- Messages that everybody has acknowledged, or whose client took them a day ago, are settled.
DELETE FROM watched_messages WHERE seq NOT IN (
    SELECT d.seq FROM deliveries AS d
    WHERE d.seq IN (SELECT w.seq FROM watched_messages AS w) AND d.acknowledged_at IS NULL AND (d.injected_at IS NULL OR d.injected_at > :since))
RETURNING seq;
