-- Format 8: what is remembered of those who send, and of words (clause 5.3); the policies that decided.

-- Where mail came from, and what became of it. 'kind': 1 a client's network, 2 a domain that was shown to send, 3 a network and a
-- MAIL FROM, joined by a space. 'good' and 'bad' are weights in thousandths as of 'last_at', after which they halve in 30 days.
CREATE TABLE acquaintance (
    kind BIGINT NOT NULL,
    name TEXT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    good BIGINT NOT NULL,
    bad BIGINT NOT NULL,
    PRIMARY KEY (kind, name)
);
CREATE INDEX acquaintance_by_last ON acquaintance (kind, last_at);

-- What somebody said of a message by moving it into Junk (1) or out of it (0), until it is learned from. 'number' ascends.
CREATE TABLE lesson (
    number BIGINT PRIMARY KEY,
    account BIGINT NOT NULL,
    body BIGINT NOT NULL,
    junk BIGINT NOT NULL
);

-- What was learned from, so that nothing counts twice and a change of mind counts once.
CREATE TABLE learned (
    account BIGINT NOT NULL,
    body BIGINT NOT NULL,
    junk BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (account, body)
);
CREATE INDEX learned_by_at ON learned (at);

-- In how many messages that were wanted and that were not a word was, for the whole site ('account' 0) or as one account taught.
-- 'token' is the word, hashed with a key that is made of the installation key.
CREATE TABLE word (
    account BIGINT NOT NULL,
    token BIGINT NOT NULL,
    good BIGINT NOT NULL,
    junk BIGINT NOT NULL,
    PRIMARY KEY (account, token)
);

-- How many messages were learned from.
CREATE TABLE word_lessons (
    account BIGINT PRIMARY KEY,
    good BIGINT NOT NULL,
    junk BIGINT NOT NULL
);

-- Each screening policy that was in force, as its settings were written. 'digest' is the one in verdicts.
CREATE TABLE screening_policy (
    digest TEXT PRIMARY KEY,
    since BIGINT NOT NULL,
    settings TEXT NOT NULL
);
