-- fragment: request_columns
-- The columns of a request, in the order of the fields of Request in core/model.py.
m.message_id, r.seq, r.from_session, r.to_session, r.project, m.subject, m.priority, m.thread_id, r.state, r.state_since,
r.asked_at, r.reply_by, r.answer_id

-- fragment: concerned
-- What a notice or an event about a request says of it.
requests.seq, requests.project, requests.from_session, requests.to_session, requests.is_group, requests.reply_by,
(SELECT m.message_id FROM messages AS m WHERE m.seq = requests.seq) AS message_id,
(SELECT m.subject FROM messages AS m WHERE m.seq = requests.seq) AS subject,
(SELECT m.thread_id FROM messages AS m WHERE m.seq = requests.seq) AS thread_id

-- fragment: is_wanted
(:before IS NULL OR seq < :before) AND (:project IS NULL OR project = :project)
AND (:from_session IS NULL OR from_session = :from_session) AND (:to_session IS NULL OR to_session = :to_session)

-- name: requests.open
INSERT INTO requests (seq, project, from_session, to_session, is_group, state, state_since, asked_at, reply_within,
                      reply_by, due_at)
VALUES (:seq, :project, :from_session, :to_session, CAST(:to_group AS boolean), 'open', :now, :now,
        :reply_by - :now, :reply_by, :reply_by);

-- name: requests.answer
-- A late reply answers a request, too; a follow-up by who asked does not.
UPDATE requests SET state = 'answered', state_since = :now, closed_at = :now, due_at = NULL, answer_id = :answer_id
WHERE seq = (SELECT m.seq FROM messages AS m WHERE m.message_id = :in_reply_to) AND state <> 'answered'
  AND from_session = :to_session AND from_session <> :from_session
RETURNING {concerned};

-- name: requests.pass_deadline
-- An answer at the very moment of the deadline is in time.
UPDATE requests SET overdue_at = :now, due_at = NULL,
    state = CASE WHEN state = 'recipient_gone' THEN state ELSE 'overdue' END,
    state_since = CASE WHEN state = 'recipient_gone' THEN state_since ELSE :now END
WHERE seq IN (SELECT r.seq FROM requests AS r WHERE r.due_at < :now ORDER BY r.due_at LIMIT :limit)
RETURNING {concerned};

-- name: requests.end_turn
UPDATE requests SET turn_ended_at = :now,
    state = CASE WHEN state = 'open' THEN 'turn_ended' ELSE state END,
    state_since = CASE WHEN state = 'open' THEN :now ELSE state_since END
WHERE to_session = :session_id AND closed_at IS NULL AND turn_ended_at IS NULL
  AND EXISTS (SELECT 1 FROM deliveries AS d
              WHERE d.seq = requests.seq AND d.recipient = :session_id
                AND (d.injected_at IS NOT NULL OR d.acknowledged_at IS NOT NULL))
RETURNING {concerned};

-- name: requests.leave
UPDATE requests SET times_gone = times_gone + 1, state = 'recipient_gone', state_since = :now
WHERE to_session = :session_id AND closed_at IS NULL AND state <> 'recipient_gone'
RETURNING {concerned}, times_gone;

-- name: requests.leave_group
-- Requests to several sessions, of which this one was the last that is there.
UPDATE requests SET times_gone = times_gone + 1, state = 'recipient_gone', state_since = :now
WHERE project = :project AND is_group AND closed_at IS NULL AND state <> 'recipient_gone'
  AND EXISTS (SELECT 1 FROM deliveries AS d WHERE d.seq = requests.seq AND d.recipient = :session_id)
  AND NOT EXISTS (SELECT 1 FROM deliveries AS d JOIN sessions AS s ON s.session_id = d.recipient
                  WHERE d.seq = requests.seq AND d.recipient <> :session_id
                    AND s.ended_at IS NULL AND s.expires_at > :now)
RETURNING {concerned}, times_gone;

