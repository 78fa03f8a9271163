-- name: tokens.insert
INSERT INTO tokens (name, digest, role, projects, created_at, expires_at)
VALUES (:name, :token_digest, :role, :projects, :now, :expires_at)
ON CONFLICT DO NOTHING RETURNING id;

-- name: tokens.revocation
-- Of the token with a hash, whether and when it was revoked.
SELECT revoked_at FROM tokens WHERE digest = :token_digest;

-- name: tokens.restore
INSERT INTO tokens (name, digest, role, projects, created_at, expires_at)
VALUES (:name, :token_digest, :role, :projects, :created_at, :expires_at)
ON CONFLICT DO NOTHING RETURNING id;

-- name: tokens.valid
-- The tokens that are valid now.
SELECT digest, name, role, projects, expires_at FROM tokens
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now);

-- name: tokens.get
SELECT name, role, projects, created_at, expires_at, revoked_at, last_used_at, last_used_from
FROM tokens WHERE name = :name AND revoked_at IS NULL;

-- name: tokens.find
SELECT name, role, projects, created_at, expires_at, revoked_at, last_used_at, last_used_from
FROM tokens
WHERE (:include_revoked OR (revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)))
ORDER BY name, id LIMIT :limit;

-- name: tokens.names
-- Names to suggest for a misspelt one.
SELECT name FROM tokens WHERE revoked_at IS NULL ORDER BY id DESC LIMIT 100;

-- name: tokens.revoke
UPDATE tokens SET revoked_at = :now WHERE name = :name AND revoked_at IS NULL
RETURNING name, role, projects, created_at, expires_at, revoked_at, last_used_at, last_used_from;

-- name: tokens.rotate
UPDATE tokens SET digest = :token_digest, expires_at = coalesce(:expires_at, expires_at)
WHERE name = :name AND revoked_at IS NULL
RETURNING name, role, projects, expires_at;

-- name: tokens.used
UPDATE tokens SET last_used_at = :now, last_used_from = :address
WHERE name = :name AND revoked_at IS NULL AND (last_used_at IS NULL OR last_used_at < :now);

-- name: tokens.prune
DELETE FROM tokens WHERE id IN (
    SELECT id FROM tokens WHERE revoked_at <= :before OR expires_at <= :before ORDER BY id LIMIT :limit)
RETURNING 1;
