-- A receipt promises a time: `due` is its `by`, in milliseconds since 1970. BRIN: costs an accepted event next to nothing.
ALTER TABLE reservation ADD COLUMN due bigint;
UPDATE reservation SET due = floor(extract(epoch FROM (convert_from(receipt, 'UTF8')::jsonb ->> 'by')::timestamptz) * 1000)
WHERE receipt IS NOT NULL;
CREATE INDEX reservation_due ON reservation USING brin (due) WITH (pages_per_range = 16, autosummarize = on);

-- Projection of events and blocks, rebuilt with dedup: up to which raw record each shard is sealed, and the head of its chain.
CREATE TABLE sealed_shard (
    shard integer PRIMARY KEY,
    rawgen integer NOT NULL,
    rawpos bigint NOT NULL,
    height bigint NOT NULL,
    prev text NOT NULL,
    next_offset bigint NOT NULL,
    start bigint NOT NULL,
    time text NOT NULL,
    gen integer NOT NULL,
    blocks_next bigint NOT NULL
);

-- Each counting block: the last raw record that it seals, and its time in milliseconds. Old ones leave once every receipt
-- that they could keep has been looked at.
CREATE TABLE seal (
    shard integer NOT NULL,
    rawgen integer NOT NULL,
    rawpos bigint NOT NULL,
    height bigint NOT NULL,
    time bigint NOT NULL,
    PRIMARY KEY (shard, rawgen, rawpos, height)
);

-- Sealed rejects of authenticated sources that had an id: what a receipt's owner is told.
CREATE TABLE rejected (
    shard integer NOT NULL,
    rawgen integer NOT NULL,
    rawpos bigint NOT NULL,
    source text NOT NULL,
    id text NOT NULL,
    reason text NOT NULL,
    field text,
    time bigint NOT NULL,
    PRIMARY KEY (shard, rawgen, rawpos)
);
CREATE INDEX rejected_name ON rejected (source, id);

-- Up to which `due` every receipt has been looked at. Not a projection: what was due and not there cannot be seen later.
CREATE TABLE judged (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    due bigint NOT NULL
);

-- Receipts that were not kept; each goes to integrity.alerts once. Kept for ever: it is evidence.
CREATE TABLE broken_receipt (
    source text NOT NULL,
    id text NOT NULL,
    due bigint NOT NULL,
    shard integer,
    sealed bigint,
    height bigint,
    found bigint NOT NULL,
    published boolean NOT NULL DEFAULT false,
    PRIMARY KEY (source, id)
);
CREATE INDEX broken_unpublished ON broken_receipt (found) WHERE NOT published;
