-- Why an attempt failed, for clients that say it in their own words: a code, and what it is about.
ALTER TABLE delivery_attempts
    ADD COLUMN code text,
    ADD COLUMN detail text,
    ADD CONSTRAINT delivery_attempts_reason_bounded CHECK (length(code) <= 40 AND length(detail) <= 200) NOT VALID;
