-- An import asks for each event that the bus may have already, by its time.

CREATE INDEX events_at ON events (at);
