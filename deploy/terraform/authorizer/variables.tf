# The parameters of ../../cloudformation/authorizer.yaml, by the names that Terraform would give them. Of two variables that
# have to fit only one is held against the other, as Terraform takes no circles.

# Function

variable "code_bucket" {
  type        = string
  nullable    = false
  description = "S3 bucket that holds the authorizer's zip, in the region of the function."

  validation {
    condition     = length(var.code_bucket) >= 3
    error_message = "Must have at least 3 characters."
  }
}

variable "code_key" {
  type        = string
  nullable    = false
  description = "Key of the authorizer's zip, which has the file bootstrap at its top."

  validation {
    condition     = length(var.code_key) >= 1
    error_message = "Must not be empty."
  }
}

variable "code_version" {
  type        = string
  default     = ""
  nullable    = false
  description = "Version of the S3 object, when the bucket keeps versions."
}

variable "architecture" {
  type        = string
  default     = "arm64"
  nullable    = false
  description = "What the bootstrap in the zip is built for."

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Must be one of arm64, x86_64."
  }
}

variable "function_name" {
  type        = string
  default     = "portcullis"
  nullable    = false
  description = "Name of the function, of its role and of its log group below /portcullis/."

  validation {
    condition     = can(regex("^[0-9A-Za-z_-]{1,56}$", var.function_name))
    error_message = "Must be 1 to 56 letters, digits, - and _."
  }
}

variable "memory_size" {
  type        = number
  default     = 128
  nullable    = false
  description = "Memory of the function in MB. More memory also means more CPU."

  validation {
    condition     = var.memory_size >= 128 && var.memory_size <= 10240 && floor(var.memory_size) == var.memory_size
    error_message = "Must be a whole number from 128 to 10240."
  }
}

variable "timeout_seconds" {
  type        = number
  default     = 5
  nullable    = false
  description = "Timeout of the function. API Gateway itself gives an authorizer 10 seconds."

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 9 && floor(var.timeout_seconds) == var.timeout_seconds
    error_message = "Must be a whole number from 1 to 9."
  }
}

variable "log_level" {
  type        = string
  default     = "INFO"
  nullable    = false
  description = "Least severe log line that the function writes. Lambda takes metric lines for INFO, so WARN and above leave the function without its metrics."

  validation {
    condition     = contains(["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"], var.log_level)
    error_message = "Must be one of TRACE, DEBUG, INFO, WARN, ERROR, FATAL."
  }
}

variable "log_retention_days" {
  type        = number
  default     = 30
  nullable    = false
  description = "Days after which log lines are deleted."

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "Must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."
  }
}

# The function decides (OAuth mode)

variable "issuer" {
  type        = string
  default     = ""
  nullable    = false
  description = "Issuer of access tokens. With it the function decides by itself, and the parameters of the sideband service stay empty; with authzen_pdp_url, it verifies tokens itself and then asks."

  validation {
    condition     = can(regex("^$|^https?://[^\\s?#]+$", var.issuer))
    error_message = "Must be an http or https URL without query and fragment, or empty."
  }
}

variable "audience" {
  type        = string
  default     = ""
  nullable    = false
  description = "Audience that access tokens must name. Needed with issuer."

  validation {
    condition     = var.issuer == "" || (var.audience != "" && (var.scopes != "" || var.authzen_pdp_url != ""))
    error_message = "Must be given with issuer, and so must scopes."
  }
}

variable "scopes" {
  type        = string
  default     = ""
  nullable    = false
  description = "Which scope opens which route, such as \"GET /planets = silver; GET /moons = gold; GET /asteroids\". Needed with issuer, but for an AuthZEN decision point, which without it is asked about every path."

  validation {
    condition     = length(var.scopes) <= 3000
    error_message = "Must have at most 3000 characters."
  }
}

