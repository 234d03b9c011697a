-- Format 7: mail that was taken and set apart (clause 5.3(2)), and the keys that mail is signed with (RFC 6376).

-- One row a message that is set apart, as the room `transfer` took it. 'id' is the one in the reply to it and in its events;
-- 'cause' is what decided; 'strict' is 1 when only an administrator may release it; 'until' is when it is deleted.
CREATE TABLE quarantined (
    id BIGINT PRIMARY KEY,
    body BIGINT NOT NULL,
    size BIGINT NOT NULL,
    sender TEXT,
    smtputf8 BIGINT NOT NULL,
    require_tls BIGINT NOT NULL,
    body_type BIGINT NOT NULL,
    message_id TEXT NOT NULL,
    cause TEXT NOT NULL,
    strict BIGINT NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT NOT NULL
);
CREATE INDEX quarantined_by_until ON quarantined (until, id);

-- Whom it is for: an account here, or 1 for a mailbox of another server, which 'destination' leads to. Each row is one reference
-- of 'owner' to the body. 'told_at' is when the holder was told of it.
CREATE TABLE quarantined_for (
    message BIGINT NOT NULL,
    number BIGINT NOT NULL,
    address TEXT NOT NULL,
    owner BIGINT NOT NULL,
    destination TEXT NOT NULL,
    body BIGINT NOT NULL,
    told_at BIGINT,
    PRIMARY KEY (message, number),
    CHECK ((owner = 1) = (destination <> ''))
);
CREATE INDEX quarantined_for_owner ON quarantined_for (owner, message);

-- Keys that mail of 'domain' is signed with. 'secret' is PKCS #8, sealed with the server's own key (account 1) and in base64; it is
-- gone once the key has stopped to sign, while the row stays, so that no selector is ever used twice. 'public' is what the DNS
-- shows as p=. A key is made, signs, stops, and its record stays in the DNS for a while more: until 'gone_at'.
CREATE TABLE dkim_key (
    number BIGINT PRIMARY KEY,
    domain TEXT NOT NULL,
    selector TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    secret TEXT NOT NULL,
    public TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    signs_from BIGINT,
    signs_until BIGINT,
    gone_at BIGINT,
    UNIQUE (domain, selector),
    CHECK ((signs_until IS NULL) = (secret <> '')),
    CHECK (gone_at IS NULL OR signs_until IS NOT NULL)
);
