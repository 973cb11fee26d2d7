-- The key sets that the log's key has signed, in order, and whether the log has ended.
ALTER TABLE log ADD COLUMN keys text[] NOT NULL DEFAULT '{}';
ALTER TABLE log ADD COLUMN final boolean NOT NULL DEFAULT false;
-- The signed notes that came with a checkpoint: a new key set, the statement that the log has ended.
ALTER TABLE checkpoint ADD COLUMN keys text;
ALTER TABLE checkpoint ADD COLUMN final text;