variable "profile" {
  type        = string
  default     = "rfc9068"
  nullable    = false
  description = "How the issuer's tokens differ from RFC 9068."

  validation {
    condition     = contains(["rfc9068", "okta", "auth0", "cognito", "entra", "keycloak", "generic"], var.profile)
    error_message = "Must be one of rfc9068, okta, auth0, cognito, entra, keycloak, generic."
  }
}

variable "paths" {
  type        = string
  default     = "plain"
  nullable    = false
  description = "plain refuses paths with escapes, so that cached answers can cover routes with parameters; any takes them."

  validation {
    condition     = contains(["plain", "any"], var.paths)
    error_message = "Must be one of plain, any."
  }
}

variable "bundle" {
  type        = string
  default     = ""
  nullable    = false
  description = "Bundle in the zip, written by portcullis policy bundle, instead of issuer, audience and scopes."

  validation {
    condition     = can(regex("^$|^file:.+$", var.bundle))
    error_message = "Must be file: and a path in the zip, or empty."
  }

  validation {
    condition     = var.bundle == "" || var.issuer == ""
    error_message = "Give issuer or bundle, not both."
  }

  validation {
    condition     = var.bundle != "" || var.issuer != "" || var.secret_header_value != "" || var.secret_header_value_arn != ""
    error_message = "Say who decides: give the gateway credential (secret_header_value or secret_header_value_arn), or issuer, or bundle."
  }
}

variable "cache_ttl_seconds" {
  type        = number
  default     = 0
  nullable    = false
  description = "Seconds for which API Gateway may answer from its cache, for the REST and the HTTP API. Only where the function decides, and for an HTTP API with http_response iam. A token that expires or is revoked is accepted for that long. Leave it at 0 where tokens are bound to a key or a certificate (DPoP, mutual TLS)."

  validation {
    condition     = var.cache_ttl_seconds >= 0 && var.cache_ttl_seconds <= 3600 && floor(var.cache_ttl_seconds) == var.cache_ttl_seconds
    error_message = "Must be a whole number from 0 to 3600."
  }

  validation {
    condition     = var.cache_ttl_seconds == 0 || var.issuer != "" || var.bundle != ""
    error_message = "An answer of a sideband service is for one request. Leave it at 0."
  }

  validation {
    condition     = var.cache_ttl_seconds == 0 || var.authzen_pdp_url == ""
    error_message = "An answer of an AuthZEN decision point is for one request. Leave it at 0."
  }

  validation {
    condition     = var.cache_ttl_seconds == 0 || var.http_api_id == "" || var.http_response == "iam" || var.http_payload_format == "1.0"
    error_message = "A simple answer is one for every route. Caching needs http_response iam."
  }

  validation {
    condition     = var.cache_ttl_seconds == 0 || var.require_authorization_header
    error_message = "API Gateway caches by the Authorization header. Caching needs require_authorization_header."
  }
}

# A sideband service decides

variable "service_url" {
  type        = string
  default     = ""
  nullable    = false
  description = "Base URL of the sideband service. Empty takes it from the credential's httpAccessApiUrl claim."

  validation {
    condition     = can(regex("^$|^https?://[^\\s?#]+$", var.service_url))
    error_message = "Must be an http or https URL without query and fragment, or empty."
  }

  validation {
    condition     = var.authzen_pdp_url != "" || (var.issuer == "" && var.bundle == "") || (var.service_url == "" && var.secret_header_value == "" && var.secret_header_value_arn == "")
    error_message = "Where the function decides, there is no sideband service. Leave its variables empty."
  }

  validation {
    condition     = var.service_url == "" || var.authzen_pdp_url == ""
    error_message = "Give authzen_pdp_url or service_url, not both."
  }
}

# Terraform shows the value of a variable whose own validation fails, also of a sensitive one. So this one has none.
variable "secret_header_value" {
  type        = string
  default     = ""
  nullable    = false
  sensitive   = true
  description = "Gateway credential. Give this one or secret_header_value_arn."
}

