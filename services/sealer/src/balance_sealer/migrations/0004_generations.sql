-- The entries with which the log went on in new topics after a restore, in order; guarded like the state itself.
ALTER TABLE guard ADD COLUMN generations bytea[] NOT NULL DEFAULT '{}';
