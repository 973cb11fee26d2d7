-- Up to which revision each target's deliveries are queued.
CREATE TABLE sending_cursor (
    target text PRIMARY KEY,
    number bigint NOT NULL
);

-- Deliveries on their way, and those given up (dead: when).
CREATE TABLE delivery (
    id text PRIMARY KEY,
    target text NOT NULL,
    alert_id text NOT NULL,
    revision integer NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    dead timestamptz,
    problem text NOT NULL DEFAULT ''
);
CREATE INDEX delivery_due ON delivery (target, next_at) WHERE dead IS NULL;