variable "secret_header_value_arn" {
  type        = string
  default     = ""
  nullable    = false
  description = "Secrets Manager secret or SSM parameter that holds the gateway credential."

  validation {
    condition     = can(regex("^$|^arn:[^:]+:(secretsmanager|ssm):[^:]+:[^:]+:.+$", var.secret_header_value_arn))
    error_message = "Must be the ARN of a Secrets Manager secret or of an SSM parameter, or empty."
  }

  validation {
    condition     = var.secret_header_value_arn == "" || var.secrets_extension_layer_arn != ""
    error_message = "Needs secrets_extension_layer_arn, whose extension reads the secret."
  }

  validation {
    condition     = var.secret_header_value_arn == "" || var.secret_header_value == ""
    error_message = "Give secret_header_value or secret_header_value_arn, not both."
  }
}

variable "secret_kms_key_arn" {
  type        = string
  default     = ""
  nullable    = false
  description = "KMS key that encrypts the secret, when it is not the account's default key."
}

variable "secrets_extension_layer_arn" {
  type        = string
  default     = ""
  nullable    = false
  description = "ARN of the AWS Parameters and Secrets Lambda Extension layer for the region and architecture. Needed with secret_header_value_arn."
}

variable "secret_header_name" {
  type        = string
  default     = ""
  nullable    = false
  description = "Request header that carries the gateway credential. Empty stands for CLIENT-TOKEN, and for Authorization with authzen_pdp_url."

  validation {
    condition     = can(regex("^[0-9A-Za-z_-]*$", var.secret_header_name))
    error_message = "Must be a header name of letters, digits, - and _, or empty."
  }
}

variable "max_retries" {
  type        = number
  default     = 1
  nullable    = false
  description = "Retries after network errors and 5xx answers, inside the time budget."

  validation {
    condition     = var.max_retries >= 0 && var.max_retries <= 10 && floor(var.max_retries) == var.max_retries
    error_message = "Must be a whole number from 0 to 10."
  }
}

variable "timeout" {
  type        = string
  default     = "2s"
  nullable    = false
  description = "Whole time budget of one decision, retries included. Keep it below timeout_seconds."

  validation {
    condition     = can(regex("^[0-9]+(ms|s)$", var.timeout))
    error_message = "Must be a duration such as 2s or 1500ms."
  }
}

variable "on_unavailable" {
  type        = string
  default     = "error"
  nullable    = false
  description = "What a request gets when the decision point cannot be reached. Neither lets it through."

  validation {
    condition     = contains(["error", "deny"], var.on_unavailable)
    error_message = "Must be one of error, deny."
  }
}

variable "root_ca" {
  type        = string
  default     = ""
  nullable    = false
  description = "Private CA that signs the decision point's certificate: the path of a PEM file in the zip, or the PEM text."
}

variable "is_debug_enabled" {
  type        = bool
  default     = false
  nullable    = false
  description = "Logs each exchange with the decision point, with secrets and tokens left out."
}

# An AuthZEN decision point decides (beside Issuer and Audience)

variable "authzen_pdp_url" {
  type        = string
  default     = ""
  nullable    = false
  description = "Base URL of an AuthZEN decision point, which is asked about each request whose token is valid. Needs issuer and audience. Its credential goes into secret_header_value or secret_header_value_arn, such as \"Bearer\" and a token."

  validation {
    condition     = can(regex("^$|^https?://[^\\s?#]+$", var.authzen_pdp_url))
    error_message = "Must be an http or https URL without query and fragment, or empty."
  }

  validation {
    condition     = var.authzen_pdp_url == "" || var.issuer != ""
    error_message = "Needs issuer and audience, as the function verifies the token before it asks."
  }
}

variable "authzen_subject_claims" {
  type        = string
  default     = ""
  nullable    = false
  description = "Claims of the token that the AuthZEN decision point is told, separated by spaces. Empty for none."
}

variable "authzen_discovery" {
  type        = bool
  default     = false
  nullable    = false
  description = "Asks where the metadata of the AuthZEN decision point says, instead of at the default path."
}

