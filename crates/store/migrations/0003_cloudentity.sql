-- Gateways of the Cloudentity protocol, what they have discovered, and what their tokens are signed with.

INSERT INTO counters (name, value) VALUES ('api-group', 0);

-- A default policy and keys are '' where there are none.
CREATE TABLE cloudentity_gateways (
    gateway_id TEXT PRIMARY KEY NOT NULL REFERENCES gateways (id) ON DELETE CASCADE,
    description TEXT NOT NULL,
    server_id TEXT NOT NULL,
    auto_bind BIGINT NOT NULL,
    default_policy_id TEXT NOT NULL,
    jwks TEXT NOT NULL,
    version BIGINT NOT NULL,
    last_active BIGINT
);

-- `body` is the group in JSON as it was discovered; `service_id` is '' where it is not bound.
CREATE TABLE api_groups (
    gateway_id TEXT NOT NULL REFERENCES cloudentity_gateways (gateway_id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    service_id TEXT NOT NULL,
    PRIMARY KEY (gateway_id, id)
);

-- One private key for each key that such keys are sealed with.
CREATE TABLE signing_keys (
    sealed_with TEXT PRIMARY KEY NOT NULL,
    sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Assertions of clients that must not be accepted a second time, until they expire by themselves.
CREATE TABLE assertions (
    sha256 TEXT PRIMARY KEY NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX assertions_by_expiry ON assertions (expires_at);
