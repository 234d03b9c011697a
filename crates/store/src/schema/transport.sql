-- Format 8: what other domains demand of those who send them mail.

-- One row a domain whose policy (MTA-STS, RFC 8461) was fetched and lasts. 'id' is the one of the record that told of it; 'mode' is
-- enforce, testing or none; 'mx' its patterns, one a line; it holds until 'expires_at'.
CREATE TABLE sts_policy (
    domain TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    mode TEXT NOT NULL,
    mx TEXT NOT NULL,
    max_age BIGINT NOT NULL,
    fetched_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    CHECK (mode IN ('enforce', 'testing', 'none')),
    CHECK (mode = 'none' OR mx <> '')
);
CREATE INDEX sts_policy_by_end ON sts_policy (expires_at);

-- Accounts at authorities that give certificates (ACME, RFC 8555), by the URL of the authority's directory. 'secret' is the account's
-- key with its URL, sealed with the server's own key (account 1) and in base64.
CREATE TABLE acme_account (
    directory TEXT PRIMARY KEY,
    secret TEXT NOT NULL,
    made_at BIGINT NOT NULL
);
