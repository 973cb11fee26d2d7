-- Hashes of complete subtrees of the log, written with the guard row: witnesses are shown that the log only grows.
-- Computed anew from ledger.checkpoints and ledger.blocks where they are missing.
CREATE TABLE node (
    level integer NOT NULL,
    index bigint  NOT NULL,
    hash  bytea   NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, index)
);
