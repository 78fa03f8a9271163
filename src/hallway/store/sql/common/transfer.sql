-- Export and import of raw rows, page by page; a page starts after the first column of the previous page's last row.

-- name: transfer.read_session
SELECT id, session_id, name, name_base, name_source, agent_name, agent_type, project, status, reason, detail,
       status_since, current_task, status_detail, human_user, location, branch, capabilities, metadata, started_at,
       last_seen, ttl_s, ended_at, end_reason, continued_by, principal
FROM sessions WHERE id > :after AND (:project IS NULL OR project = :project) ORDER BY id LIMIT :limit;

-- name: transfer.add_session
INSERT INTO sessions (session_id, name, name_base, name_source, agent_name, agent_type, project, status, reason, detail,
                      status_since, current_task, status_detail, human_user, location, branch, capabilities, metadata,
                      started_at, last_seen, ttl_s, ended_at, end_reason, continued_by, principal,
                      expires_at, check_at, progress_at)
VALUES (:session_id, :name, :name_base, :name_source, :agent_name, :agent_type, :project, :status, :reason, :detail,
        :status_since, :current_task, :status_detail, :human_user, :location, :branch, :capabilities, :metadata,
        :started_at, :last_seen, :ttl_s, :ended_at, :end_reason, :continued_by, :principal,
        :last_seen + :ttl_s * 1000000, :last_seen + :ttl_s * 1000000, :last_seen)
ON CONFLICT DO NOTHING RETURNING id;

-- name: transfer.read_token
-- The tokens that are valid now, each as its hash.
SELECT id, name, digest, role, projects, created_at, expires_at FROM tokens
WHERE id > :after AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)
ORDER BY id LIMIT :limit;

-- name: transfer.read_message
-- How a request stands, with its deadline, is a record of its own.
SELECT seq, message_id, seq, type, from_session, to_session, project, subject, body, data, priority, in_reply_to, thread_id,
       task_id, sent_at, expires_at, idempotency_key, digest
FROM messages WHERE seq > :after AND (:project IS NULL OR project = :project) ORDER BY seq LIMIT :limit;

-- name: transfer.has_message
SELECT 1 FROM messages WHERE message_id = :message_id;

-- name: transfer.read_deliveries
SELECT m.message_id, d.recipient, d.expires_at, d.injected_at, d.acknowledged_at
FROM messages AS m JOIN deliveries AS d ON d.seq = m.seq WHERE m.seq = :seq ORDER BY d.recipient;

-- name: transfer.add_delivery
INSERT INTO deliveries (seq, recipient, expires_at, injected_at, acknowledged_at)
SELECT seq, :recipient, :expires_at, :injected_at, :acknowledged_at FROM messages WHERE message_id = :message_id
ON CONFLICT DO NOTHING RETURNING seq;

-- name: transfer.read_requests
SELECT m.message_id, r.from_session, r.to_session, r.state, r.state_since, r.asked_at, r.reply_within, r.reply_by, r.due_at,
       r.overdue_at, r.times_gone, r.turn_ended_at, r.closed_at, r.answer_id
FROM messages AS m JOIN requests AS r ON r.seq = m.seq WHERE m.seq = :seq;

-- name: transfer.add_request
INSERT INTO requests (seq, project, from_session, to_session, is_group, state, state_since, asked_at, reply_within,
                      reply_by, due_at, overdue_at, times_gone, turn_ended_at, closed_at, answer_id)
SELECT seq, project, :from_session, :to_session, CAST(:to_group AS boolean), :state, :state_since, :asked_at,
       :reply_within, :reply_by, :due_at, :overdue_at, :times_gone, :turn_ended_at, :closed_at, :answer_id
FROM messages WHERE message_id = :message_id
ON CONFLICT DO NOTHING RETURNING seq;

-- name: transfer.read_task
SELECT id, {task_columns}, address
FROM tasks WHERE id > :after AND (:project IS NULL OR project = :project) ORDER BY id LIMIT :limit;

-- name: transfer.add_task
INSERT INTO tasks ({task_columns}, address) VALUES ({:task_columns}, :address)
ON CONFLICT DO NOTHING RETURNING id;

-- name: transfer.read_memory
-- Every version that can be read now (R3).
SELECT e.id, entry_id, key, e.type, value, version, tags, session_id, project, created_at, e.expires_at, metadata
FROM memory_entries AS e JOIN memory_keys AS k ON k.id = e.key_id
WHERE e.id > :after AND (:project IS NULL OR project = :project)
  AND (k.expires_at IS NULL OR k.expires_at > :now) AND (e.expires_at IS NULL OR e.expires_at > :now)
ORDER BY e.id LIMIT :limit;

-- name: transfer.read_memory_key
-- The keys whose version counter cannot be read off their entries, because entries were deleted or expired.
SELECT k.id, project, key, last_version
FROM memory_keys AS k LEFT JOIN memory_entries AS e ON e.id = k.entry
WHERE k.id > :after AND (:project IS NULL OR project = :project)
  AND (e.id IS NULL OR version < last_version OR k.expires_at <= :now)
ORDER BY k.id LIMIT :limit;

-- name: transfer.read_event
SELECT seq, seq, at, kind, project, session_id, data FROM events
WHERE seq > :after AND (:project IS NULL OR project = :project) ORDER BY seq LIMIT :limit;

-- name: transfer.has_event
SELECT 1 FROM events
WHERE at = :at AND kind = :kind AND project = :project AND session_id IS NOT DISTINCT FROM :session_id AND data = :data;

-- name: transfer.count
SELECT (SELECT count(*) FROM sessions WHERE (:project IS NULL OR project = :project))
     + (SELECT count(*) FROM messages WHERE (:project IS NULL OR project = :project))
     + (SELECT count(*) FROM tasks WHERE (:project IS NULL OR project = :project))
     + (SELECT count(*) FROM memory_keys WHERE (:project IS NULL OR project = :project))
     + (SELECT count(*) FROM events WHERE (:project IS NULL OR project = :project));
