-- The gateway's: what it has promised to accept, and the receipt it gave. Backed up; nothing can rebuild it.
CREATE TABLE reservation (
    source text NOT NULL,
    id text NOT NULL,
    digest bytea NOT NULL,
    caseid text NOT NULL,
    receipt bytea,
    created timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, id)
);

-- The normaliser's: which raw record speaks for (source, id). Rebuilt from litigation.events with the normaliser stopped.
-- `digest` (SHA-256 of the canonical bytes sent) serves receipts of Kafka sources alone; a rebuilt row has none.
CREATE TABLE dedup (
    source text NOT NULL,
    id text NOT NULL,
    partition integer NOT NULL,
    rawgen integer NOT NULL,
    rawpos bigint NOT NULL,
    caseid text NOT NULL,
    sourcedigest bytea NOT NULL,
    digest bytea,
    PRIMARY KEY (source, id)
);

-- The register of people: not on the chain. Deleting a row ends the link between a reference and a person.
-- `key` is SHA-256 over the canonical [byname, scope, value]: a name may be longer than an index takes.
CREATE TABLE registry (
    key bytea PRIMARY KEY,
    byname boolean NOT NULL,
    scope text NOT NULL,
    value text NOT NULL,
    ref text NOT NULL UNIQUE,
    created timestamptz NOT NULL DEFAULT now()
);
