-- Format 6: what lets an identifier in beside its password. Owned by the room `directory`.

-- Passwords for one mail program each, made by the server: 'digest' is SHA-256 of one, which is random enough for that. The
-- SCRAM secrets have the salt and iterations of the account's own, or of its other app passwords': a client is told of
-- them before anybody knows which password it has. One that was given up keeps its row, so that its number stays its own
-- as long as there is the account, and none of its secrets.
CREATE TABLE app_password (
    number BIGINT PRIMARY KEY,
    account BIGINT NOT NULL REFERENCES account (id),
    name TEXT NOT NULL,
    msa BIGINT NOT NULL,
    mra BIGINT NOT NULL,
    digest TEXT NOT NULL,
    scram_iterations BIGINT NOT NULL,
    scram_salt TEXT NOT NULL,
    scram_stored TEXT NOT NULL,
    scram_server TEXT NOT NULL,
    made_by BIGINT NOT NULL REFERENCES person (id),
    made_at BIGINT NOT NULL,
    expires_at BIGINT,
    used_at BIGINT,
    used_from TEXT,
    revoked_at BIGINT,
    CHECK ((revoked_at IS NULL) = (digest <> '')),
    CHECK ((used_at IS NULL) = (used_from IS NULL))
);
CREATE INDEX app_password_account ON app_password (account);

-- Second factors. 'secret' is sealed with the account's key. 'counter' is what was last proved: of a time-based code
-- (RFC 6238) the time step, which never counts again. One that was removed keeps its row, without the secret.
CREATE TABLE second_factor (
    number BIGINT PRIMARY KEY,
    account BIGINT NOT NULL REFERENCES account (id),
    kind TEXT NOT NULL CHECK (kind IN ('totp', 'passkey')),
    name TEXT NOT NULL,
    secret TEXT NOT NULL,
    counter BIGINT NOT NULL,
    added_at BIGINT NOT NULL,
    used_at BIGINT,
    removed_at BIGINT,
    CHECK ((removed_at IS NULL) = (secret <> ''))
);
CREATE INDEX second_factor_account ON second_factor (account);

-- Orders may be of kinds that come later: what a kind is, the program says. Made anew, since a condition cannot be taken off
-- a table; those that refer to it find every row again before the end of the step.
PRAGMA defer_foreign_keys = ON;
CREATE TABLE orders_before AS SELECT * FROM orders;
DROP TABLE orders;
CREATE TABLE orders (
    number BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    for_person BIGINT REFERENCES person (id),
    details TEXT NOT NULL,
    digest TEXT,
    issued_by BIGINT NOT NULL REFERENCES person (id),
    issued_at BIGINT NOT NULL,
    approved_by BIGINT REFERENCES person (id),
    approved_at BIGINT,
    expires_at BIGINT,
    used_by BIGINT REFERENCES person (id),
    used_at BIGINT,
    used_for TEXT,
    state TEXT NOT NULL CHECK (state IN ('issued', 'approved', 'executing', 'used')),
    CHECK (state = 'issued' OR approved_by IS NOT NULL),
    CHECK ((kind = 'import') = (digest IS NOT NULL)),
    CHECK (kind = 'import' OR for_person IS NOT NULL)
);
INSERT INTO orders SELECT * FROM orders_before;
DROP TABLE orders_before;

-- Where an account's mail goes on to, each with the order that permits it, if one was needed. 'until' is when it ends by itself.
CREATE TABLE forward (
    account BIGINT NOT NULL REFERENCES account (id),
    target TEXT NOT NULL,
    order_number BIGINT REFERENCES orders (number),
    until BIGINT,
    added_by BIGINT NOT NULL REFERENCES person (id),
    added_at BIGINT NOT NULL,
    PRIMARY KEY (account, target)
);

-- Who may write to an alias, where not everybody may.
CREATE TABLE address_writers (
    local TEXT NOT NULL,
    domain TEXT NOT NULL,
    writers TEXT NOT NULL CHECK (writers IN ('inside', 'members')),
    PRIMARY KEY (local, domain)
);

-- When an alias that was given up was added; not known of those from before.
ALTER TABLE retired_address ADD COLUMN added_at BIGINT;

-- Identifiers that several people use (clause 8.1), until the decision is reviewed. Each of them has app passwords of their own;
-- the account has no password.
CREATE TABLE shared_identifier (
    account BIGINT PRIMARY KEY REFERENCES account (id),
    order_number BIGINT NOT NULL REFERENCES orders (number),
    review_at BIGINT NOT NULL,
    warned_at BIGINT
);
CREATE TABLE shared_user (
    account BIGINT NOT NULL REFERENCES account (id),
    person BIGINT NOT NULL REFERENCES person (id),
    added_at BIGINT NOT NULL,
    PRIMARY KEY (account, person)
);

-- Access to another's mailbox, for reading only, on an order for one person, one purpose and one period (clause 7.1(4)).
CREATE TABLE reading (
    account BIGINT NOT NULL REFERENCES account (id),
    person BIGINT NOT NULL REFERENCES person (id),
    order_number BIGINT NOT NULL REFERENCES orders (number),
    purpose TEXT NOT NULL,
    until BIGINT NOT NULL,
    opened_by BIGINT NOT NULL REFERENCES person (id),
    opened_at BIGINT NOT NULL,
    PRIMARY KEY (account, person)
);
