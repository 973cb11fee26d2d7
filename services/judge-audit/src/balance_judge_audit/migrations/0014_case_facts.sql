-- Facts of a case, some a row in the order in which they came, written once; the latest are in its state. A state from
-- before has all of them, and is cut when the case is next touched: nothing is to be rebuilt.
CREATE TABLE case_facts (
    caseid text NOT NULL,
    number integer NOT NULL,
    facts bytea NOT NULL,
    PRIMARY KEY (caseid, number)
);
