-- Where a case is: what the fold over its events remembers.
CREATE TABLE flow_case (
    caseid text PRIMARY KEY,
    state bytea NOT NULL
) WITH (fillfactor = 70);

-- Each stay of a case in a phase; times in milliseconds, ended is null while it lasts.
CREATE TABLE flow_span (
    caseid text NOT NULL,
    phase text NOT NULL,
    round integer NOT NULL,
    court text NOT NULL,
    cause text NOT NULL,
    procedure text NOT NULL,
    started bigint NOT NULL,
    ended bigint,
    dropped boolean NOT NULL,
    PRIMARY KEY (caseid, phase, round)
) WITH (fillfactor = 80);
CREATE INDEX flow_span_waiting ON flow_span (phase, started) WHERE ended IS NULL AND NOT dropped;
