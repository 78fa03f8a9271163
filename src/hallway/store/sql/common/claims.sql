-- fragment: claim_columns
-- The fields of a Claim, in order.
c.claim_id, c.project, c.session_id, c.paths, c.mode, c.intent, c.task_id, c.state, c.number, c.fence, c.asked_at,
c.granted_at, c.ttl_s, c.expires_at

-- fragment: is_rival
-- The claims of other sessions that may conflict with the wanted one. At least one of the two claims must be exclusive,
-- and the other session's claim must be granted, or wait since before the wanted one was asked for. Both globs must allow
-- the same ending of a path and the same number of names in it. Endings are stored backwards, so they are compared as
-- beginnings.
p.project = :project AND c.session_id <> :session_id AND c.expires_at > :now
AND (:mode = 'exclusive' OR c.mode = 'exclusive') AND (c.state = 'granted' OR c.number < :number)
AND p.min_depth <= :max_depth AND p.max_depth >= :min_depth
AND substr(p.ending, 1, length(:ending)) = substr(:ending, 1, length(p.ending))

-- name: claims.draw_number
INSERT INTO claim_numbers (project, last) VALUES (:project, 1)
ON CONFLICT (project) DO UPDATE SET last = claim_numbers.last + 1
RETURNING last;

-- name: claims.insert
INSERT INTO claims (claim_id, project, session_id, paths, mode, intent, task_id, state, number, fence, asked_at,
                    granted_at, ttl_s, expires_at, ignores_case, notifies)
VALUES (:claim_id, :project, :session_id, :paths, :mode, :intent, :task_id, :state, :number, :fence, :now,
        :granted_at, :ttl_s, :expires_at, :ignores_case, :notify);

-- name: claims.insert_path
INSERT INTO claim_paths (project, prefix, claim_id, glob, ending, min_depth, max_depth)
VALUES (:project, :prefix, :claim_id, :glob, :ending, :min_depth, :max_depth);

-- name: claims.rivals
-- The claims with a glob that may overlap one with a prefix: theirs begins with it, or it begins with theirs.
SELECT c.claim_id, p.glob, c.ignores_case
FROM claim_paths AS p JOIN claims AS c ON c.claim_id = p.claim_id
WHERE p.prefix >= :prefix AND p.prefix < :prefix_end AND {is_rival}
UNION ALL
SELECT c.claim_id, p.glob, c.ignores_case
FROM claim_paths AS p JOIN claims AS c ON c.claim_id = p.claim_id
WHERE p.prefix IN (SELECT value FROM json_each(:shorter)) AND {is_rival};

-- name: claims.of_others
-- Whether other sessions have exclusive claims on paths of a project; claims on resources do not count.
SELECT 1 FROM claims AS c
WHERE c.project = :project AND c.session_id <> :session_id AND c.state = 'granted' AND c.mode = 'exclusive'
  AND c.expires_at > :now
  AND EXISTS (SELECT 1 FROM claim_paths AS p WHERE p.claim_id = c.claim_id AND p.prefix NOT LIKE 'resource:%')
LIMIT 1;

-- name: claims.get
SELECT {claim_columns} FROM claims AS c WHERE claim_id = :claim_id;

-- name: claims.some
SELECT {claim_columns} FROM claims AS c WHERE claim_id IN (SELECT value FROM json_each(:claim_ids)) ORDER BY number;

-- name: claims.find
SELECT {claim_columns} FROM claims AS c
WHERE expires_at > :now AND (:project IS NULL OR project = :project)
  AND (:session_id IS NULL OR session_id = :session_id) AND (:state IS NULL OR state = :state)
  AND (:after_id IS NULL OR (asked_at, claim_id) > (SELECT a.asked_at, a.claim_id FROM claims AS a
                                                    WHERE a.claim_id = :after_id))
  AND {is_visible}
ORDER BY asked_at, claim_id LIMIT :limit;

-- name: claims.same
-- A session's granted claim of the same paths, in the same mode.
SELECT {claim_columns} FROM claims AS c
WHERE session_id = :session_id AND project = :project AND paths = :paths AND mode = :mode AND state = 'granted'
  AND expires_at > :now;

-- name: claims.count
SELECT count(*) FROM claims WHERE session_id = :session_id;

-- name: claims.renew
UPDATE claims
SET expires_at = :expires_at, ttl_s = :ttl_s, intent = coalesce(:intent, intent), task_id = coalesce(:task_id, task_id)
WHERE claim_id = :claim_id;

-- name: claims.rewind
-- The clock was set back: no lease lasts longer from now than it was granted for.
UPDATE claims SET expires_at = :now + ttl_s * 1000000
WHERE state = 'granted' AND expires_at > :now + ttl_s * 1000000;

-- name: claims.grant
UPDATE claims SET state = 'granted', fence = :fence, granted_at = :now, expires_at = :now + ttl_s * 1000000
WHERE claim_id = :claim_id;

-- name: claims.delete
DELETE FROM claims WHERE claim_id = :claim_id;

-- name: claims.overdue
SELECT {claim_columns} FROM claims AS c WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit;

-- name: claims.of_session
SELECT {claim_columns} FROM claims AS c WHERE session_id = :session_id ORDER BY number;

-- name: claims.of_project
SELECT {claim_columns} FROM claims AS c WHERE project = :project ORDER BY number;

-- name: claims.of_task
SELECT {claim_columns} FROM claims AS c WHERE task_id = :task_id AND session_id = :session_id ORDER BY number;

-- name: claims.give
UPDATE claims SET session_id = :session_id WHERE claim_id = :claim_id;

-- name: claims.stats
SELECT state, count(*) FROM claims
WHERE expires_at > :now AND (:project IS NULL OR project = :project) AND {is_visible} GROUP BY state ORDER BY state;

-- name: claims.ignores_case
SELECT ignores_case FROM claims WHERE claim_id = :claim_id;

-- name: claims.notifies
SELECT notifies FROM claims WHERE claim_id = :claim_id;
