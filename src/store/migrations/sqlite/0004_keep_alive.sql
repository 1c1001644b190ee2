-- When a refresh token is to be used again, lest it die of idleness: looked at in the order of this column, a few at a time.

ALTER TABLE instance_grant ADD COLUMN keep_alive_at BIGINT; -- NULL: never
UPDATE instance_grant SET keep_alive_at = obtained_at WHERE refresh_sealed IS NOT NULL AND state <> 'reauth_required';
CREATE INDEX instance_grant_by_keep_alive ON instance_grant (keep_alive_at) WHERE keep_alive_at IS NOT NULL;
