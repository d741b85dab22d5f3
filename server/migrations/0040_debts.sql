-- Versions of our list that a restore forgot: numbers between the backup's and the one with which the next
-- life began.
CREATE TABLE list_gaps (
    base  INTEGER NOT NULL PRIMARY KEY,
    known INTEGER NOT NULL CHECK (known < base)
);

-- What the provider paid for a TA after a restore, because the books had lost where it came from, and until
-- when what its owner gets pays it back.
ALTER TABLE tas ADD COLUMN restored_by_loss INTEGER NOT NULL DEFAULT 0 CHECK (restored_by_loss >= 0);
ALTER TABLE tas ADD COLUMN restored_until_ms INTEGER NOT NULL DEFAULT 0;
CREATE INDEX tas_in_debt ON tas (owner)
    WHERE restored_by_loss > 0 OR (standing >= 2 AND advanced_by_loss > 0);
