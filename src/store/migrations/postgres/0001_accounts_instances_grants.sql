-- The same tables as in ../sqlite. Times are milliseconds since 1970 in UTC. *_digest: HMAC-SHA256 for look-ups;
-- *_sealed: see src/store/seal.rs.

CREATE TABLE master_key (
    key_id      TEXT   NOT NULL PRIMARY KEY,
    check_value BYTEA  NOT NULL,
    created_at  BIGINT NOT NULL
);

CREATE TABLE organization (
    id            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          TEXT   NOT NULL,
    secret_digest BYTEA  NOT NULL UNIQUE,
    secret_sealed BYTEA  NOT NULL,
    key_id        TEXT   NOT NULL REFERENCES master_key (key_id),
    created_at    BIGINT NOT NULL
);

CREATE TABLE account_user (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id BIGINT NOT NULL REFERENCES organization (id),
    email           TEXT   NOT NULL,
    email_folded    TEXT   NOT NULL UNIQUE,
    first_name      TEXT   NOT NULL,
    last_name       TEXT   NOT NULL,
    secret_digest   BYTEA  NOT NULL UNIQUE,
    secret_sealed   BYTEA  NOT NULL,
    key_id          TEXT   NOT NULL REFERENCES master_key (key_id),
    created_at      BIGINT NOT NULL
);
CREATE INDEX account_user_by_organization ON account_user (organization_id, id);

CREATE TABLE instance (
    id                      BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id         BIGINT  NOT NULL REFERENCES organization (id),
    user_id                 BIGINT  NOT NULL REFERENCES account_user (id),
    element_id              BIGINT  NOT NULL,
    element_key             TEXT    NOT NULL,
    name                    TEXT    NOT NULL,
    search_folded           TEXT    NOT NULL, -- name and element key, lower case, a line break between
    tags                    TEXT    NOT NULL, -- JSON array, in the order given
    configuration           TEXT    NOT NULL, -- JSON object, nothing secret
    secrets_sealed          BYTEA   NOT NULL, -- JSON object
    token_digest            BYTEA   NOT NULL UNIQUE,
    token_sealed            BYTEA   NOT NULL,
    data_key                BYTEA   NOT NULL, -- wrapped by the master key `key_id`
    data_key_id             BIGINT  NOT NULL,
    key_id                  TEXT    NOT NULL REFERENCES master_key (key_id),
    disabled                BOOLEAN NOT NULL,
    valid                   BOOLEAN NOT NULL,
    caching_enabled         BOOLEAN NOT NULL,
    cache_ttl_s             BIGINT  NOT NULL,
    max_cache_size          BIGINT  NOT NULL,
    external_authentication TEXT    NOT NULL,
    events_enabled          BOOLEAN NOT NULL,
    trace_logging           BOOLEAN NOT NULL,
    created_at              BIGINT  NOT NULL,
    updated_at              BIGINT  NOT NULL,
    version                 BIGINT  NOT NULL
);
CREATE INDEX instance_by_organization ON instance (organization_id, id);
CREATE INDEX instance_by_user ON instance (user_id, id);
CREATE INDEX instance_by_element ON instance (organization_id, element_key, id);

CREATE TABLE instance_tag (
    organization_id BIGINT NOT NULL,
    tag             TEXT   NOT NULL,
    instance_id     BIGINT NOT NULL REFERENCES instance (id) ON DELETE CASCADE,
    PRIMARY KEY (organization_id, tag, instance_id)
);
CREATE INDEX instance_tag_by_instance ON instance_tag (instance_id);

CREATE TABLE instance_grant (
    instance_id     BIGINT NOT NULL PRIMARY KEY REFERENCES instance (id) ON DELETE CASCADE,
    generation      BIGINT NOT NULL,
    epoch           BIGINT NOT NULL,
    state           TEXT   NOT NULL, -- valid, refreshing, provider_down, reauth_required
    access_sealed   BYTEA,
    refresh_sealed  BYTEA,
    secret_sealed   BYTEA,
    key_id          BIGINT NOT NULL, -- of the instance's data key
    expires_at      BIGINT,
    obtained_at     BIGINT NOT NULL,
    lease_owner     TEXT,
    lease_until     BIGINT, -- by the clock of the database, as next_attempt_at and intent_at
    intent_at       BIGINT,
    fail_count      BIGINT NOT NULL,
    next_attempt_at BIGINT,
    last_error      TEXT,
    reauth_reason   TEXT
);
CREATE INDEX instance_grant_by_lease ON instance_grant (lease_until);

-- How far writes through an instance have come, for the response caches of all nodes: an answer that was read under one
-- generation is not given out under another.
CREATE TABLE cache_generation (
    instance_id BIGINT NOT NULL REFERENCES instance (id) ON DELETE CASCADE,
    resource    TEXT   NOT NULL,
    generation  BIGINT NOT NULL,
    writers     BIGINT NOT NULL, -- writes under way
    busy_until  BIGINT NOT NULL, -- by when they are over, even if their nodes died; by the clock of the database
    PRIMARY KEY (instance_id, resource)
);

-- Tells all nodes what changed; delivered when the change is committed, whoever made it.
CREATE FUNCTION hubgate_instance_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM pg_notify('hubgate', 'instance ' || OLD.id || ' gone');
    ELSE
        PERFORM pg_notify('hubgate', 'instance ' || NEW.id || ' ' || NEW.version);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER instance_changed AFTER UPDATE ON instance
    FOR EACH ROW WHEN (OLD.version <> NEW.version OR OLD.disabled <> NEW.disabled OR OLD.token_digest <> NEW.token_digest)
    EXECUTE FUNCTION hubgate_instance_changed();
CREATE TRIGGER instance_gone AFTER DELETE ON instance
    FOR EACH ROW EXECUTE FUNCTION hubgate_instance_changed();

CREATE FUNCTION hubgate_accounts_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('hubgate', 'accounts');
    RETURN NULL;
END $$;
-- The first sealing belongs to the making of an account.
CREATE TRIGGER organization_changed AFTER UPDATE ON organization
    FOR EACH ROW WHEN (octet_length(OLD.secret_sealed) > 0) EXECUTE FUNCTION hubgate_accounts_changed();
CREATE TRIGGER organization_gone AFTER DELETE ON organization
    FOR EACH ROW EXECUTE FUNCTION hubgate_accounts_changed();
CREATE TRIGGER account_user_changed AFTER UPDATE ON account_user
    FOR EACH ROW WHEN (octet_length(OLD.secret_sealed) > 0) EXECUTE FUNCTION hubgate_accounts_changed();
CREATE TRIGGER account_user_gone AFTER DELETE ON account_user
    FOR EACH ROW EXECUTE FUNCTION hubgate_accounts_changed();
