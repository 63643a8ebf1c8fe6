# Who decides, and what the function is told of it. Nothing here needs the provider, so that tests evaluate it without.

locals {
  has_issuer     = var.issuer != ""
  has_bundle     = var.bundle != ""
  has_authzen    = var.authzen_pdp_url != ""
  has_secret_arn = var.secret_header_value_arn != ""
  has_secret_key = local.has_secret_arn && var.secret_kms_key_arn != ""

  # Nobody is sent a credential.
  function_decides = !local.has_authzen && (local.has_issuer || local.has_bundle)
  sends_credential = nonsensitive(var.secret_header_value != "") && !local.has_secret_arn && !local.function_decides

  settings = {
    PORTCULLIS_DECISION_POINT = (
      local.has_authzen ? "authzen" : local.has_issuer ? "oauth" : local.has_bundle ? "bundle" : "sideband"
    )
    PORTCULLIS_ISSUER         = var.issuer
    PORTCULLIS_AUDIENCE       = local.has_issuer ? var.audience : ""
    PORTCULLIS_SCOPES         = local.has_issuer ? var.scopes : ""
    PORTCULLIS_PROFILE        = local.has_issuer ? var.profile : ""
    PORTCULLIS_PATHS          = local.has_issuer ? var.paths : ""
    PORTCULLIS_BUNDLE         = var.bundle
    AUTHZEN_PDP_URL           = var.authzen_pdp_url
    AUTHZEN_SUBJECT_CLAIMS    = var.authzen_subject_claims
    AUTHZEN_DISCOVERY         = local.has_authzen ? tostring(var.authzen_discovery) : ""
    AUTHZEN_ENDPOINT_ORIGINS  = var.authzen_endpoint_origins
    SERVICE_URL               = var.service_url
    SECRET_HEADER_VALUE_ARN   = var.secret_header_value_arn
    SECRET_HEADER_NAME        = coalesce(var.secret_header_name, local.has_authzen ? "Authorization" : "CLIENT-TOKEN")
    MAX_RETRIES               = tostring(var.max_retries)
    IS_DEBUG_ENABLED          = tostring(var.is_debug_enabled)
    PORTCULLIS_TIMEOUT        = var.timeout
    PORTCULLIS_CACHE_TTL      = "${var.cache_ttl_seconds}s"
    PORTCULLIS_STRIP_STAGE    = tostring(var.strip_stage)
    PORTCULLIS_BASE_URL       = var.base_url
    PORTCULLIS_ON_UNAVAILABLE = var.on_unavailable
    PORTCULLIS_HTTP_RESPONSE  = var.http_response
    PORTCULLIS_ROOT_CA        = var.root_ca
  }

  environment = merge(
    { for name, value in local.settings : name => value if value != "" },
    local.sends_credential ? { SECRET_HEADER_VALUE = var.secret_header_value } : {},
  )

  header_required = var.require_authorization_header
  # A TOKEN authorizer cannot do without the header that holds the token.
  rest_header_required = local.header_required || var.rest_authorizer_type == "TOKEN"
  http_payload_2       = var.http_payload_format == "2.0"
}
