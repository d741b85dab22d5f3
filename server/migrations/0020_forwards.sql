-- Other providers under the same root whose payments are taken here. Exposure: the most that one may
-- owe. Due: when it may be spoken to next; failures: how often in a row it was not understood.
CREATE TABLE peers (
    name       TEXT    NOT NULL PRIMARY KEY,
    provider   BLOB    NOT NULL UNIQUE CHECK (length(provider) = 16),
    url        TEXT    NOT NULL,
    tls_anchor TEXT    NOT NULL,
    exposure   INTEGER NOT NULL CHECK (exposure >= 0),
    due_ms     INTEGER NOT NULL DEFAULT 0,
    failures   INTEGER NOT NULL DEFAULT 0
);

-- Certificates of other providers, each checked up to the root.
CREATE TABLE provider_certificates (
    hash     BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    provider BLOB    NOT NULL CHECK (length(provider) = 16),
    issuer   BLOB    NOT NULL CHECK (length(issuer) = 8),
    number   BLOB    NOT NULL,
    bytes    BLOB    NOT NULL
);
CREATE INDEX provider_certificates_by_provider ON provider_certificates (provider, number);
CREATE INDEX provider_certificates_by_issuer ON provider_certificates (issuer);

-- What other providers signed for us. Kind: 0 an answer to a forward, 1 a settlement's acknowledgement.
CREATE TABLE peer_answers (
    id       INTEGER PRIMARY KEY,
    provider BLOB    NOT NULL,
    kind     INTEGER NOT NULL CHECK (kind IN (0, 1)),
    bytes    BLOB    NOT NULL
);

-- Payments of other providers' TAs for receivers here. State: 0 to be presented, 1 accepted, 2 refused,
-- 3 kept back because the debtor owes as much as it may. Booked: the position was debited for it.
-- Refused: why, as on the wire.
CREATE TABLE forwards (
    id      INTEGER PRIMARY KEY,
    payment BLOB    NOT NULL UNIQUE CHECK (length(payment) = 32),
    debtor  BLOB    NOT NULL,
    state   INTEGER NOT NULL CHECK (state IN (0, 1, 2, 3)),
    booked  INTEGER NOT NULL CHECK (booked IN (0, 1)),
    due_ms  INTEGER NOT NULL DEFAULT 0,
    refused INTEGER,
    answer  INTEGER REFERENCES peer_answers (id)
);
CREATE INDEX forwards_to_do ON forwards (debtor, id) WHERE state IN (0, 3);

-- Payments of TAs here that their receivers' providers presented, and that were accepted.
CREATE TABLE presented (
    payment  BLOB    NOT NULL PRIMARY KEY CHECK (length(payment) = 32),
    creditor BLOB    NOT NULL,
    at_ms    INTEGER NOT NULL
);

-- Payments of TAs here for receivers elsewhere, reported here, that their provider may not have.
CREATE TABLE deliveries (
    payment  BLOB    NOT NULL PRIMARY KEY CHECK (length(payment) = 32),
    creditor BLOB    NOT NULL,
    due_ms   INTEGER NOT NULL,
    done     INTEGER NOT NULL DEFAULT 0 CHECK (done IN (0, 1))
);
CREATE INDEX deliveries_to_do ON deliveries (creditor, due_ms) WHERE done = 0;

-- What was paid outside these books, ours to others and others' to us. Reference: the hash of its text,
-- which stands beside where it is known. Answer: our acknowledgement; ack: the creditor's.
CREATE TABLE settlements (
    debtor    BLOB    NOT NULL,
    creditor  BLOB    NOT NULL,
    number    BLOB    NOT NULL,
    amount    INTEGER NOT NULL CHECK (amount > 0),
    reference BLOB    NOT NULL CHECK (length(reference) = 32),
    words     TEXT    NOT NULL,
    bytes     BLOB    NOT NULL,
    answer    INTEGER REFERENCES answers (id),
    ack       INTEGER REFERENCES peer_answers (id),
    PRIMARY KEY (debtor, creditor, number),
    UNIQUE (debtor, creditor, reference)
);
