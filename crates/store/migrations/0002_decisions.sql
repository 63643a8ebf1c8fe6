-- Recent decisions. `position` is taken from the counter in the transaction that writes the row, so that whoever has
-- seen a position has seen, or will never see, everything before it. `record` is the decision as JSON; the columns
-- beside it are what it is looked up by, '' where it has none.
INSERT INTO counters (name, value) VALUES ('decision', 0);

CREATE TABLE decisions (
    id TEXT PRIMARY KEY NOT NULL,
    position BIGINT NOT NULL UNIQUE,
    decided_at BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    service TEXT NOT NULL,
    operation TEXT NOT NULL,
    gateway TEXT NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX decisions_by_time ON decisions (decided_at, id);
