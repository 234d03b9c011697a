-- Format 9: how connections to other domains' servers came to be (RFC 8460). Owned by the room `transfer`.

-- Sessions that were alike, by UTC day ('day' counts from 1970) and the domain whose mail it was. A row is there until a report told of
-- it, or until it is known that nobody wants one. 'kind' is tlsa, sts or no-policy-found; 'strings' and 'hosts' are the policy's, one a
-- line; 'failure' is a word of RFC 8460, section 4.3, or empty for success; 'digest' is over all that the rows of a domain differ in.
CREATE TABLE tls_session (
    day BIGINT NOT NULL,
    domain TEXT NOT NULL,
    digest TEXT NOT NULL,
    kind TEXT NOT NULL,
    strings TEXT NOT NULL,
    hosts TEXT NOT NULL,
    failure TEXT NOT NULL,
    mx TEXT NOT NULL,
    peer TEXT NOT NULL,
    source TEXT NOT NULL,
    reason TEXT NOT NULL,
    sessions BIGINT NOT NULL,
    PRIMARY KEY (day, domain, digest),
    CHECK (kind IN ('tlsa', 'sts', 'no-policy-found')),
    CHECK (sessions > 0)
);

-- Bodies of queued messages that are such reports: they go to the domain however its TLS fails (RFC 8460, section 3).
CREATE TABLE tls_report_mail (
    body BIGINT PRIMARY KEY
);

-- Reports of others that came, by a digest over who sent them and their id, so that each counts once.
CREATE TABLE tls_report_seen (
    digest TEXT PRIMARY KEY,
    at BIGINT NOT NULL
);
CREATE INDEX tls_report_seen_by_time ON tls_report_seen (at);
