-- One row a case and version: the case key, wrapped by the master key.
-- Deleting the row erases the case's personal data from the chain.
CREATE TABLE key (
    caseid text NOT NULL,
    version integer NOT NULL DEFAULT 1 CHECK (version >= 1),
    wrapped bytea NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (caseid, version)
);
