-- Format 3: events are found by an index beside the database (see event::index), which follows the commits instead
-- of making each of them wait.

-- Addresses of events whose details were too long to be kept whole: those events are found by what stands here.
CREATE TABLE event_named (
    event BIGINT NOT NULL,
    address TEXT NOT NULL,
    PRIMARY KEY (event, address)
);
INSERT INTO event_named (event, address)
    SELECT event, address FROM event_address
    WHERE event IN (SELECT id FROM event WHERE detail LIKE '%"truncated":%');

DROP INDEX event_by_at;
DROP INDEX event_by_kind;
DROP INDEX event_by_actor;
DROP INDEX event_by_subject;
DROP INDEX event_by_outcome;
DROP TABLE event_address;
