-- name: requests.find_unanswered
-- Newest first; reads the unanswered ones alone.
SELECT {request_columns}
FROM requests AS r JOIN messages AS m ON m.seq = r.seq
WHERE r.seq IN (SELECT seq FROM requests INDEXED BY requests_open WHERE closed_at IS NULL AND {is_wanted} AND {message_is_visible}
                ORDER BY seq DESC LIMIT :limit)
ORDER BY r.seq DESC;
