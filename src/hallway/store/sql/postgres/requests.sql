-- name: requests.find_unanswered
-- Newest first.
SELECT {request_columns}
FROM requests AS r JOIN messages AS m ON m.seq = r.seq
WHERE r.seq IN (SELECT seq FROM requests WHERE closed_at IS NULL AND {is_wanted} AND {message_is_visible} ORDER BY seq DESC LIMIT :limit)
ORDER BY r.seq DESC;
