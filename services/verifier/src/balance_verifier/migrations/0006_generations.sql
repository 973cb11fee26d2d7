-- The entries with which the log went on in new topics after a restore, and the checkpoint that first covers each.
ALTER TABLE log ADD COLUMN generations bytea[] NOT NULL DEFAULT '{}';
ALTER TABLE checkpoint ADD COLUMN generation bytea;
CREATE UNIQUE INDEX checkpoint_generation ON checkpoint (size) WHERE generation IS NOT NULL;
