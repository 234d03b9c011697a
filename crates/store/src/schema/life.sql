-- Format 5: the life of an account from arrival to erasure, and incidents. Owned by the room `directory`.

-- Persons who said that they know that mail records are kept and analysed (clause 9.1(2)).
CREATE TABLE acknowledgement (
    person BIGINT NOT NULL REFERENCES person (id),
    at BIGINT NOT NULL,
    way TEXT NOT NULL CHECK (way IN ('self', 'paper')),
    noted_by BIGINT NOT NULL REFERENCES person (id),
    PRIMARY KEY (person, at)
);

-- The personnel clerk's notice of departure (clause 9.2(1)): from which instant on.
CREATE TABLE departure (
    person BIGINT PRIMARY KEY REFERENCES person (id),
    leaves_at BIGINT NOT NULL,
    noted_by BIGINT NOT NULL REFERENCES person (id),
    noted_at BIGINT NOT NULL
);

-- Sealed letters with an initial password (clause 7.1(1)c), which stands nowhere: it is the account's as long as none was set
-- after "made_at". "digest" is SHA-256 of the letter as it was written.
CREATE TABLE letter (
    number BIGINT PRIMARY KEY,
    account BIGINT NOT NULL REFERENCES account (id),
    digest TEXT NOT NULL,
    made_by BIGINT NOT NULL REFERENCES person (id),
    made_at BIGINT NOT NULL,
    handed_by BIGINT REFERENCES person (id),
    handed_at BIGINT,
    receipt TEXT,
    CHECK ((handed_by IS NULL) = (handed_at IS NULL))
);
CREATE INDEX letter_account ON letter (account);

-- When an identifier last proved itself, to the day, and when its holder was warned that it lies idle (clause 7.1(3)). One
-- that never did has no row. Those from before format 5 count from the newest event then.
CREATE TABLE account_use (
    account BIGINT PRIMARY KEY REFERENCES account (id),
    used_at BIGINT NOT NULL,
    warned_at BIGINT
);
INSERT INTO account_use (account, used_at)
    SELECT id, COALESCE((SELECT MAX(at) FROM event), issued_at) FROM account WHERE state <> 'deleted';

-- Accounts that may not be deleted, whatever the order.
CREATE TABLE legal_hold (
    account BIGINT PRIMARY KEY REFERENCES account (id),
    reason TEXT NOT NULL,
    placed_by BIGINT NOT NULL REFERENCES person (id),
    placed_at BIGINT NOT NULL
);

-- Incidents (clause 4.1). "since" is the owner's last sure use. Steps that the server takes by itself have no "done_by".
CREATE TABLE incident (
    number BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    account BIGINT NOT NULL REFERENCES account (id),
    reason TEXT NOT NULL,
    since BIGINT NOT NULL,
    opened_by BIGINT NOT NULL REFERENCES person (id),
    opened_at BIGINT NOT NULL,
    closed_by BIGINT REFERENCES person (id),
    closed_at BIGINT,
    CHECK ((closed_by IS NULL) = (closed_at IS NULL))
);
CREATE INDEX incident_account ON incident (account);
CREATE TABLE incident_step (
    incident BIGINT NOT NULL REFERENCES incident (number),
    step TEXT NOT NULL,
    done_by BIGINT REFERENCES person (id),
    done_at BIGINT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (incident, step)
);

-- Entries of the register whose person is to be erased, asked for by one and approved by another (clause 7.1(5)).
CREATE TABLE register_erasure (
    account BIGINT PRIMARY KEY REFERENCES account (id),
    reason TEXT NOT NULL,
    asked_by BIGINT NOT NULL REFERENCES person (id),
    asked_at BIGINT NOT NULL,
    approved_by BIGINT REFERENCES person (id),
    approved_at BIGINT,
    CHECK ((approved_by IS NULL) = (approved_at IS NULL))
);
