-- Facts for rules across cases, held until every shard's ledger time has passed them; a batch's facts in one row.
CREATE TABLE held_across (
    shard integer NOT NULL,
    first_offset bigint NOT NULL,
    min_time bigint NOT NULL,
    facts bytea NOT NULL,
    PRIMARY KEY (shard, first_offset)
);
CREATE INDEX held_across_time ON held_across (min_time);

-- What a rule across cases remembers of one person, unit or case. wake: as in case_state.
CREATE TABLE across_state (
    key text PRIMARY KEY,
    state bytea NOT NULL,
    wake bigint
);
CREATE INDEX across_wake ON across_state (wake) WHERE wake IS NOT NULL;
