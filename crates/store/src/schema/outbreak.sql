-- Format 9: mail in mailboxes that a rule against an outbreak means (clause 5.2(2)). Owned by the room `transfer`.

-- The last search of a rule: who asked for it, from which arrival on, how many messages were looked at, and how many could not be read.
CREATE TABLE outbreak_search (
    rule BIGINT PRIMARY KEY REFERENCES outbreak_rule (number),
    searched_by TEXT NOT NULL,
    searched_at BIGINT NOT NULL,
    since BIGINT NOT NULL,
    looked BIGINT NOT NULL,
    unreadable BIGINT NOT NULL
);

-- What it found, one row a message of an account; 'what' is what of it the rule means. 'held' is the id under which it is set apart
-- once it was pulled. A message that its owner had deleted by then is 'gone'.
CREATE TABLE outbreak_found (
    rule BIGINT NOT NULL REFERENCES outbreak_search (rule),
    email BIGINT NOT NULL,
    account BIGINT NOT NULL,
    body BIGINT NOT NULL,
    what TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('found', 'pulled', 'gone')),
    held BIGINT,
    PRIMARY KEY (rule, email),
    CHECK ((state = 'pulled') = (held IS NOT NULL))
);
CREATE INDEX outbreak_found_account ON outbreak_found (account);
