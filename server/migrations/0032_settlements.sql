-- When a creditor is told of a settlement again that it has not confirmed.
ALTER TABLE settlements ADD COLUMN due_ms INTEGER NOT NULL DEFAULT 0;
