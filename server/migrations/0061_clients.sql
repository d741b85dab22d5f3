-- Whether the provider suspended a client: it gets no TA and no new certificate.
ALTER TABLE clients ADD COLUMN suspended INTEGER NOT NULL DEFAULT 0 CHECK (suspended IN (0, 1));
