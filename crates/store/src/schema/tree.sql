-- Format 4: the Merkle tree over the events, and its signed checkpoints (see `tree`).

-- 256 events in the order of their numbers; the last tile may have fewer.
CREATE TABLE tree_tile (
    tile BIGINT PRIMARY KEY,
    leaves BIGINT NOT NULL,
    -- Number (8), salt (16) and leaf hash (32) of each event, one after the other.
    content BLOB NOT NULL
);

-- The root over each full tile: small rows, so that the tree of a long trail is quickly known.
CREATE TABLE tree_root (
    tile BIGINT PRIMARY KEY,
    root BLOB NOT NULL
);

-- Signed notes (C2SP tlog-checkpoint) with the number of events that they tell of.
CREATE TABLE checkpoint (
    size BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    note TEXT NOT NULL
);

-- Volumes of the trail that were sealed: events from place `first` up to before place `last`.
CREATE TABLE trail_volume (
    number BIGINT PRIMARY KEY,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    from_at BIGINT NOT NULL,
    to_at BIGINT NOT NULL,
    sealed_at BIGINT NOT NULL,
    -- Not erased before this, whatever the settings say later.
    retain_until BIGINT NOT NULL,
    -- When and by whom it was decided that it is to be erased.
    decided_at BIGINT,
    decided_by TEXT,
    erased_at BIGINT,
    -- The signed note of the decision, and later that of the erasure.
    certificate TEXT
);

-- Where the media with volumes are, and who has the keys (clause 8.2(1)b).
CREATE TABLE custody (
    id BIGINT PRIMARY KEY,
    volume BIGINT NOT NULL,
    at BIGINT NOT NULL,
    medium TEXT NOT NULL,
    place TEXT NOT NULL,
    key_holder TEXT NOT NULL,
    person TEXT NOT NULL,
    remark TEXT NOT NULL
);
CREATE INDEX custody_by_volume ON custody (volume, id);
