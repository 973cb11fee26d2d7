-- Sealed changes of rules, as they stand in the log. happened and received in milliseconds.
CREATE TABLE rule_change (
    source text NOT NULL,
    id text NOT NULL,
    rule text NOT NULL,
    before text,
    after text NOT NULL,
    digest text,
    happened bigint NOT NULL,
    received bigint NOT NULL,
    shard integer NOT NULL,
    record_offset bigint NOT NULL,
    leaf text NOT NULL,
    PRIMARY KEY (source, id)
);
CREATE INDEX rule_change_rule ON rule_change (rule, received);
