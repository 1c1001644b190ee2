-- Several master keys at a time: one of them seals what is new, the others still open what they sealed.

ALTER TABLE master_key ADD COLUMN seals BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE master_key ADD COLUMN removed_at BIGINT; -- its bytes may be forgotten since, and it is never used again
UPDATE master_key SET seals = TRUE;
CREATE UNIQUE INDEX master_key_that_seals ON master_key (seals) WHERE seals;
