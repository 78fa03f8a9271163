-- name: logins.insert
INSERT INTO logins (login_id, digest, token_digest, token_name, host, peer_user, browser, created_at, used_at, expires_at)
VALUES (:login_id, :login_digest, :token_digest, :name, :host, :peer_user, :browser, :created_at,
    CASE WHEN :is_link = '1' THEN NULL ELSE :now END, :expires_at);

-- name: logins.has_link
SELECT 1 FROM logins WHERE digest = :link_digest AND used_at IS NULL AND expires_at > :now;

-- name: logins.follow
-- Turns a one-time link into a login; a second use of the link finds no row.
UPDATE logins SET digest = :login_digest, used_at = :now, expires_at = :expires_at, host = :host,
    peer_user = :peer_user, browser = :browser
WHERE digest = :link_digest AND used_at IS NULL AND expires_at > :now
RETURNING token_digest;

-- name: logins.trim
-- Deletes the oldest logins of a token beyond the limit.
DELETE FROM logins WHERE token_name = :name AND id NOT IN (
    SELECT id FROM (SELECT id FROM logins WHERE token_name = :name ORDER BY id DESC LIMIT :limit) AS newest);

-- name: logins.valid
-- The logins that are valid now.
SELECT digest, login_id, token_digest, host, peer_user, expires_at FROM logins
WHERE used_at IS NOT NULL AND expires_at > :now;

-- name: logins.find
SELECT l.login_id, l.token_name, l.host, l.browser, l.used_at, l.expires_at, l.last_used_at, l.last_used_from
FROM logins AS l JOIN tokens AS t ON t.digest = l.token_digest AND t.revoked_at IS NULL
WHERE l.used_at IS NOT NULL AND l.expires_at > :now AND (t.expires_at IS NULL OR t.expires_at > :now)
ORDER BY l.id DESC LIMIT :limit;

-- name: logins.ids
-- Names to suggest for a misspelt one.
SELECT login_id FROM logins WHERE used_at IS NOT NULL AND expires_at > :now ORDER BY id DESC LIMIT 100;

-- name: logins.end
DELETE FROM logins WHERE login_id = :login_id AND used_at IS NOT NULL
RETURNING login_id, token_name, host, browser, used_at, expires_at, last_used_at, last_used_from;

-- name: logins.used
UPDATE logins SET last_used_at = :now, last_used_from = :address
WHERE login_id = :login_id AND (last_used_at IS NULL OR last_used_at < :now);

-- name: logins.prune
DELETE FROM logins WHERE id IN (
    SELECT id FROM logins WHERE expires_at <= :now ORDER BY id LIMIT :limit)
RETURNING 1;
