-- Clocks that lay before what the books knew, and that the operator said were right.
CREATE TABLE clocks_accepted (
    id        INTEGER PRIMARY KEY,
    at_ms     INTEGER NOT NULL,
    newest_ms INTEGER NOT NULL
);
