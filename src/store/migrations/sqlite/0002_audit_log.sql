-- Who did what, record by record; see src/store/audit.rs. Each record's hash covers the one before it.

CREATE TABLE audit_log (
    seq             INTEGER PRIMARY KEY, -- 1, 2, 3, … without a gap
    at              BIGINT  NOT NULL,
    actor           TEXT    NOT NULL, -- user, instance, operator, gateway
    actor_id        BIGINT,
    organization_id BIGINT, -- whose matter it is; nobody's for those of the installation
    user_id         BIGINT,
    action          TEXT    NOT NULL,
    instances       TEXT    NOT NULL, -- ids, with a comma before, between and behind
    request_id      TEXT,
    details         TEXT    NOT NULL, -- JSON object, nothing secret
    hash            BLOB    NOT NULL
);
CREATE INDEX audit_log_by_owner ON audit_log (organization_id, user_id, seq);

CREATE TRIGGER audit_log_is_not_changed BEFORE UPDATE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'audit records are not changed');
END;
CREATE TRIGGER audit_log_is_not_deleted BEFORE DELETE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'audit records are not deleted');
END;

-- The last record, in a row of its own, so that a tail that was cut off is noticed.
CREATE TABLE audit_head (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    seq        BIGINT  NOT NULL,
    hash       BLOB    NOT NULL,
    mac        BLOB    NOT NULL, -- of both, under the log's key
    key_sealed BLOB    NOT NULL, -- the log's key, wrapped by the master key `key_id`; empty until the first start
    key_id     TEXT
);
INSERT INTO audit_head (id, seq, hash, mac, key_sealed) VALUES (1, 0, x'', x'', x'');
CREATE TRIGGER audit_head_is_not_deleted BEFORE DELETE ON audit_head
BEGIN
    SELECT RAISE(ABORT, 'the head of the audit log is not deleted');
END;
