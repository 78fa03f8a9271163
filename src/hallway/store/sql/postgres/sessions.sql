-- name: sessions.heartbeat
-- A heartbeat that changes nothing but the time. No row: the session is unknown, is not live, or something changed; or
-- somebody else is writing it, for whom nothing waits here, so that heartbeats are never part of a deadlock. What
-- commits late must not undo what was seen since, so moments only rise.
WITH mine AS (
    SELECT id FROM sessions
    WHERE session_id = :session_id AND ended_at IS NULL AND expires_at > :now
      AND (:status IS NULL OR status = :status)
      AND (:current_task IS NULL OR current_task = :current_task)
      AND (:branch IS NULL OR branch = :branch)
      AND (:project IS NULL OR project = :project)
      AND (:ttl_s IS NULL OR ttl_s = :ttl_s)
    FOR NO KEY UPDATE SKIP LOCKED)
UPDATE sessions AS s
SET last_seen = greatest(s.last_seen, seen(:now)), expires_at = greatest(s.last_seen, :now) + ttl_s * 1000000,
    progress_at = greatest(s.progress_at, :now)
FROM mine WHERE s.id = mine.id
RETURNING s.id, project, status, name;

-- name: sessions.insert
INSERT INTO sessions (session_id, name, name_base, name_source, agent_name, agent_type, project, status, reason, detail,
                      status_since, current_task, status_detail, human_user, location, branch, capabilities, metadata,
                      started_at, last_seen, ttl_s, expires_at, check_at, principal, progress_at)
VALUES (:session_id, :name, :name_base, :name_source, :agent_name, :agent_type, :project, :status, :reason, :detail,
        :now, :current_task, :status_detail, :human_user, :location, :branch, :capabilities, :metadata,
        :now, seen(:now), :ttl_s, :now + :ttl_s * 1000000, :now + :ttl_s * 1000000, :principal, :now);

-- name: sessions.replace
-- Everything a session's owner may say of it, and that it is alive now. It may have been seen later already.
UPDATE sessions
SET name = :name, name_base = coalesce(:name_base, name_base), name_source = coalesce(:name_source, name_source),
    agent_name = :agent_name, agent_type = :agent_type, project = :project, status = :status,
    reason = :reason, detail = :detail, status_since = :status_since,
    current_task = :current_task, status_detail = :status_detail, human_user = :human_user, location = :location,
    branch = :branch, capabilities = :capabilities, metadata = :metadata, ttl_s = :ttl_s,
    last_seen = greatest(CASE WHEN ended_at IS NULL THEN last_seen ELSE 0 END, seen(:now)),
    expires_at = greatest(CASE WHEN ended_at IS NULL THEN last_seen ELSE 0 END, :now) + :ttl_s * 1000000,
    check_at = :now + :ttl_s * 1000000, ended_at = NULL, end_reason = NULL,
    continued_by = NULL, progress_at = coalesce(:progress_at, progress_at)
WHERE session_id = :session_id;

-- name: sessions.rewind
-- The clock was set back: a last_seen in the future becomes now, so that a session that died meanwhile expires within
-- one TTL. So does one whose expiry was postponed because the clock had been set forward.
UPDATE sessions
SET last_seen = least(last_seen, :now), expires_at = :now + ttl_s * 1000000, check_at = least(check_at, :now + ttl_s * 1000000),
    progress_at = least(progress_at, :now)
WHERE ended_at IS NULL AND (last_seen > :now OR expires_at > :now + ttl_s * 1000000);

-- name: sessions.leave_out_pause
-- S13: what was last seen before a pause ended, which may be a sleep of this machine alone: another machine may have
-- seen a session meanwhile, so none gets more than its whole time to live.
UPDATE sessions SET expires_at = least(expires_at + :pause, :now + ttl_s * 1000000),
    progress_at = least(progress_at + :pause, :now)
WHERE ended_at IS NULL AND last_seen < :before;

-- name: sessions.heartbeat_counts
-- The counts in a heartbeat's result: live sessions of the project, messages that wait for the session,
-- and whether it is in a conflict.
SELECT (SELECT live FROM projects WHERE project = :project),
       (SELECT count(*) FROM (SELECT 1 FROM deliveries
            WHERE recipient = :session_id AND acknowledged_at IS NULL AND (expires_at IS NULL OR expires_at > :now)
            LIMIT 1000) AS unread),
       EXISTS (SELECT 1 FROM conflict_parties WHERE session_id = :session_id AND is_open);

-- name: sessions.find
-- Newest registration first. A row that is overdue but not swept yet counts as offline (S2).
SELECT session_id, name, agent_name, agent_type, project, status, reason, detail, status_since, current_task,
       status_detail, human_user, location, branch, capabilities, metadata, started_at, last_seen, ttl_s,
       CASE WHEN ended_at IS NULL AND expires_at <= :now THEN expires_at ELSE ended_at END,
       CASE WHEN ended_at IS NULL AND expires_at <= :now THEN 'expired' ELSE end_reason END
FROM sessions
WHERE (:include_offline OR (ended_at IS NULL AND expires_at > :now))
  AND (:status IS NULL OR CASE WHEN ended_at IS NULL AND expires_at <= :now THEN 'offline' ELSE status END = :status)
  AND (:agent_type IS NULL OR agent_type = :agent_type)
  AND (:human_user IS NULL OR human_user = :human_user)
  AND (:project IS NULL OR project = :project)
  AND (:capability IS NULL OR EXISTS (
        SELECT 1 FROM json_array_elements_text(capabilities::json) AS each WHERE each = :capability))
  AND {is_visible}
  AND (:after_id IS NULL OR id < (
        SELECT id FROM sessions
        WHERE session_id = :after_id AND {is_visible}))
ORDER BY id DESC LIMIT :limit;

-- name: sessions.clear
-- A negative limit means all.
DELETE FROM sessions WHERE id IN (
    SELECT id FROM sessions WHERE ended_at <= :before AND (:project IS NULL OR project = :project)
    ORDER BY ended_at LIMIT nullif(:limit, -1))
RETURNING session_id, project;
