-- Format 4: the Merkle tree over the events, and its signed checkpoints (see `tree`).

-- 256 events in the order of their numbers; the last tile may have fewer.
CREATE TABLE tree_tile (
    tile BIGINT PRIMARY KEY,
    leaves BIGINT NOT NULL,
    -- Number (8), salt (16) and leaf hash (32) of each event, one after the other.
    content BLOB NOT NULL,
    -- The root over the tile once it is full.
    root BLOB
);

-- Signed notes (C2SP tlog-checkpoint) with the number of events that they tell of.
CREATE TABLE checkpoint (
    size BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    note TEXT NOT NULL
);