-- name: requests.return
-- The recipient is live again. Who asked is not told again when it goes once more, so `times_gone` stays.
UPDATE requests SET state_since = :now, state = CASE
        WHEN overdue_at IS NOT NULL THEN 'overdue' WHEN turn_ended_at IS NOT NULL THEN 'turn_ended' ELSE 'open' END
WHERE to_session = :session_id AND closed_at IS NULL AND state = 'recipient_gone'
RETURNING from_session;

-- name: requests.return_group
UPDATE requests SET state_since = :now, state = CASE WHEN overdue_at IS NOT NULL THEN 'overdue' ELSE 'open' END
WHERE project = :project AND is_group AND closed_at IS NULL AND state = 'recipient_gone'
  AND EXISTS (SELECT 1 FROM deliveries AS d WHERE d.seq = requests.seq AND d.recipient = :session_id)
RETURNING from_session;

-- name: requests.expire
UPDATE requests SET state = 'expired', state_since = :now, closed_at = :now, due_at = NULL
WHERE seq = :seq AND closed_at IS NULL
RETURNING {concerned};

-- name: requests.move_to
-- S14: what a session has not answered is asked of its successor, which has not ended a turn with it.
UPDATE requests SET to_session = :session_id, turn_ended_at = NULL,
    state = CASE WHEN state IN ('turn_ended', 'recipient_gone')
                 THEN CASE WHEN overdue_at IS NULL THEN 'open' ELSE 'overdue' END ELSE state END
WHERE to_session = :continues AND closed_at IS NULL
RETURNING seq;

-- name: requests.move_from
-- One that expired, too: a late reply to it reaches the successor and answers it.
UPDATE requests SET from_session = :session_id WHERE from_session = :continues AND state <> 'answered';

-- name: requests.rewind
-- The clock was set back: what was asked in the future was asked now, and has its whole time.
UPDATE requests SET asked_at = :now, reply_by = :now + reply_within,
    due_at = CASE WHEN due_at IS NOT NULL THEN :now + reply_within END
WHERE closed_at IS NULL AND asked_at > :now;

-- name: requests.leave_out_pause
-- S13: nobody could answer while the machine slept or the hub was frozen, so a deadline that was ahead is later by that.
-- Another machine may have been awake meanwhile, so nobody gets more than the whole time.
UPDATE requests
SET reply_by = CASE WHEN due_at + :pause < :now + reply_within THEN due_at + :pause ELSE :now + reply_within END,
    due_at = CASE WHEN due_at + :pause < :now + reply_within THEN due_at + :pause ELSE :now + reply_within END
WHERE due_at IS NOT NULL AND asked_at < :before AND due_at > :before - :pause;

-- name: requests.get
SELECT {request_columns} FROM messages AS m JOIN requests AS r ON r.seq = m.seq WHERE m.message_id = :message_id;

-- name: requests.find
-- Newest first.
SELECT {request_columns}
FROM requests AS r JOIN messages AS m ON m.seq = r.seq
WHERE r.seq IN (SELECT seq FROM requests WHERE {is_wanted} AND {message_is_visible} ORDER BY seq DESC LIMIT :limit)
ORDER BY r.seq DESC;

-- name: requests.to_person
-- For the attention list: the unanswered requests to a person (user:NAME), oldest first.
SELECT {request_columns}
FROM requests AS r JOIN messages AS m ON m.seq = r.seq
WHERE r.to_session = :recipient AND r.closed_at IS NULL
ORDER BY r.seq LIMIT :limit;

-- name: requests.overdue
-- For the attention list: the requests between agents whose deadline has passed without an answer, oldest first.
SELECT {request_columns}
FROM requests AS r JOIN messages AS m ON m.seq = r.seq
WHERE r.closed_at IS NULL AND r.overdue_at IS NOT NULL AND (:project IS NULL OR r.project = :project)
  AND r.from_session NOT LIKE 'user:%' AND r.to_session NOT LIKE 'user:%'
ORDER BY r.overdue_at LIMIT :limit;

-- name: requests.counts
SELECT state, count(*) FROM requests
WHERE closed_at IS NULL AND (:project IS NULL OR project = :project)
  AND {is_visible}
GROUP BY state ORDER BY state;
