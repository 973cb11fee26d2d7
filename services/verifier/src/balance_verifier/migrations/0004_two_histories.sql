-- Checkpoints that the log's key has signed and that do not count: judged once the log here is as large as they are.
CREATE TABLE stray (
    pos bigint PRIMARY KEY,
    size bigint NOT NULL,
    root bytea NOT NULL,
    note text NOT NULL,
    judged boolean NOT NULL DEFAULT false
);
-- Files for `balance-chain equivocation show`: two signed checkpoints that cannot both be true.
CREATE TABLE equivocation (
    id text PRIMARY KEY,
    found timestamptz NOT NULL DEFAULT now(),
    data bytea NOT NULL
);
