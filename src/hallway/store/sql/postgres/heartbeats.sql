-- name: heartbeats.many
-- Many heartbeats at once, of sessions that are live, say nothing new and are in no conflict; the others are not among the rows. First a
-- row for each, with its place in the question: its id, project and status, how many are live in the project (without
-- those that are overdue and not swept yet) and how many messages wait. Then, without a place, the newest of each of
-- these projects, as they were before this. Rows that others are writing are skipped, so nothing is ever waited for.
-- No row is written once the bus has a newer schema than `version`. What commits late must not undo what was seen since,
-- so moments only rise.
WITH moment AS MATERIALIZED (
    SELECT coalesce(:now, (extract(epoch FROM statement_timestamp()) * 1000000)::bigint) AS now),
mine AS MATERIALIZED (
    SELECT asked.place, s.id, s.session_id, s.name, s.project, s.status
    FROM moment, unnest(:session_ids::text[], :statuses::text[], :current_tasks::text[], :branches::text[],
                        :projects::text[], :ttls::bigint[], :principals::text[])
         WITH ORDINALITY AS asked (session_id, status, current_task, branch, project, ttl_s, principal, place)
    JOIN sessions AS s ON s.session_id = asked.session_id
    WHERE s.ended_at IS NULL AND s.expires_at > moment.now
      AND (asked.status IS NULL OR s.status = asked.status)
      AND (asked.current_task IS NULL OR s.current_task = asked.current_task)
      AND (asked.branch IS NULL OR s.branch = asked.branch)
      AND (asked.project IS NULL OR s.project = asked.project)
      AND (asked.ttl_s IS NULL OR s.ttl_s = asked.ttl_s)
      AND (asked.principal IS NULL OR s.principal = asked.principal)
      AND NOT EXISTS (SELECT 1 FROM conflict_parties WHERE session_id = s.session_id AND is_open)
      AND (SELECT max(number) FROM hallway_migrations) <= :version
    FOR NO KEY UPDATE OF s SKIP LOCKED),
ticked AS MATERIALIZED (SELECT seen(now) AS now FROM moment),
beaten AS (
    UPDATE sessions AS s SET last_seen = greatest(s.last_seen, ticked.now),
                             expires_at = greatest(s.last_seen, ticked.now) + s.ttl_s * 1000000,
                             progress_at = greatest(s.progress_at, ticked.now)
    FROM mine, ticked WHERE s.id = mine.id),
overdue AS MATERIALIZED (
    SELECT project, count(*) AS number FROM sessions, moment
    WHERE ended_at IS NULL AND check_at <= moment.now AND expires_at <= moment.now GROUP BY project)
SELECT mine.place, mine.id, mine.project, NULL AS session_id, mine.name, NULL AS agent_name, NULL AS agent_type,
       mine.status, NULL AS reason, NULL AS detail, NULL::bigint AS status_s, NULL AS current_task, NULL AS human_user,
       NULL AS branch,
       (SELECT live FROM projects WHERE project = mine.project)
       - coalesce((SELECT number FROM overdue WHERE overdue.project = mine.project), 0),
       (SELECT count(*) FROM (SELECT 1 FROM deliveries
            WHERE recipient = mine.session_id AND acknowledged_at IS NULL
              AND (expires_at IS NULL OR expires_at > moment.now) LIMIT 1000) AS unread)
FROM mine, moment
UNION ALL
SELECT NULL, near.id, near.project, near.session_id, near.name, near.agent_name, near.agent_type, near.status,
       near.reason, near.detail, (moment.now - near.status_since) / 1000000, near.current_task, near.human_user,
       near.branch, (moment.now - near.last_seen) / 1000000, NULL
FROM moment, (SELECT DISTINCT project FROM mine) AS beating
CROSS JOIN LATERAL (
    SELECT * FROM sessions AS s
    WHERE s.project = beating.project AND s.ended_at IS NULL AND s.expires_at > (SELECT now FROM moment)
    ORDER BY s.last_seen DESC LIMIT :limit + 1) AS near;
