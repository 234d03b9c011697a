-- People, roles, orders, accounts, addresses, credentials. Owned by the room `directory`.
-- Portable: 64-bit integers (booleans 0 and 1, times in microseconds since 1970) and text only.

-- A person is never deleted: the register (clause 7.1(5)) and the trail refer to the name for ever.
CREATE TABLE person (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    full_name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'left')),
    added_at BIGINT NOT NULL,
    left_at BIGINT
);

CREATE TABLE person_role (
    person BIGINT NOT NULL REFERENCES person (id),
    role TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (person, role)
);

-- Which person an operating-system user is; one person may have several users.
CREATE TABLE person_user (
    os_user TEXT NOT NULL PRIMARY KEY,
    person BIGINT NOT NULL REFERENCES person (id)
);

-- An officer's order (clauses 7.1(1), 7.1(3), 9.1, 9.2). Numbers ascend from 1 and are never reused.
-- 'executing' is an import that has committed some of its rows; only the same file can go on with it.
CREATE TABLE orders (
    number BIGINT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('issue', 'delete', 'import')),
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

-- An account keeps its row after deletion, so that its identifier can never be given again (clause 7.1(6)).
-- generation grows whenever what was proved before must not count any more: new password, suspension,
-- resumption, deletion, switches.
CREATE TABLE account (
    id BIGINT PRIMARY KEY,
    identifier TEXT NOT NULL UNIQUE,
    main_address TEXT NOT NULL,
    person BIGINT NOT NULL REFERENCES person (id),
    order_number BIGINT NOT NULL REFERENCES orders (number),
    delete_order BIGINT REFERENCES orders (number),
    state TEXT NOT NULL CHECK (state IN ('active', 'suspended', 'deleted')),
    msa BIGINT NOT NULL,
    mra BIGINT NOT NULL,
    must_change_password BIGINT NOT NULL,
    -- Whether a password was set since the last suspension (clause 4.1(1)b).
    renewed BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    issued_at BIGINT NOT NULL,
    suspended_at BIGINT,
    deleted_at BIGINT,
    CHECK ((state = 'deleted') = (delete_order IS NOT NULL))
);
CREATE INDEX account_person ON account (person);
CREATE INDEX account_order ON account (order_number);

-- Canonical addresses and whose mailbox they mean: a main address means one account, an alias one or more.
CREATE TABLE address (
    local TEXT NOT NULL,
    domain TEXT NOT NULL,
    account BIGINT NOT NULL REFERENCES account (id),
    kind TEXT NOT NULL CHECK (kind IN ('main', 'alias')),
    added_at BIGINT NOT NULL,
    PRIMARY KEY (local, domain, account)
);
CREATE INDEX address_account ON address (account);

-- postmaster@ and abuse@ of a domain, when not the default account.
CREATE TABLE role_address (
    local TEXT NOT NULL,
    domain TEXT NOT NULL,
    account BIGINT NOT NULL REFERENCES account (id),
    PRIMARY KEY (local, domain)
);
CREATE INDEX role_address_account ON role_address (account);

-- Addresses that were given up, and who had them last: nobody else ever gets them (clause 7.1(6)).
CREATE TABLE retired_address (
    local TEXT NOT NULL,
    domain TEXT NOT NULL,
    account BIGINT NOT NULL REFERENCES account (id),
    retired_at BIGINT NOT NULL,
    PRIMARY KEY (local, domain, account)
);

-- scheme and secret as Dovecot writes them ({SCHEME}secret), apart. The SCRAM columns are all there or none:
-- an imported hash has none until its first login.
CREATE TABLE credential (
    account BIGINT PRIMARY KEY REFERENCES account (id),
    scheme TEXT NOT NULL,
    secret TEXT NOT NULL,
    scram_iterations BIGINT,
    scram_salt TEXT,
    scram_stored TEXT,
    scram_server TEXT,
    changed_at BIGINT NOT NULL
);

-- Secrets of the installation that are no account's: 'scram-decoy' makes up SCRAM salts for names nobody has.
CREATE TABLE directory_secret (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);
