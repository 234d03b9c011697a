-- Format 9: reports of abuse about malware that came from outside (clause 5.2(6); RFC 5965), prepared in the commit of the event
-- that tells what became of the message. Owned by the room `transfer`.

-- One row a message that is worth a report. 'source' is the address it came from, 'reverse_name' what that is called if it is
-- confirmed, 'domain' who is shown to have sent it; empty: nobody. 'header' is the message's header, shortened. A report is 'open'
-- until somebody sends it to 'sent_to' or drops it.
CREATE TABLE abuse_report (
    message BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    source TEXT NOT NULL,
    reverse_name TEXT NOT NULL,
    domain TEXT NOT NULL,
    sender TEXT NOT NULL,
    malware TEXT NOT NULL,
    header TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'sent', 'dropped')),
    sent_to TEXT,
    CHECK ((state = 'sent') = (sent_to IS NOT NULL))
);
CREATE INDEX abuse_report_by_time ON abuse_report (at);
