-- A name is one client's: people tell payees by it, and money is paid in by it. The form in which names
-- are compared stands beside each; clients from before keep theirs.
ALTER TABLE clients ADD COLUMN name_compared TEXT NOT NULL DEFAULT '';
UPDATE clients SET name_compared = lower(name);
CREATE INDEX clients_by_name_compared ON clients (name_compared);
