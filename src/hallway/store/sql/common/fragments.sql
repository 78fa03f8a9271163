-- fragment: is_visible
-- Whether the caller sees the project of a row; a caller without limits has no :visible.
(:visible IS NULL OR project IN (SELECT value FROM json_each(:visible)))
