-- Events of our own source on their way through the gateway, from before they have a number until an answer settles
-- them. event: as sent, but for its sequence. revision_number: the revision's in outbox, of alerts alone.
CREATE TABLE own_event (
    place bigserial PRIMARY KEY,
    id text NOT NULL UNIQUE,
    kind text NOT NULL CHECK (kind IN ('act', 'alert', 'rule')),
    revision_number bigint UNIQUE,
    event bytea NOT NULL,
    traceparent text,
    sequence bigint UNIQUE
);
CREATE INDEX own_event_unnumbered ON own_event (place) WHERE sequence IS NULL;

-- Numbers of our counter that no event has: what had them was not taken. They are given again before new ones.
CREATE TABLE freed_sequence (
    number bigint PRIMARY KEY
);
