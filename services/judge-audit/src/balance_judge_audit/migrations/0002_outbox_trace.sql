-- The span that judged: it is linked to the spans of the events, and goes on with the alert.
ALTER TABLE outbox ADD COLUMN traceparent text;
