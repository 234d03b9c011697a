-- Format 6: what lets an identifier in beside its password. Owned by the room `directory`.

-- Passwords for one mail program each, made by the server: 'digest' is SHA-256 of one, which is random enough for that. The
-- SCRAM secrets have the salt and iterations of the account's own, or of its other app passwords': a client is told of
-- them before anybody knows which password it has. One that was given up keeps its row, so that its number stays its own,
-- and none of its secrets.
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
