-- What payments brought to an account, in the order in which they did: who was paid asks for what came since.
CREATE INDEX entries_credited ON entries (credited, id) WHERE reason = 4;
