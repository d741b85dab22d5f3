-- Whether the receiver is another provider's: the same key may be registered at several.
ALTER TABLE payments ADD COLUMN elsewhere INTEGER NOT NULL DEFAULT 0 CHECK (elsewhere IN (0, 1));
