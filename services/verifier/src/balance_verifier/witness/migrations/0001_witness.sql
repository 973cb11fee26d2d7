-- What a witness may never forget. Losing this, or restoring an older copy, calls for a new key: see docs/witness.md.

CREATE TABLE latest (
    origin      text   PRIMARY KEY,
    size        bigint NOT NULL,
    root        bytea  NOT NULL,
    note        text   NOT NULL,
    cosignature text   NOT NULL
);

CREATE TABLE seen (
    origin text   NOT NULL,
    size   bigint NOT NULL,
    root   bytea  NOT NULL,
    note   text   NOT NULL,
    first  bigint NOT NULL,
    PRIMARY KEY (origin, size, root)
);

CREATE TABLE evidence (
    id     text   PRIMARY KEY,
    origin text   NOT NULL,
    found  bigint NOT NULL,
    data   bytea  NOT NULL
);
