-- The verifier's index of the sealed log. It holds nothing that cannot be rebuilt from litigation.events and ledger.*.

CREATE TABLE shard (
    shard       integer PRIMARY KEY,
    events_next bigint  NOT NULL,
    blocks_next bigint  NOT NULL,
    rawgen      integer NOT NULL,
    rawpos      bigint  NOT NULL,
    height      bigint  NOT NULL,
    prev        text    NOT NULL,
    sealed_next bigint  NOT NULL,
    start       bigint  NOT NULL,
    time        text    COLLATE "C" NOT NULL,
    gen         integer NOT NULL,
    events      bigint  NOT NULL,
    counting    bigint  NOT NULL,
    received    text    COLLATE "C" NOT NULL
);
COMMENT ON TABLE shard IS 'Position of each shard: the next event and block record to read, and the head of its chain.';

CREATE TABLE log (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    next        bigint   NOT NULL,
    size        bigint   NOT NULL,
    root        bytea    NOT NULL,
    heights     bigint[] NOT NULL,
    signers     text[]   NOT NULL,
    range       bytea[]  NOT NULL,
    checkpoints bigint   NOT NULL,
    genesis     bytea    NOT NULL
);
COMMENT ON TABLE log IS 'Position in ledger.checkpoints, and the compact range under the last checkpoint that counts.';

CREATE TABLE event (
    shard    integer NOT NULL,
    pos      bigint  NOT NULL,
    name     bytea   NOT NULL,
    source   text    COLLATE "C" NOT NULL,
    id       text    COLLATE "C" NOT NULL,
    type     text    COLLATE "C" NOT NULL,
    caseid   text    COLLATE "C",
    time     text    COLLATE "C" NOT NULL,
    received text    COLLATE "C" NOT NULL,
    counts   boolean NOT NULL,
    rawgen   integer NOT NULL,
    rawpos   bigint  NOT NULL,
    leaf     bytea   NOT NULL,
    value    bytea   NOT NULL,
    PRIMARY KEY (shard, pos)
);
COMMENT ON COLUMN event.name IS '16 bytes of BLAKE2b over source, NUL, id: the index by name stays small.';
CREATE INDEX event_name ON event (name);
CREATE INDEX event_case ON event (caseid, time, shard, pos) WHERE caseid IS NOT NULL;

CREATE TABLE digest (
    algorithm text   COLLATE "C" NOT NULL,
    digest    text   COLLATE "C" NOT NULL,
    shard     integer NOT NULL,
    pos       bigint  NOT NULL,
    PRIMARY KEY (algorithm, digest, shard, pos)
);

CREATE TABLE block (
    shard      integer NOT NULL,
    height     bigint  NOT NULL,
    pos        bigint  NOT NULL,
    from_pos   bigint  NOT NULL,
    count      integer NOT NULL,
    start      bigint  NOT NULL,
    time       text    COLLATE "C" NOT NULL,
    root       bytea   NOT NULL,
    entry      bytea   NOT NULL,
    entry_leaf bytea   NOT NULL,
    leaves     bytea   NOT NULL,
    log_index  bigint,
    PRIMARY KEY (shard, height)
);
CREATE INDEX block_range ON block (shard, from_pos);
CREATE UNIQUE INDEX block_log_index ON block (log_index);
CREATE INDEX block_time ON block (time, shard, height);

CREATE TABLE log_node (
    level integer NOT NULL,
    index bigint  NOT NULL,
    hash  bytea   NOT NULL,
    PRIMARY KEY (level, index)
);
COMMENT ON TABLE log_node IS 'Hashes of complete subtrees of the global log, from which any proof is put together.';

CREATE TABLE checkpoint (
    pos     bigint   PRIMARY KEY,
    size    bigint   NOT NULL,
    root    bytea    NOT NULL,
    heights bigint[] NOT NULL,
    note    text     NOT NULL
);

CREATE TABLE finding (
    id        text    PRIMARY KEY,
    code      text    NOT NULL,
    shard     integer,
    place     text    NOT NULL,
    expected  text    NOT NULL,
    got       text    NOT NULL,
    detail    text    NOT NULL,
    severity  text    NOT NULL,
    halts     boolean NOT NULL,
    found     timestamptz NOT NULL,
    published boolean NOT NULL DEFAULT false
);
CREATE INDEX finding_unpublished ON finding (found) WHERE NOT published;
COMMENT ON TABLE finding IS 'Faults found in the log; each is written to integrity.alerts once published is set.';