variable "authzen_endpoint_origins" {
  type        = string
  default     = ""
  nullable    = false
  description = "Origins that this metadata may name beside that of authzen_pdp_url, separated by spaces."
}

# The URL that the decision point sees

variable "base_url" {
  type        = string
  default     = ""
  nullable    = false
  description = "Scheme and host to show the decision point instead of the ones in the event."

  validation {
    condition     = can(regex("^$|^https?://[^/\\s?#]+/?$", var.base_url))
    error_message = "Must be scheme and host such as https://api.example.com, or empty."
  }
}

variable "strip_stage" {
  type        = bool
  default     = false
  nullable    = false
  description = "Leaves the stage out of the URL that the decision point sees."
}

# APIs to protect

variable "rest_api_id" {
  type        = string
  default     = ""
  nullable    = false
  description = "REST API that gets an authorizer and gateway responses. Empty for none."
}

variable "rest_authorizer_type" {
  type        = string
  default     = "REQUEST"
  nullable    = false
  description = "REQUEST shows the whole request to the decision point, TOKEN only the Authorization header."

  validation {
    condition     = contains(["REQUEST", "TOKEN"], var.rest_authorizer_type)
    error_message = "Must be one of REQUEST, TOKEN."
  }
}

variable "http_api_id" {
  type        = string
  default     = ""
  nullable    = false
  description = "HTTP API that gets an authorizer. Empty for none."
}

variable "http_payload_format" {
  type        = string
  default     = "2.0"
  nullable    = false
  description = "Payload format of the HTTP API's authorizer."

  validation {
    condition     = contains(["1.0", "2.0"], var.http_payload_format)
    error_message = "Must be one of 1.0, 2.0."
  }
}

variable "http_response" {
  type        = string
  default     = "simple"
  nullable    = false
  description = "Answer form of payload format 2.0, in the function and in the authorizer alike. Never turn caching on with simple: API Gateway would apply a cached yes to every route of the API."

  validation {
    condition     = contains(["simple", "iam"], var.http_response)
    error_message = "Must be one of simple, iam."
  }
}

variable "web_socket_api_id" {
  type        = string
  default     = ""
  nullable    = false
  description = "WebSocket API that gets an authorizer for its $connect route. Empty for none."
}

variable "require_authorization_header" {
  type        = bool
  default     = true
  nullable    = false
  description = "true makes API Gateway answer 401 to a request without an Authorization header before the function runs. false shows every request to the decision point, which public operations need."
}

variable "invoke_source_arn" {
  type        = string
  default     = ""
  nullable    = false
  description = "Authorizer that is made outside the function and may invoke the function, as arn:aws:execute-api:REGION:ACCOUNT:API_ID/authorizers/AUTHORIZER_ID."

  validation {
    condition     = can(regex("^$|^arn:[^:]+:execute-api:[^:]+:[0-9]{12}:[^/]+/authorizers/.+$", var.invoke_source_arn))
    error_message = "Must be arn:aws:execute-api:REGION:ACCOUNT:API_ID/authorizers/AUTHORIZER_ID, or empty."
  }
}

# Answers to refused requests (REST API)

variable "cors_allow_origin" {
  type        = string
  default     = "*"
  nullable    = false
  description = "Access-Control-Allow-Origin on refusals, so that a browser can read them."

  validation {
    condition     = can(regex("^[^'\\s]+$", var.cors_allow_origin))
    error_message = "Must be an origin or *."
  }
}

variable "unauthorized_challenge" {
  type        = string
  default     = "Bearer"
  nullable    = false
  description = "WWW-Authenticate on 401 answers. API Gateway knows no more than this about an unauthenticated caller."

  validation {
    condition     = can(regex("^[^']+$", var.unauthorized_challenge))
    error_message = "Must be a WWW-Authenticate value without single quotes."
  }
}

# Terraform only

variable "tags" {
  type        = map(string)
  default     = {}
  nullable    = false
  description = "Tags of everything that can have some."
}
