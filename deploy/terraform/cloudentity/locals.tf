# What the function is told. Nothing here needs the provider, so that tests evaluate it without.

locals {
  settings = {
    PORTCULLIS_DECISION_POINT        = "cloudentity"
    ACP_ISSUER_URL                   = var.issuer_url
    ACP_CLIENT_ID                    = var.client_id
    ACP_TENANT_ID                    = var.tenant_id
    ACP_SERVER_ID                    = var.server_id
    ACP_RELOAD_INTERVAL              = var.reload_interval
    PORTCULLIS_CONFIGURATION_MAX_AGE = var.configuration_max_age
    ENFORCEMENT_ALLOW_UNKNOWN        = tostring(var.allow_unknown)
    AWS_INJECT_CONTEXT               = tostring(var.inject_context)
    ANALYTICS_ENABLED                = tostring(var.analytics_enabled)
    PORTCULLIS_ANALYTICS_RAW_TOKENS  = tostring(var.analytics_raw_tokens)
    PORTCULLIS_DISCOVERY             = tostring(var.discover_apis)
    HTTP_CLIENT_ROOT_CA              = var.root_ca
    PORTCULLIS_TIMEOUT               = var.timeout
    PORTCULLIS_ON_UNAVAILABLE        = var.on_unavailable
    PORTCULLIS_HTTP_RESPONSE         = var.http_response
  }

  environment = merge(
    { for name, value in local.settings : name => value if value != "" },
    { ACP_CLIENT_SECRET = var.client_secret },
  )
}
