-- Format 10: how much mail there was, hour by hour, made of the trail (clause 4.4(1)). Owned by the room `governance`.

-- One row an hour, or a number of hours that were folded into a day. 'hour' is the first one, counted from 1970 in UTC; hours in which the
-- server did not run have no row. 'content' is a JSON object of counts; a row that is closed does not change until it is folded.
CREATE TABLE traffic_span (
    hour BIGINT PRIMARY KEY,
    hours BIGINT NOT NULL CHECK (hours >= 1),
    closed BIGINT NOT NULL CHECK (closed IN (0, 1)),
    content TEXT NOT NULL
);

-- One row: up to which event the hours tell, and how traffic is.
CREATE TABLE traffic_mark (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    event BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('unknown', 'normal', 'unusual', 'alarm')),
    since BIGINT NOT NULL
);
