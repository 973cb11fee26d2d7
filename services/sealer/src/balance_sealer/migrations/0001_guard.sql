-- The notary's memory of what it may sign: one row, compared and swapped before each signature. Back it up.
CREATE TABLE guard (
    single        boolean PRIMARY KEY DEFAULT true CHECK (single),
    origin        text NOT NULL,
    genesis       bytea NOT NULL,
    -- What is or may be signed: no other checkpoint of this size ever will be.
    size          bigint NOT NULL CHECK (size > 0),
    root          bytea NOT NULL CHECK (length(root) = 32),
    heights       bigint[] NOT NULL,
    -- The published checkpoint before it, and how to go on from there without reading the log again.
    base_size     bigint NOT NULL CHECK (base_size >= 0 AND base_size < size),
    base_root     bytea NOT NULL CHECK (length(base_root) = 32),
    base_heights  bigint[] NOT NULL,
    base_hashes   bytea[] NOT NULL,
    base_blocks   bigint[] NOT NULL,
    base_offset   bigint NOT NULL,
    updated       timestamptz NOT NULL DEFAULT now()
);
