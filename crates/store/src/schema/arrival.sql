-- Format 11: who announced whom, who may write to an alias by name, and who is not on the personnel's list. Owned by the room `directory`.

-- By whom a person was announced (clause 9.1(1)). Without a row: by the installation, an import, or before this format.
CREATE TABLE arrival (
    person BIGINT PRIMARY KEY REFERENCES person (id),
    noted_by BIGINT NOT NULL REFERENCES person (id),
    noted_at BIGINT NOT NULL
);

-- Which rule an alias has, the program says. Made anew, since a condition cannot be taken off a table.
CREATE TABLE address_writers_before AS SELECT * FROM address_writers;
DROP TABLE address_writers;
CREATE TABLE address_writers (
    local TEXT NOT NULL,
    domain TEXT NOT NULL,
    writers TEXT NOT NULL,
    PRIMARY KEY (local, domain)
);
INSERT INTO address_writers SELECT * FROM address_writers_before;
DROP TABLE address_writers_before;

-- Of the rule 'named': whose they are that may write to it.
CREATE TABLE address_writer (
    local TEXT NOT NULL,
    domain TEXT NOT NULL,
    account BIGINT NOT NULL REFERENCES account (id),
    PRIMARY KEY (local, domain, account)
);
CREATE INDEX address_writer_account ON address_writer (account);

-- Who was not on the personnel's list when it was held against the directory last, and since which list (clause 7.1(3)).
CREATE TABLE off_roster (
    person BIGINT PRIMARY KEY REFERENCES person (id),
    since BIGINT NOT NULL
);
