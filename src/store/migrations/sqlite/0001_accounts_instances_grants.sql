-- Times are milliseconds since 1970 in UTC. *_digest: HMAC-SHA256 for look-ups; *_sealed: see src/store/seal.rs.

CREATE TABLE master_key (
    key_id      TEXT   NOT NULL PRIMARY KEY,
    check_value BLOB   NOT NULL,
    created_at  BIGINT NOT NULL
);

CREATE TABLE organization (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT    NOT NULL,
    secret_digest BLOB    NOT NULL UNIQUE,
    secret_sealed BLOB    NOT NULL,
    key_id        TEXT    NOT NULL REFERENCES master_key (key_id),
    created_at    BIGINT  NOT NULL
);

CREATE TABLE account_user (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id BIGINT  NOT NULL REFERENCES organization (id),
    email           TEXT    NOT NULL,
    email_folded    TEXT    NOT NULL UNIQUE,
    first_name      TEXT    NOT NULL,
    last_name       TEXT    NOT NULL,
    secret_digest   BLOB    NOT NULL UNIQUE,
    secret_sealed   BLOB    NOT NULL,
    key_id          TEXT    NOT NULL REFERENCES master_key (key_id),
    created_at      BIGINT  NOT NULL
);
CREATE INDEX account_user_by_organization ON account_user (organization_id, id);

CREATE TABLE instance (
    id                      INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id         BIGINT  NOT NULL REFERENCES organization (id),
    user_id                 BIGINT  NOT NULL REFERENCES account_user (id),
    element_id              BIGINT  NOT NULL,
    element_key             TEXT    NOT NULL,
    name                    TEXT    NOT NULL,
    search_folded           TEXT    NOT NULL, -- name and element key, lower case, a line break between
    tags                    TEXT    NOT NULL, -- JSON array, in the order given
    configuration           TEXT    NOT NULL, -- JSON object, nothing secret
    secrets_sealed          BLOB    NOT NULL, -- JSON object
    token_digest            BLOB    NOT NULL UNIQUE,
    token_sealed            BLOB    NOT NULL,
    data_key                BLOB    NOT NULL, -- wrapped by the master key `key_id`
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
    instance_id     BIGINT  NOT NULL PRIMARY KEY REFERENCES instance (id) ON DELETE CASCADE,
    generation      BIGINT  NOT NULL,
    epoch           BIGINT  NOT NULL,
    state           TEXT    NOT NULL, -- valid, refreshing, provider_down, reauth_required
    access_sealed   BLOB,
    refresh_sealed  BLOB,
    secret_sealed   BLOB,
    key_id          BIGINT  NOT NULL, -- of the instance's data key
    expires_at      BIGINT,
    obtained_at     BIGINT  NOT NULL,
    lease_owner     TEXT,
    lease_until     BIGINT,
    intent_at       BIGINT,
    fail_count      BIGINT  NOT NULL,
    next_attempt_at BIGINT,
    last_error      TEXT,
    reauth_reason   TEXT
);
CREATE INDEX instance_grant_by_lease ON instance_grant (lease_until);
