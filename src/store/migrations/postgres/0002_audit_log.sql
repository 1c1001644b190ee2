-- Who did what, record by record; see src/store/audit.rs. Each record's hash covers the one before it.

CREATE TABLE audit_log (
    seq             BIGINT PRIMARY KEY, -- 1, 2, 3, … without a gap
    at              BIGINT NOT NULL,
    actor           TEXT   NOT NULL, -- user, instance, operator, gateway
    actor_id        BIGINT,
    organization_id BIGINT, -- whose matter it is; nobody's for those of the installation
    user_id         BIGINT,
    action          TEXT   NOT NULL,
    instances       TEXT   NOT NULL, -- ids, with a comma before, between and behind
    request_id      TEXT,
    details         TEXT   NOT NULL, -- JSON object, nothing secret
    hash            BYTEA  NOT NULL
);
CREATE INDEX audit_log_by_owner ON audit_log (organization_id, user_id, seq);

CREATE FUNCTION hubgate_audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit records are neither changed nor deleted';
END $$;
CREATE TRIGGER audit_log_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION hubgate_audit_is_kept();

-- The last record, in a row of its own, so that a tail that was cut off is noticed. Writers queue up for it.
CREATE TABLE audit_head (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    seq        BIGINT  NOT NULL,
    hash       BYTEA   NOT NULL,
    mac        BYTEA   NOT NULL, -- of both, under the log's key
    key_sealed BYTEA   NOT NULL, -- the log's key, wrapped by the master key `key_id`; empty until the first start
    key_id     TEXT
);
INSERT INTO audit_head (id, seq, hash, mac, key_sealed) VALUES (1, 0, '', '', '');
CREATE TRIGGER audit_head_is_kept BEFORE DELETE OR TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION hubgate_audit_is_kept();
