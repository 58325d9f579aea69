-- A user's movements of one kind, newest first: a top-up among a million predictions. Holds and captures, which every
-- prediction has, are not in it, so that it costs the submit and the finish statement nothing. Building it reads the
-- ledger once, some seconds for millions of rows; what moves credits waits meanwhile.
CREATE INDEX transactions_of_user_and_kind ON transactions (user_id, kind, id) WHERE kind NOT IN ('hold', 'capture');
