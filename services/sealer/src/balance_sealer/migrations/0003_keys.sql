-- The key sets that the notary has signed, in order, and whether it has signed that the log ends: guarded like the
-- state itself, so that whichever notary goes on goes on by the same keys.
ALTER TABLE guard ADD COLUMN keys text[] NOT NULL DEFAULT '{}';
ALTER TABLE guard ADD COLUMN final boolean NOT NULL DEFAULT false;

-- What an operator has asked for and the notary is to carry out: add a key, end one, end the log.
CREATE TABLE change (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind    text NOT NULL CHECK (kind IN ('add', 'end', 'freeze')),
    subject text NOT NULL,
    asked   timestamptz NOT NULL DEFAULT now(),
    -- The log size from which it holds, once it was carried out; what made no sense is refused with the reason.
    size    bigint,
    refused text
);
