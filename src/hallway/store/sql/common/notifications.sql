-- name: notifications.open_item
-- An announced item that still needs a person, and since when it is on the list.
SELECT item, appeared_at FROM attention
WHERE item_id = :item_id AND dismissed_at IS NULL AND answered_at IS NULL;

-- name: notifications.take
-- Begins an attempt, if the item was never sent through the channel, or if its next attempt is due: one of several callers
-- gets a row.
INSERT INTO notifications (person, channel, item_id, state, holder, due_at, attempts, updated_at)
VALUES (:person, :channel, :item_id, 'sending', :holder, :due_at, 1, :now)
ON CONFLICT (person, channel, item_id) DO UPDATE
    SET state = 'sending', holder = :holder, due_at = :due_at, attempts = notifications.attempts + 1, updated_at = :now
    WHERE notifications.due_at <= :now AND notifications.state = 'waiting'
RETURNING attempts;

-- name: notifications.expire
-- Ends an attempt whose sender is gone: it is to be made again, or nobody knows whether it was sent.
UPDATE notifications SET state = :state, error = :error, updated_at = :now
WHERE person = :person AND channel = :channel AND item_id = :item_id AND state = 'sending' AND due_at <= :now
RETURNING 1;

-- name: notifications.state
SELECT state, due_at FROM notifications
WHERE person = :person AND channel = :channel AND item_id = :item_id;

-- name: notifications.settle
UPDATE notifications SET state = :state, due_at = :due_at, error = :error, updated_at = :now
WHERE person = :person AND channel = :channel AND item_id = :item_id AND state = 'sending' AND holder = :holder
RETURNING 1;

-- name: notifications.channels
-- How many of a channel's notifications are in each state, and when the last one was; with the last error.
SELECT person, channel, state, count(*), max(updated_at),
       (SELECT e.error FROM notifications AS e
        WHERE e.person = n.person AND e.channel = n.channel AND e.state = n.state
        ORDER BY e.updated_at DESC LIMIT 1)
FROM notifications AS n
WHERE :person IS NULL OR person = :person
GROUP BY person, channel, state ORDER BY person, channel, state;

-- name: notifications.look
INSERT INTO attention_looks (person, looked_at) VALUES (:person, :now)
ON CONFLICT (person) DO UPDATE SET looked_at = :now WHERE attention_looks.looked_at < :now
RETURNING 1;

-- name: notifications.looked_at
SELECT looked_at FROM attention_looks WHERE person = :person;

-- name: notifications.add_token
INSERT INTO answer_tokens (digest, item_id, bearer, expires_at) VALUES (:token_digest, :item_id, :bearer, :expires_at);

-- name: notifications.use_token
-- Uses up a token; a second use finds no row.
UPDATE answer_tokens SET used_at = :now
WHERE digest = :token_digest AND used_at IS NULL AND expires_at > :now
RETURNING item_id, bearer;

-- name: notifications.has_token
SELECT 1 FROM answer_tokens WHERE digest = :token_digest AND used_at IS NULL AND expires_at > :now;

-- name: notifications.prune
-- Removes what was sent of items that are no longer on the list.
DELETE FROM notifications WHERE (person, channel, item_id) IN (
    SELECT n.person, n.channel, n.item_id FROM notifications AS n
    WHERE n.updated_at < :before AND NOT EXISTS (SELECT 1 FROM attention AS a WHERE a.item_id = n.item_id)
    ORDER BY n.updated_at LIMIT :limit)
RETURNING 1;

-- name: notifications.prune_tokens
DELETE FROM answer_tokens WHERE digest IN (
    SELECT digest FROM answer_tokens WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit)
RETURNING 1;
