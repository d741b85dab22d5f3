-- Amounts are minor units. The counters n, i and j and request ids are 8 bytes, big endian, so that
-- every value of them has its place in the order. Instants are milliseconds since 1970. What was signed
-- is stored as it travelled. How this becomes PostgreSQL's dialect is described in src/store/migrate.rs.

CREATE TABLE life (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    incarnation INTEGER NOT NULL CHECK (incarnation >= 1),
    sequence    INTEGER NOT NULL CHECK (sequence >= 0)
);

-- A key is registered once, as one kind (0 provider, 1 client, 2 TA), and never freed.
CREATE TABLE subjects (
    key           BLOB    NOT NULL PRIMARY KEY CHECK (length(key) = 32),
    kind          INTEGER NOT NULL CHECK (kind IN (0, 1, 2)),
    registered_ms INTEGER NOT NULL
);

CREATE TABLE clients (
    key         BLOB NOT NULL PRIMARY KEY REFERENCES subjects (key),
    name        TEXT NOT NULL,
    certificate BLOB NOT NULL
);
CREATE INDEX clients_by_name ON clients (name);

-- Standing: 0 live, 1 suspended, 2 retired, 3 dead. Unbacked: collected without money behind it, less what was
-- withdrawn and not yet moved.
CREATE TABLE tas (
    key               BLOB    NOT NULL PRIMARY KEY REFERENCES subjects (key),
    owner             BLOB    NOT NULL REFERENCES clients (key),
    certificate       BLOB    NOT NULL,
    standing          INTEGER NOT NULL DEFAULT 0 CHECK (standing IN (0, 1, 2, 3)),
    i                 BLOB    NOT NULL,
    chain_n           BLOB    NOT NULL,
    chain_i           BLOB    NOT NULL,
    chain_j           BLOB    NOT NULL,
    chain_hash        BLOB    NOT NULL CHECK (length(chain_hash) = 32),
    mark              BLOB    NOT NULL,
    advanced_by_owner INTEGER NOT NULL DEFAULT 0 CHECK (advanced_by_owner >= 0),
    advanced_by_loss  INTEGER NOT NULL DEFAULT 0 CHECK (advanced_by_loss >= 0),
    unbacked          INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX one_ta_of_an_owner ON tas (owner) WHERE standing < 2;

-- The newest have the largest numbers: where there are too many, the oldest go.
CREATE TABLE challenges (
    id         INTEGER PRIMARY KEY,
    challenge  BLOB    NOT NULL UNIQUE CHECK (length(challenge) = 32),
    subject    BLOB    NOT NULL CHECK (length(subject) = 32),
    expires_ms INTEGER NOT NULL
);
CREATE INDEX challenges_by_subject ON challenges (subject, id);
CREATE INDEX challenges_by_expiry ON challenges (expires_ms);

-- Kind: 0 issued, 1 online, 2 shadow, 3 open, 4 transit, 5 held, 6 position, 7 loss.
-- The balance repeats what the entries say; only issued, position and loss can be below zero.
CREATE TABLE accounts (
    id      INTEGER PRIMARY KEY,
    kind    INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 7),
    owner   BLOB    NOT NULL,
    number  BLOB    NOT NULL,
    balance INTEGER NOT NULL DEFAULT 0 CHECK (balance >= 0 OR kind IN (0, 6, 7)),
    UNIQUE (kind, owner, number)
);

CREATE TABLE entries (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms    INTEGER NOT NULL,
    reason   INTEGER NOT NULL,
    debited  INTEGER NOT NULL,
    credited INTEGER NOT NULL,
    amount   INTEGER NOT NULL CHECK (amount > 0),
    cause    BLOB    NOT NULL,
    ta       BLOB,
    CHECK (debited <> credited)
);
-- sqlite: CREATE TRIGGER entries_are_never_changed BEFORE UPDATE ON entries
-- sqlite: BEGIN SELECT RAISE(ABORT, 'entries are only ever added'); END;
-- sqlite: CREATE TRIGGER entries_are_never_removed BEFORE DELETE ON entries
-- sqlite: BEGIN SELECT RAISE(ABORT, 'entries are only ever added'); END;
-- postgres: CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
-- postgres: $$ BEGIN RAISE EXCEPTION 'entries are only ever added'; END $$;
-- postgres: CREATE TRIGGER entries_are_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
-- postgres: FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Money that was paid in, by the reference of who paid it in.
CREATE TABLE credits (
    reference TEXT    NOT NULL PRIMARY KEY,
    client    BLOB    NOT NULL REFERENCES clients (key),
    amount    INTEGER NOT NULL CHECK (amount > 0)
);

