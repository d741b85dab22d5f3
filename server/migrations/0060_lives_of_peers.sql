-- Of another provider: the last life that it was heard in, and the last of ours in which it told what we had
-- settled with it.
ALTER TABLE peers ADD COLUMN incarnation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE peers ADD COLUMN recalled INTEGER NOT NULL DEFAULT 1;
-- What is said again to a provider that was restored, although it had answered.
ALTER TABLE forwards ADD COLUMN again INTEGER NOT NULL DEFAULT 0 CHECK (again IN (0, 1));
CREATE INDEX forwards_again ON forwards (debtor, id) WHERE again = 1;
ALTER TABLE settlements ADD COLUMN again INTEGER NOT NULL DEFAULT 0 CHECK (again IN (0, 1));
-- The first version here of another provider's deny-list that named a key.
CREATE TABLE deny_since (
    provider BLOB    NOT NULL,
    key      BLOB    NOT NULL,
    epoch    INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    PRIMARY KEY (provider, key)
);
