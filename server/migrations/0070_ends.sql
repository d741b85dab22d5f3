-- What the owner of a TA was paid at its end, by whatever way: one row for each TA that ended, and every way pays
-- only what is missing to it. Paid: all that reached the owner, or was put onto a newer TA for it. Returned: what
-- the owner gave back of it: it stood in for payments of that TA, or paid debts for it. Borne: what the provider
-- paid of it after a restore, for payments that the TA collected and that nobody handed in, and did not get back.
CREATE TABLE ends (
    ta       BLOB    NOT NULL PRIMARY KEY,
    paid     INTEGER NOT NULL DEFAULT 0 CHECK (paid >= 0),
    returned INTEGER NOT NULL DEFAULT 0 CHECK (returned >= 0),
    borne    INTEGER NOT NULL DEFAULT 0 CHECK (borne >= 0)
);
INSERT INTO ends (ta, paid)
    SELECT tas.key, coalesce(retirements.paid, 0) + coalesce(deaths.paid, 0)
    FROM tas LEFT JOIN retirements ON retirements.ta = tas.key LEFT JOIN deaths ON deaths.ta = tas.key
    WHERE tas.standing >= 2;
ALTER TABLE deaths DROP COLUMN paid;
