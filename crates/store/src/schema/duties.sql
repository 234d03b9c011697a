-- Format 10: what people owe beside tasks: warnings of passwords that cross the network (clause 4.1(2)), capacity of mailboxes
-- (clause 6.2), outside experts (clause 10.1(2)), and in which language people are written to. Owned by the rooms `directory`
-- (the first two) and `governance`.

-- In which language a person is written to; without a row: as the site says.
CREATE TABLE person_language (
    person BIGINT PRIMARY KEY REFERENCES person (id),
    language TEXT NOT NULL CHECK (language IN ('ja', 'en', 'both'))
);

-- Logins without TLS from elsewhere than the machine itself: the last one, to the day, and when the holder was warned: of the danger at
-- all ('warned_at'), and of logins of the own ('told_at').
CREATE TABLE plaintext_login (
    account BIGINT PRIMARY KEY REFERENCES account (id),
    used_at BIGINT,
    used_from TEXT,
    used_with TEXT,
    warned_at BIGINT,
    told_at BIGINT,
    CHECK ((used_at IS NULL) = (used_from IS NULL)),
    CHECK ((used_at IS NULL) = (used_with IS NULL))
);

-- What mailboxes took when a period began, in all. Kept for ever: a row a period.
CREATE TABLE capacity (
    period TEXT PRIMARY KEY,
    measured_at BIGINT NOT NULL,
    mailboxes BIGINT NOT NULL,
    octets BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    disk_free BIGINT,
    disk_size BIGINT
);

-- The same of each mailbox, without a row where it was empty. 'quota' is the one that was in force. Old ones go: 'capacity.keep'.
CREATE TABLE capacity_mailbox (
    period TEXT NOT NULL REFERENCES capacity (period),
    account BIGINT NOT NULL REFERENCES account (id),
    octets BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    quota BIGINT,
    PRIMARY KEY (period, account)
);
CREATE INDEX capacity_mailbox_account ON capacity_mailbox (account);

-- Contracts with outside experts. Days are of the site's calendar, as YYYY-MM-DD; 'until_day' is the last one.
CREATE TABLE expert (
    number BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    contact TEXT NOT NULL,
    from_day TEXT NOT NULL,
    until_day TEXT NOT NULL,
    renew_by TEXT NOT NULL,
    added_by BIGINT NOT NULL REFERENCES person (id),
    added_at BIGINT NOT NULL,
    ended_by BIGINT REFERENCES person (id),
    ended_at BIGINT,
    CHECK (from_day <= until_day AND renew_by <= until_day),
    CHECK ((ended_by IS NULL) = (ended_at IS NULL))
);

-- When it was tried whether they can be reached, and how that went.
CREATE TABLE expert_drill (
    number BIGINT PRIMARY KEY,
    expert BIGINT NOT NULL REFERENCES expert (number),
    on_day TEXT NOT NULL,
    reached BIGINT NOT NULL,
    result TEXT NOT NULL,
    noted_by BIGINT NOT NULL REFERENCES person (id),
    noted_at BIGINT NOT NULL
);
CREATE INDEX expert_drill_expert ON expert_drill (expert);
