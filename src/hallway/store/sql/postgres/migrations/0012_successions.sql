-- Which session an ended one goes on as (S14).

ALTER TABLE sessions ADD COLUMN continued_by text COLLATE "C";
