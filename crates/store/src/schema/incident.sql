-- Format 8: incidents that the server opens by itself, or that are about no identifier, and addresses that are shut out. Owned by the
-- room `directory`.

-- Made anew, since NOT NULL cannot be taken off a column; the steps find every row again before the end of the step. 'account' is
-- NULL when it is about no identifier, 'opened_by' when the server opened it; 'address' is the network address it is about, if any;
-- 'facts' is a JSON object of what was known at its opening.
PRAGMA defer_foreign_keys = ON;
CREATE TABLE incident_before AS SELECT * FROM incident;
DROP TABLE incident;
CREATE TABLE incident (
    number BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    account BIGINT REFERENCES account (id),
    address TEXT,
    reason TEXT NOT NULL,
    facts TEXT NOT NULL,
    since BIGINT NOT NULL,
    opened_by BIGINT REFERENCES person (id),
    opened_at BIGINT NOT NULL,
    closed_by BIGINT REFERENCES person (id),
    closed_at BIGINT,
    CHECK ((closed_by IS NULL) = (closed_at IS NULL))
);
INSERT INTO incident (number, kind, account, address, reason, facts, since, opened_by, opened_at, closed_by, closed_at)
    SELECT number, kind, account, NULL, reason, '{}', since, opened_by, opened_at, closed_by, closed_at FROM incident_before;
DROP TABLE incident_before;
CREATE INDEX incident_account ON incident (account);

-- Networks whose connections are not taken, by any service, until 'ends_at'. 'placed_by' is NULL when the server did it.
CREATE TABLE blocked_address (
    network TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    incident BIGINT REFERENCES incident (number),
    placed_by BIGINT REFERENCES person (id),
    placed_at BIGINT NOT NULL,
    ends_at BIGINT
);

-- Rules against an outbreak (clause 5.2(2)), owned by the room `transfer`: what mail is known by ('marks', a JSON object), and what is
-- done with it until 'ends_at', or until somebody ended it. People are named by their short names. 'notice' is the body of the notice
-- to staff, if one was sent, to 'told' accounts.
CREATE TABLE outbreak_rule (
    number BIGINT PRIMARY KEY,
    marks TEXT NOT NULL,
    handling TEXT NOT NULL CHECK (handling IN ('refuse', 'quarantine')),
    reason TEXT NOT NULL,
    begun_by TEXT NOT NULL,
    begun_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    ended_by TEXT,
    ended_at BIGINT,
    notice BIGINT,
    told BIGINT NOT NULL
);
