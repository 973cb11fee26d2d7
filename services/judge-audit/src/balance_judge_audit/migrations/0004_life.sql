-- Sealed acts of people on alerts, as they stand in the log: a projection, like what follows down to `person`.
CREATE TABLE alert_act (
    shard integer NOT NULL,
    record_offset bigint NOT NULL,
    alert_id text NOT NULL,
    time bigint NOT NULL,
    leaf text NOT NULL,
    event jsonb NOT NULL,
    PRIMARY KEY (shard, record_offset)
);
CREATE INDEX alert_act_alert ON alert_act (alert_id);

-- Who became responsible for a case, and when on ledger time.
CREATE TABLE case_judge (
    caseid text NOT NULL,
    record_offset bigint NOT NULL,
    time bigint NOT NULL,
    ref text NOT NULL,
    PRIMARY KEY (caseid, record_offset)
);

-- Where the life of each public alert stands. said: of each escalation 0 nothing, 1 told, 2 answered; wake: the ledger
-- time from which there is more to say.
CREATE TABLE alert_life (
    alert_id text PRIMARY KEY,
    stage text NOT NULL,
    level integer NOT NULL,
    assignee text,
    subjects text[] NOT NULL,
    said integer[] NOT NULL DEFAULT '{}',
    wake bigint
);
CREATE INDEX alert_life_wake ON alert_life (wake) WHERE wake IS NOT NULL;

-- The register's id of those in the people file, by the event that granted the role.
CREATE TABLE person (
    event_id text PRIMARY KEY,
    ref text NOT NULL
);

-- What is to be sealed, in the order in which it was asked for; no projection. The event is dropped once it is sealed.
CREATE TABLE action (
    number bigserial UNIQUE,
    event_id text PRIMARY KEY,
    alert_id text,
    person text NOT NULL,
    digest bytea NOT NULL,
    event jsonb,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'sealed', 'refused')),
    answer text
);
CREATE INDEX action_alert ON action (alert_id);
CREATE INDEX action_pending ON action (number) WHERE state = 'pending';

-- Who is signed in on the pages: the digest of each cookie.
CREATE TABLE session (
    digest bytea PRIMARY KEY,
    person text NOT NULL,
    expires timestamptz NOT NULL
);
