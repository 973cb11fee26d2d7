-- Courts' own calendars as each shard has them: days off beside weekends, and weekend days that are worked.
CREATE TABLE court_calendar (
    shard integer NOT NULL,
    court text NOT NULL,
    year integer NOT NULL,
    holidays date[] NOT NULL,
    worked date[] NOT NULL,
    PRIMARY KEY (shard, court, year)
);
