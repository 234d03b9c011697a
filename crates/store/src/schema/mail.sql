-- Mailboxes, messages and the queue.
--
-- Names of mailboxes are compared byte by byte: another engine than SQLite must give "name" such a collation.
-- Times are microseconds since 1970 in UTC, booleans 0 and 1.

-- What an account keeps. "retired_validity" is the highest UIDVALIDITY of its mailboxes that were deleted or
-- renamed: a mailbox that takes a name anew must show a higher one (RFC 9051, section 2.3.1.1).
CREATE TABLE account_usage (
    account BIGINT PRIMARY KEY,
    bytes BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    quota BIGINT,
    retired_validity BIGINT NOT NULL
);

-- The last UIDVALIDITY given in this installation. One row.
CREATE TABLE uid_validity (
    id BIGINT PRIMARY KEY,
    last BIGINT NOT NULL
);

-- "keywords" are those in use or once in use here, as first written, divided by spaces.
CREATE TABLE mailbox (
    id BIGINT PRIMARY KEY,
    account BIGINT NOT NULL,
    name TEXT NOT NULL,
    uid_validity BIGINT NOT NULL,
    uid_next BIGINT NOT NULL,
    highest_modseq BIGINT NOT NULL,
    special_use TEXT,
    selectable BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    unseen BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    keywords TEXT NOT NULL
);
CREATE UNIQUE INDEX mailbox_by_name ON mailbox (account, name);

CREATE TABLE subscription (
    account BIGINT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (account, name)
);

-- A message as its owner sees it, however many mailboxes hold it. It holds one reference to its body. Ids
-- ascend in the order of commits: the search index follows them. "summary" is sealed under the account's key.
CREATE TABLE email (
    id BIGINT PRIMARY KEY,
    account BIGINT NOT NULL,
    body BIGINT NOT NULL,
    summary BLOB NOT NULL
);
CREATE INDEX email_by_account ON email (account, id);

-- A message in a mailbox. What a list of messages shows is repeated here, so that one scan gives it all.
CREATE TABLE message (
    mailbox BIGINT NOT NULL,
    uid BIGINT NOT NULL,
    email BIGINT NOT NULL,
    thread BIGINT NOT NULL,
    body BIGINT NOT NULL,
    modseq BIGINT NOT NULL,
    flags BIGINT NOT NULL,
    keywords TEXT NOT NULL,
    size BIGINT NOT NULL,
    internal_date BIGINT NOT NULL,
    save_date BIGINT NOT NULL,
    PRIMARY KEY (mailbox, uid)
);
CREATE INDEX message_by_modseq ON message (mailbox, modseq);
CREATE INDEX message_by_email ON message (email);

-- UIDs "first" to "last" left the mailbox with MODSEQ "modseq" (RFC 7162, QRESYNC).
CREATE TABLE expunged (
    mailbox BIGINT NOT NULL,
    modseq BIGINT NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (mailbox, modseq, first)
);

-- The thread that a Message-ID belongs to. "hash" is keyed by the account's key: nobody else can tell which
-- Message-ID it was, and after the account's end nobody can.
CREATE TABLE thread_reference (
    account BIGINT NOT NULL,
    hash BIGINT NOT NULL,
    thread BIGINT NOT NULL,
    PRIMARY KEY (account, hash)
);

CREATE TABLE queue_message (
    id BIGINT PRIMARY KEY,
    body BIGINT NOT NULL,
    size BIGINT NOT NULL,
    sender TEXT,
    identifier TEXT,
    envelope_id TEXT,
    return_full BIGINT,
    smtputf8 BIGINT NOT NULL,
    require_tls BIGINT NOT NULL,
    body_type BIGINT NOT NULL,
    message_id TEXT NOT NULL,
    queued_at BIGINT NOT NULL
);

-- "state" is 0 waiting, 1 held; "notify" has bits 1 success, 2 failure, 4 delay.
CREATE TABLE queue_recipient (
    message BIGINT NOT NULL,
    number BIGINT NOT NULL,
    address TEXT NOT NULL,
    domain TEXT NOT NULL,
    notify BIGINT NOT NULL,
    original TEXT,
    destination TEXT NOT NULL,
    state BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next_attempt BIGINT NOT NULL,
    delay_notified BIGINT NOT NULL,
    last_reply TEXT NOT NULL,
    PRIMARY KEY (message, number)
);
CREATE INDEX queue_by_time ON queue_recipient (state, next_attempt, message, number, destination);
CREATE INDEX queue_by_destination ON queue_recipient (state, destination, next_attempt);
