-- fragment: reference_columns
session_id, name, agent_type, project, ended_at IS NULL AND expires_at > :now

-- name: sessions.get
-- A row that is overdue but not swept yet counts as offline (S2).
SELECT session_id, name, agent_name, agent_type, project, status, reason, detail, status_since, current_task,
       status_detail, human_user, location, branch, capabilities, metadata, started_at, last_seen, ttl_s,
       CASE WHEN ended_at IS NULL AND expires_at <= :now THEN expires_at ELSE ended_at END,
       CASE WHEN ended_at IS NULL AND expires_at <= :now THEN 'expired' ELSE end_reason END
FROM sessions WHERE session_id = :session_id;

-- name: sessions.exists
SELECT id FROM sessions WHERE session_id = :session_id;

-- name: sessions.owner
-- The token that registered a session, and the session's project.
SELECT principal, project FROM sessions WHERE session_id = :session_id;

-- name: sessions.projects
-- A few of the projects that the caller may see, to suggest in an error about a missing project.
SELECT project FROM projects
WHERE live > 0 AND {is_visible}
ORDER BY project LIMIT 5;

-- name: sessions.end
UPDATE sessions SET status = 'offline', reason = NULL, detail = NULL, status_since = :now, ended_at = :now,
    end_reason = :end_reason
WHERE session_id = :session_id AND ended_at IS NULL;

-- name: sessions.due
-- Whether a sweep is needed: a session is due for a check, a claim's or conflict's time is over, a request's deadline has passed, a message
-- has expired, or the clock was set back.
SELECT 1 WHERE (SELECT min(check_at) FROM sessions WHERE ended_at IS NULL) <= :now
UNION ALL
SELECT 1 WHERE (SELECT min(expires_at) FROM claims) <= :now
UNION ALL
SELECT 1 WHERE (SELECT min(expires_at) FROM conflicts) <= :now
UNION ALL
SELECT 1 WHERE (SELECT min(due_at) FROM requests WHERE due_at IS NOT NULL) < :now
UNION ALL
SELECT 1 WHERE (SELECT min(expires_at) FROM messages WHERE expires_at IS NOT NULL AND expired_at IS NULL) <= :now
UNION ALL
SELECT 1 FROM clock WHERE at > :now + 1000000;

-- name: sessions.expire
-- S3: each overdue session becomes offline once; the caller writes one event for each row returned.
UPDATE sessions SET status = 'offline', reason = NULL, detail = NULL, status_since = expires_at, ended_at = expires_at,
    end_reason = 'expired'
WHERE id IN (SELECT id FROM sessions WHERE ended_at IS NULL AND check_at <= :now ORDER BY check_at LIMIT :limit)
  AND expires_at <= :now
RETURNING session_id, project, last_seen;

-- name: sessions.postpone_check
-- Sessions that have sent a heartbeat since: the next check is at their expiry. Runs once per TTL, not per heartbeat.
UPDATE sessions SET check_at = expires_at
WHERE id IN (SELECT id FROM sessions WHERE ended_at IS NULL AND check_at <= :now ORDER BY check_at LIMIT :limit)
  AND expires_at > :now;

-- name: sessions.advance_clock
-- If it was no sleep, and the clock is set back, the sweep then notices that.
UPDATE clock SET at = :now WHERE at < :now;

-- name: sessions.expire_one
UPDATE sessions SET status = 'offline', reason = NULL, detail = NULL, status_since = expires_at, ended_at = expires_at,
    end_reason = 'expired'
WHERE session_id = :session_id AND ended_at IS NULL AND expires_at <= :now
RETURNING session_id, project, last_seen;

-- name: sessions.rewind_clock
UPDATE clock SET at = :now WHERE at > :now + 1000000 RETURNING at;

-- name: sessions.peers
-- The live sessions of a project except one (-1: all), newest first; the columns are a peer's fields in order.
SELECT session_id, name, agent_name, agent_type, status, reason, detail, (:now - status_since) / 1000000, current_task,
       human_user, branch, (:now - last_seen) / 1000000
FROM sessions
WHERE project = :project AND ended_at IS NULL AND expires_at > :now AND id <> :except_id
ORDER BY last_seen DESC LIMIT :limit;

-- name: sessions.active
-- The live sessions of a project, newest first: an active session's fields, in order.
SELECT session_id, name, agent_name, agent_type, status, reason, detail, (:now - status_since) / 1000000, current_task,
       human_user, branch, (:now - last_seen) / 1000000, status_detail, last_seen
FROM sessions
WHERE project = :project AND ended_at IS NULL AND expires_at > :now
ORDER BY last_seen DESC LIMIT :limit;

-- name: sessions.live_in_project
SELECT live FROM projects WHERE project = :project;

-- name: sessions.count_live
SELECT count(*) FROM sessions WHERE project = :project AND ended_at IS NULL AND expires_at > :now;

