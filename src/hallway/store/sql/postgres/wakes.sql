-- name: wakes.new
-- The messages that a session's client has not received, and when each was handed over; urgent first, then oldest first.
SELECT {message_columns}, d.handed_at
FROM deliveries AS d JOIN messages AS m USING (seq)
WHERE d.recipient = :session_id AND d.acknowledged_at IS NULL AND d.injected_at IS NULL
  AND (d.expires_at IS NULL OR d.expires_at > :now)
ORDER BY m.priority = 'urgent' DESC, d.seq LIMIT :limit;