-- Every answer that was signed.
CREATE TABLE answers (
    id          INTEGER PRIMARY KEY,
    incarnation INTEGER NOT NULL,
    sequence    INTEGER NOT NULL,
    kind        INTEGER NOT NULL,
    bytes       BLOB    NOT NULL,
    UNIQUE (incarnation, sequence)
);

-- One answer for each i of a TA. Outcome: 0 granted, 1 refused. Taken: the TA is known to have the grant.
CREATE TABLE deposits (
    ta      BLOB    NOT NULL,
    i       BLOB    NOT NULL,
    hash    BLOB    NOT NULL CHECK (length(hash) = 32),
    amount  INTEGER NOT NULL CHECK (amount > 0),
    outcome INTEGER NOT NULL CHECK (outcome IN (0, 1)),
    taken   INTEGER NOT NULL DEFAULT 0 CHECK (taken IN (0, 1)),
    answer  INTEGER NOT NULL REFERENCES answers (id),
    PRIMARY KEY (ta, i)
);

CREATE TABLE tokens (
    status BLOB    NOT NULL PRIMARY KEY CHECK (length(status) = 32),
    ta     BLOB    NOT NULL,
    answer INTEGER NOT NULL REFERENCES answers (id)
);

-- Every statement of a TA that was seen, contradictory ones too. Kind as on the wire.
CREATE TABLE statements (
    id    INTEGER PRIMARY KEY,
    ta    BLOB    NOT NULL,
    n     BLOB    NOT NULL,
    hash  BLOB    NOT NULL CHECK (length(hash) = 32),
    kind  INTEGER NOT NULL,
    i     BLOB    NOT NULL,
    j     BLOB    NOT NULL,
    bytes BLOB    NOT NULL,
    UNIQUE (ta, n, hash, i, j)
);
CREATE INDEX statements_by_i ON statements (ta, i) WHERE kind IN (0, 1);

-- Standing: 0 honoured, 1 another payment has this (sender, j), 2 beyond the sender's limit,
-- 3 the sender is of another provider, 4 the request's own deny-list named the sender. State: 0 credited,
-- 1 collected, 2 waiting. Rival: 0 for the first with its (sender, j), and the key lets one be that. Named:
-- can be found by its hash alone; not what is credited to a client at once, which is most of all rows,
-- since an index in the order of hashes costs a page for each.
CREATE TABLE payments (
    sender        BLOB    NOT NULL,
    j             BLOB    NOT NULL,
    rival         INTEGER NOT NULL,
    n             BLOB    NOT NULL,
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    amount        INTEGER NOT NULL CHECK (amount > 0),
    provider      BLOB    NOT NULL,
    receiver_kind INTEGER NOT NULL,
    receiver      BLOB    NOT NULL,
    request_id    BLOB    NOT NULL,
    standing      INTEGER NOT NULL CHECK (standing IN (0, 1, 2, 3, 4)),
    state         INTEGER NOT NULL CHECK (state IN (0, 1, 2)),
    received_ms   INTEGER NOT NULL,
    named         INTEGER NOT NULL CHECK (named IN (0, 1)),
    PRIMARY KEY (sender, j, rival)
) WITHOUT ROWID;
CREATE UNIQUE INDEX payments_by_name ON payments (hash) WHERE named = 1;
CREATE INDEX payments_waiting ON payments (receiver) WHERE state = 2;

-- What the accepted statuses of a TA say of its request ids.
CREATE TABLE collected (
    ta         BLOB NOT NULL,
    request_id BLOB NOT NULL,
    payment    BLOB NOT NULL,
    PRIMARY KEY (ta, request_id)
);
CREATE TABLE requests_open (
    ta         BLOB NOT NULL,
    request_id BLOB NOT NULL,
    PRIMARY KEY (ta, request_id)
);

-- Why a TA was suspended. Evidence is two statements that cannot lie on one chain.
CREATE TABLE findings (
    id       INTEGER PRIMARY KEY,
    ta       BLOB    NOT NULL,
    at_ms    INTEGER NOT NULL,
    reason   TEXT    NOT NULL,
    evidence BLOB,
    digest   BLOB    NOT NULL CHECK (length(digest) = 32),
    UNIQUE (ta, reason, digest)
);