-- name: sessions.counts
-- The number of sessions of each status, type and user; overdue ones count as offline.
SELECT CASE WHEN ended_at IS NULL AND expires_at <= :now THEN 'offline' ELSE status END, agent_type, human_user, count(*)
FROM sessions
WHERE (:project IS NULL OR project = :project)
  AND {is_visible}
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- name: sessions.named
-- The sessions of a name that the caller may see: live ones, then those that ended last (S10).
SELECT {reference_columns} FROM sessions WHERE name = :name AND ended_at IS NULL AND {is_visible}
UNION ALL
SELECT * FROM (
    SELECT {reference_columns} FROM sessions
    WHERE name = :name AND ended_at IS NOT NULL AND {is_visible} ORDER BY ended_at DESC LIMIT 100) AS former;

-- name: sessions.beginning_with
-- The sessions whose id begins so, of those that the caller may see.
SELECT {reference_columns} FROM sessions
WHERE session_id >= :reference AND session_id < :reference || :after_all AND {is_visible} LIMIT :limit;

-- name: sessions.near
-- Ids and names to suggest for an unknown one, of sessions that the caller may see: its neighbours in alphabetical order,
-- the newest sessions, and live ones of the caller's projects. Reads about two hundred rows on a bus of any size.
SELECT session_id FROM (
    SELECT session_id, project FROM sessions WHERE session_id >= :wanted ORDER BY session_id LIMIT 15) AS after_it
WHERE {is_visible}
UNION
SELECT session_id FROM (
    SELECT session_id, project FROM sessions WHERE session_id < :wanted ORDER BY session_id DESC LIMIT 15) AS before_it
WHERE {is_visible}
UNION
SELECT session_id FROM (SELECT session_id, project FROM sessions ORDER BY id DESC LIMIT 40) AS newest
WHERE {is_visible}
UNION
SELECT session_id FROM (
    SELECT session_id FROM sessions
    WHERE ended_at IS NULL AND project IN (SELECT value FROM json_each(:visible)) LIMIT 40) AS own
UNION
SELECT name FROM (
    SELECT name, project FROM sessions WHERE ended_at IS NULL AND name >= :wanted ORDER BY name LIMIT 15) AS named_after
WHERE {is_visible}
UNION
SELECT name FROM (
    SELECT name, project FROM sessions WHERE ended_at IS NULL AND name < :wanted ORDER BY name DESC LIMIT 15) AS named_before
WHERE {is_visible}
UNION
SELECT name FROM (SELECT name, project FROM sessions ORDER BY id DESC LIMIT 40) AS newest_names
WHERE {is_visible};

-- name: sessions.correct_reason
-- Adds the client's reason to a session that already ended because its process died or its TTL passed.
UPDATE sessions SET end_reason = :end_reason WHERE session_id = :session_id;

-- name: sessions.seen
-- The columns that decide whether an operation of a session is recorded as a sign of life (S12): of its last act, which
-- may be older than the last heartbeat of its server.
SELECT CASE WHEN progress_at < last_seen THEN progress_at ELSE last_seen END, ttl_s, ended_at, end_reason
FROM sessions WHERE session_id = :session_id;

-- name: sessions.continue_as
-- S14: what is sent to an ended session from now on is for the one that goes on.
UPDATE sessions SET continued_by = :session_id WHERE session_id = :continues;

-- name: sessions.continued_by
SELECT continued_by FROM sessions WHERE session_id = :session_id AND ended_at IS NOT NULL;

-- name: sessions.naming
-- What a session's name comes from, and who chose it (S9).
SELECT name_base, name_source, name FROM sessions WHERE session_id = :session_id;

-- name: sessions.set_name
UPDATE sessions SET name = :name, name_base = :name_base, name_source = :name_source WHERE session_id = :session_id;

-- name: sessions.taken_names
-- Which names another session of the projects has that has not ended, or would be mistaken for another session's id, in
-- whatever project: a prefix of four characters names a session, and the whole id always does.
SELECT wanted.value FROM json_each(:names) AS wanted
WHERE EXISTS (
        SELECT 1 FROM sessions
        WHERE name = wanted.value AND ended_at IS NULL AND session_id <> :session_id
          AND project IN (SELECT value FROM json_each(:projects)))
   OR EXISTS (
        SELECT 1 FROM sessions
        WHERE session_id >= wanted.value AND session_id <> :session_id
          AND session_id < wanted.value || CASE WHEN length(wanted.value) < 4 THEN ' ' ELSE :after_all END);

-- name: sessions.shared_names
-- The sessions of one project that have not ended and have the name of such a session of another.
SELECT session_id, name_base, name_source FROM sessions AS s
WHERE project = :from_project AND ended_at IS NULL
  AND session_id IN (SELECT name FROM moved_records WHERE move_id = :id AND noun = 'sessions')
  AND EXISTS (SELECT 1 FROM sessions AS other
              WHERE other.name = s.name AND other.project = :to_project AND other.ended_at IS NULL);

-- name: sessions.find_names
SELECT session_id, name, EXISTS (SELECT 1 FROM sessions AS other
    WHERE other.project = s.project AND other.name = s.name AND other.ended_at IS NULL
      AND other.session_id <> s.session_id)
FROM sessions AS s
WHERE session_id IN (SELECT value FROM json_each(:session_ids)) AND {is_visible};
