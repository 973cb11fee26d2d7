-- A log restored from its archive lacks what was sealed after the last export. `lost` marks what was promised and is in
-- none of its events: sent again, it is taken again, under the receipt that it has.
ALTER TABLE reservation ADD COLUMN lost boolean NOT NULL DEFAULT false;

-- The generation of the log that dedup was rebuilt for: one of before would reject what was lost as a repeat.
CREATE TABLE rebuilt (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    generation integer NOT NULL
);
