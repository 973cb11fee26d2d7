-- What an act does, without its words: an alert is not acted on twice while the first act is on its way.
ALTER TABLE action ADD COLUMN act jsonb;
