-- The whole storage, in SQL that SQLite and PostgreSQL read alike: TEXT for text, JSON and hexadecimal
-- digests, BIGINT for numbers and for times in milliseconds since 1970-01-01 UTC.

-- A row of this table is also the lock of what it counts: `UPDATE ... RETURNING` makes the second writer wait
-- until the first has committed, and a transaction that is rolled back gives its number back.
CREATE TABLE counters (
    name TEXT PRIMARY KEY NOT NULL,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES
    ('draft', 0), ('deployment', 0), ('gateway', 0), ('gateway-use', 0), ('admin-token', 0), ('admin-token-use', 0);

-- A parent is '' where there is none: NULLs would be distinct in the UNIQUE constraint.
CREATE TABLE drafts (
    id TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    parent TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    version BIGINT NOT NULL,
    position BIGINT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (kind, parent, name)
);
CREATE INDEX drafts_by_position ON drafts (kind, parent, position);
CREATE INDEX drafts_by_parent ON drafts (parent);

-- The current deployment is the one with the highest number. `sources` is a JSON array of
-- {"path", "text"}: they are written once and only read together.
CREATE TABLE deployments (
    number BIGINT PRIMARY KEY NOT NULL,
    sha256 TEXT NOT NULL,
    sources TEXT NOT NULL,
    note TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    rollback_of BIGINT REFERENCES deployments (number)
);

CREATE TABLE gateways (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    position BIGINT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE gateway_credentials (
    id TEXT PRIMARY KEY NOT NULL,
    gateway_id TEXT NOT NULL REFERENCES gateways (id) ON DELETE CASCADE,
    sha256 TEXT NOT NULL UNIQUE,
    position BIGINT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT
);
CREATE INDEX gateway_credentials_by_gateway ON gateway_credentials (gateway_id, position);

CREATE TABLE admin_tokens (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    sha256 TEXT NOT NULL UNIQUE,
    position BIGINT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT
);
