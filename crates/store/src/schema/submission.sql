-- Format 9: how much each identifier submits, and whose submissions are held since they became many more than usual. Owned by the room
-- `directory`.

-- By hour (since 1970, UTC). 'apart': so much that it is no part of the habit, unless an officer found it in order. 'usual_messages' and
-- 'usual_recipients' are the habit as it was when the hour began, once it was asked for. 'told': the trail has that a limit was met.
CREATE TABLE submitted (
    account BIGINT NOT NULL REFERENCES account (id),
    hour BIGINT NOT NULL,
    messages BIGINT NOT NULL CHECK (messages >= 0),
    recipients BIGINT NOT NULL CHECK (recipients >= 0),
    apart BIGINT NOT NULL CHECK (apart IN (0, 1)),
    usual_messages BIGINT,
    usual_recipients BIGINT,
    told BIGINT NOT NULL CHECK (told IN (0, 1)),
    PRIMARY KEY (account, hour),
    CHECK ((usual_messages IS NULL) = (usual_recipients IS NULL))
);

-- What an account submits is held for 'incident', while there is one; until 'excused_until' nothing is compared with its habit.
CREATE TABLE submission_hold (
    account BIGINT PRIMARY KEY REFERENCES account (id),
    incident BIGINT REFERENCES incident (number),
    excused_until BIGINT
);
