-- How far each shard is applied, with the position of the rule of counting and ledger time: moved by compare-and-swap.
CREATE TABLE shard (
    shard integer PRIMARY KEY,
    applied bigint NOT NULL,
    rawgen bigint NOT NULL,
    rawpos bigint NOT NULL,
    ledger_time bigint NOT NULL
);

-- One case's rule state. wake: the ledger time, in milliseconds, when it is to be looked at again if nothing happens.
CREATE TABLE case_state (
    caseid text PRIMARY KEY,
    shard integer NOT NULL,
    state bytea NOT NULL,
    wake bigint
) WITH (fillfactor = 70);
CREATE INDEX case_wake ON case_state (shard, wake) WHERE wake IS NOT NULL;

-- Facts for rules across shards, held until every shard's ledger time has passed them; a batch's facts in one row.
CREATE TABLE held (
    shard integer NOT NULL,
    first_offset bigint NOT NULL,
    min_time bigint NOT NULL,
    facts bytea NOT NULL,
    PRIMARY KEY (shard, first_offset)
);
CREATE INDEX held_time ON held (min_time);

CREATE TABLE source_state (
    source text PRIMARY KEY,
    state bytea NOT NULL,
    wake bigint
);

-- The last revision of each alert. private: never more than a warning, shown to nobody but the judge concerned.
CREATE TABLE alert (
    id text PRIMARY KEY,
    number bigint NOT NULL UNIQUE,
    revision integer NOT NULL,
    rule text NOT NULL,
    severity text NOT NULL,
    state text NOT NULL,
    private boolean NOT NULL,
    subject text NOT NULL,
    courtcode text,
    raised bigint NOT NULL,
    judged bigint NOT NULL,
    body jsonb NOT NULL
);
CREATE INDEX alert_rule ON alert (rule, number);
CREATE INDEX alert_subject ON alert (subject);
CREATE INDEX alert_raised ON alert (raised);

-- Every revision, for ever. number rises in the order of commits, so that a stream can be resumed after it.
CREATE TABLE alert_revision (
    id text NOT NULL,
    revision integer NOT NULL,
    number bigint NOT NULL UNIQUE,
    private boolean NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (id, revision)
);
CREATE SEQUENCE alert_number;

-- What is still to be sent: to the topic, and as an event through the gateway.
CREATE TABLE outbox (
    number bigint NOT NULL,
    channel text NOT NULL CHECK (channel IN ('topic', 'gateway')),
    id text NOT NULL,
    revision integer NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (channel, number)
);

-- The next number of this service's own counter as a source of events.
CREATE TABLE own_sequence (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    next bigint NOT NULL
);
INSERT INTO own_sequence (next) VALUES (1);

-- Alerts that the gateway refused for good, with its answer.
CREATE TABLE undeliverable (
    id text NOT NULL,
    revision integer NOT NULL,
    status integer NOT NULL,
    answer text NOT NULL,
    PRIMARY KEY (id, revision)
);

-- Records that could not be applied: they cannot stop the stream, and nobody may overlook them.
CREATE TABLE unreadable (
    shard integer NOT NULL,
    record_offset bigint NOT NULL,
    leaf text NOT NULL,
    problem text NOT NULL,
    PRIMARY KEY (shard, record_offset)
);
