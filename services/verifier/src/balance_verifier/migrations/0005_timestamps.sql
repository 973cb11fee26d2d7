-- RFC 3161 timestamps over checkpoints that count: the note whose text was stamped, and the authority's answer.
CREATE TABLE timestamp_token (
    size bigint PRIMARY KEY,
    time text NOT NULL,
    note text NOT NULL,
    token bytea NOT NULL,
    asked timestamptz NOT NULL DEFAULT now()
);
