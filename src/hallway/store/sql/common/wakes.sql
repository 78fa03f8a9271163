-- name: wakes.budget
-- A thread's budget, the number of turns taken from it since a person last sent a message, and the time of the
-- session's wake-up that decides its rate limit.
SELECT budget.id,
       (SELECT count(DISTINCT wake_id) FROM wakes WHERE budget_id = budget.id AND refilled_at IS NULL),
       (SELECT at FROM wakes WHERE session_id = :session_id AND at > :since
        GROUP BY wake_id, at ORDER BY at DESC LIMIT 1 OFFSET :most - 1)
FROM (SELECT coalesce((SELECT budget_id FROM shared_budgets WHERE thread_id = :thread_id), :thread_id) AS id) AS budget;

-- name: wakes.share
-- A thread that begins in a turn started by a wake-up shares the budget of that turn.
INSERT INTO shared_budgets (thread_id, budget_id, at)
SELECT :thread_id, budget_id, :now FROM wakes
WHERE session_id = :session_id AND refilled_at IS NULL ORDER BY at DESC LIMIT 1;

-- name: wakes.is_answer_wanted
-- Whether a response answers a question of its recipient that the sender has not answered before.
SELECT 1 FROM messages AS asked
WHERE asked.message_id = :in_reply_to AND asked.from_session = :session_id
  AND asked.type IN ('request', 'task_offer', 'handoff')
  AND NOT EXISTS (SELECT 1 FROM messages AS earlier
                  WHERE earlier.thread_id = asked.thread_id AND earlier.thread_id <> earlier.message_id
                    AND earlier.in_reply_to = asked.message_id AND earlier.type = 'response'
                    AND earlier.from_session = :from_session AND earlier.seq < :seq);

-- name: wakes.hand
UPDATE deliveries SET handed_at = :now
WHERE recipient = :session_id AND seq IN (SELECT CAST(value AS bigint) FROM json_each(:seqs));

-- name: wakes.handed
-- What a session's client was handed and has not confirmed.
SELECT message_id FROM deliveries JOIN messages USING (seq)
WHERE recipient = :session_id AND injected_at IS NULL AND acknowledged_at IS NULL AND handed_at IS NOT NULL;

-- name: wakes.give_back
UPDATE deliveries SET handed_at = NULL
WHERE recipient = :session_id AND injected_at IS NULL AND handed_at IS NOT NULL
  AND seq IN (SELECT seq FROM messages WHERE message_id IN (SELECT value FROM json_each(:message_ids)))
RETURNING seq;

-- name: wakes.forget_last
-- The session's last wake-up delivered no message, so it is not counted.
DELETE FROM wakes
WHERE session_id = :session_id
  AND at = (SELECT max(at) FROM wakes WHERE session_id = :session_id)
  AND NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.recipient = :session_id AND d.handed_at = wakes.at);

-- name: wakes.count
INSERT INTO wakes (wake_id, session_id, from_session, budget_id, at, refilled_at)
VALUES (:wake_id, :session_id, :from_session, :budget_id, :now, :refilled_at)
ON CONFLICT DO NOTHING;

-- name: wakes.refill_budget
UPDATE wakes SET refilled_at = :now WHERE budget_id = :budget_id AND refilled_at IS NULL;

-- name: wakes.refill
-- Every budget that a session has used or for which it has sent a message.
UPDATE wakes SET refilled_at = :now
WHERE refilled_at IS NULL
  AND budget_id IN (SELECT budget_id FROM wakes WHERE session_id = :session_id OR from_session = :session_id)
RETURNING budget_id;

-- name: wakes.prune
DELETE FROM wakes WHERE at <= :before;

-- name: wakes.prune_shared
DELETE FROM shared_budgets WHERE at <= :before;
