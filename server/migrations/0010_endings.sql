-- Withdrawals that are booked. Answer: the acknowledgement, once somebody asked for it.
CREATE TABLE withdrawals (
    ta     BLOB    NOT NULL,
    i      BLOB    NOT NULL,
    n      BLOB    NOT NULL,
    hash   BLOB    NOT NULL CHECK (length(hash) = 32),
    amount INTEGER NOT NULL CHECK (amount > 0),
    answer INTEGER REFERENCES answers (id),
    PRIMARY KEY (ta, i)
);

-- How TAs ended. Paid: what their owners got.
CREATE TABLE retirements (
    ta     BLOB    NOT NULL PRIMARY KEY,
    hash   BLOB    NOT NULL CHECK (length(hash) = 32),
    paid   INTEGER NOT NULL CHECK (paid >= 0),
    at_ms  INTEGER NOT NULL,
    answer INTEGER NOT NULL REFERENCES answers (id)
);
CREATE TABLE deaths (
    ta              BLOB    NOT NULL PRIMARY KEY,
    at_ms           INTEGER NOT NULL,
    payable_from_ms INTEGER NOT NULL,
    paid            INTEGER NOT NULL DEFAULT 0 CHECK (paid >= 0)
);
CREATE INDEX deaths_by_day ON deaths (payable_from_ms);

-- Every certificate of a client or TA: the same renewal again is given the same bytes.
CREATE TABLE certificates (
    subject BLOB    NOT NULL,
    number  INTEGER NOT NULL,
    bytes   BLOB    NOT NULL,
    PRIMARY KEY (subject, number)
);

-- Payments that wait for a TA, in the order in which they came.
CREATE TABLE mailbox (
    id       INTEGER PRIMARY KEY,
    receiver BLOB NOT NULL,
    payment  BLOB NOT NULL UNIQUE
);
CREATE INDEX mailbox_by_receiver ON mailbox (receiver, id);
INSERT INTO mailbox (receiver, payment)
    SELECT receiver, hash FROM payments
    WHERE state = 2 AND receiver_kind = 2 AND standing = 0 ORDER BY received_ms, hash;

-- The newest version of each provider's deny-list that is whole. Ours may not be signed yet.
CREATE TABLE deny_lists (
    provider BLOB    NOT NULL PRIMARY KEY,
    epoch    INTEGER NOT NULL,
    number   INTEGER NOT NULL
);
CREATE TABLE deny_pieces (
    provider BLOB    NOT NULL,
    epoch    INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    piece    INTEGER NOT NULL,
    bytes    BLOB    NOT NULL,
    PRIMARY KEY (provider, epoch, number, piece)
);
-- Our own revoked keys, each with the last instant of its newest certificate.
CREATE TABLE deny_entries (
    key          BLOB    NOT NULL PRIMARY KEY,
    not_after_ms INTEGER NOT NULL
);
-- The version with which a TA was listed; (0, 0) when it is not. Corrected: what was put right against the
-- loss account after a restore.
ALTER TABLE tas ADD COLUMN listed_epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tas ADD COLUMN listed_number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tas ADD COLUMN corrected INTEGER NOT NULL DEFAULT 0;

-- When the last restore raised the incarnation; 0 when none did.
ALTER TABLE life ADD COLUMN raised_ms INTEGER NOT NULL DEFAULT 0;
