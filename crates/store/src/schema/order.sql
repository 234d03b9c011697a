-- Format 10: what was done on an order is found by its number, so that none is used again; and addresses that may differ from
-- another's in case or form alone are found without a look at all of them.

CREATE INDEX event_by_order ON event (ord) WHERE ord IS NOT NULL;
CREATE INDEX address_beyond_ascii ON address (domain) WHERE local GLOB '*[^ -~]*';
CREATE INDEX retired_beyond_ascii ON retired_address (domain) WHERE local GLOB '*[^ -~]*';
