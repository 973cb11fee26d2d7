-- Which witnesses of the policy have cosigned a checkpoint, and whether they were a quorum of it.
ALTER TABLE checkpoint ADD COLUMN cosigners text[] NOT NULL DEFAULT '{}', ADD COLUMN quorum boolean NOT NULL DEFAULT false;
CREATE INDEX checkpoint_quorum ON checkpoint (pos) WHERE quorum;
