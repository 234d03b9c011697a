-- The store's own tables: facts about itself, keys, bodies and the audit trail.
--
-- One portable dialect for all files of this folder. Statements end with a semicolon at the end of a line;
-- comments have lines of their own. A single-column key is written "BIGINT PRIMARY KEY" in its column.

CREATE TABLE meta (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name)
);

-- An account's key, wrapped by the installation key.
CREATE TABLE account_key (
    account BIGINT PRIMARY KEY,
    wrapped BLOB NOT NULL
);

-- Where a body lies. "start" is the first byte of its record's header in the segment, "length" counts header
-- and ciphertext; "size" is the raw message's, "digest" its BLAKE3.
CREATE TABLE body (
    id BIGINT PRIMARY KEY,
    segment BIGINT NOT NULL,
    start BIGINT NOT NULL,
    length BIGINT NOT NULL,
    size BIGINT NOT NULL,
    digest BLOB NOT NULL
);
CREATE UNIQUE INDEX body_by_place ON body (segment, start);

-- Who owns a body, how many messages or queue entries of that owner name it, and the body's key wrapped by
-- the owner's.
CREATE TABLE body_owner (
    body BIGINT NOT NULL,
    account BIGINT NOT NULL,
    refs BIGINT NOT NULL,
    wrapped BLOB NOT NULL,
    PRIMARY KEY (body, account)
);

-- Room in segments that nobody owns and that is not given back to the disk yet.
CREATE TABLE body_free (
    segment BIGINT NOT NULL,
    start BIGINT NOT NULL,
    length BIGINT NOT NULL,
    PRIMARY KEY (segment, start)
);

-- The audit trail. Both id and at ascend in the order of commits.
CREATE TABLE event (
    id BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    outcome TEXT NOT NULL,
    address TEXT,
    subject TEXT NOT NULL,
    ord BIGINT,
    detail TEXT NOT NULL
);
CREATE INDEX event_by_at ON event (at, id);
CREATE INDEX event_by_kind ON event (kind, id);
CREATE INDEX event_by_actor ON event (actor, id);
CREATE INDEX event_by_subject ON event (subject, id);
CREATE INDEX event_by_outcome ON event (outcome, id) WHERE outcome <> 'success';

-- Network and mail addresses of an event, lower case.
CREATE TABLE event_address (
    address TEXT NOT NULL,
    event BIGINT NOT NULL,
    PRIMARY KEY (address, event)
);
