# The parameters of ../../cloudformation/cloudentity.yaml, by the names that Terraform would give them.

# Base configuration

variable "client_id" {
  type        = string
  nullable    = false
  description = "Client of the gateway, from the page of the gateway at the control plane."

  validation {
    condition     = length(var.client_id) >= 1
    error_message = "Must not be empty."
  }
}

variable "client_secret" {
  type        = string
  nullable    = false
  sensitive   = true
  description = "Secret of this client."

  validation {
    condition     = length(var.client_secret) >= 1
    error_message = "Must not be empty."
  }
}

variable "issuer_url" {
  type        = string
  nullable    = false
  description = "Issuer of the System workspace, such as https://TENANT.us.authz.cloudentity.io/TENANT/system."

  validation {
    condition     = can(regex("^https?://[^\\s?#]+$", var.issuer_url))
    error_message = "Must be an http or https URL without query and fragment."
  }
}

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

# Advanced configuration

variable "inject_context" {
  type        = bool
  default     = false
  nullable    = false
  description = "Tells the backend the authentication context, as authnCtx in the context of the authorizer."
}

variable "allow_unknown" {
  type        = bool
  default     = false
  nullable    = false
  description = "true lets requests through, whoever sends them, that are for a bound service and for no API of it."
}

variable "reload_interval" {
  type        = string
  default     = "5s"
  nullable    = false
  description = "How old the configuration may be before another one is asked for, 1s to 1h."

  validation {
    condition     = can(regex("^([0-9]{1,9}(h|m|s|ms))+$", var.reload_interval))
    error_message = "Must be a duration from 1s to 1h, such as 5s or 1m0s."
  }
}

variable "configuration_max_age" {
  type        = string
  default     = "1h"
  nullable    = false
  description = "For how long the last good configuration decides while the control plane is away, up to 168h."

  validation {
    condition     = can(regex("^([0-9]{1,9}(h|m|s|ms))+$", var.configuration_max_age))
    error_message = "Must be a duration from 1s to 168h, such as 1h."
  }
}

variable "poll_on_schedule" {
  type        = bool
  default     = true
  nullable    = false
  description = "Invokes the function every minute, so that it polls also while no requests come."
}

variable "analytics_enabled" {
  type        = bool
  default     = true
  nullable    = false
  description = "Tells the control plane what was decided."
}

variable "analytics_raw_tokens" {
  type        = bool
  default     = false
  nullable    = false
  description = "Tells it the access token itself instead of its SHA-256."
}

variable "logging_level" {
  type        = string
  default     = "info"
  nullable    = false
  description = "Least severe log line that the function writes. Lambda takes metric lines for info, so warn and error leave the function without its metrics."

  validation {
    condition     = contains(["error", "warn", "info", "debug", "trace"], var.logging_level)
    error_message = "Must be one of error, warn, info, debug, trace."
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

variable "tenant_id" {
  type        = string
  default     = ""
  nullable    = false
  description = "Tenant, where issuer_url has a vanity domain and does not name it."
}

variable "server_id" {
  type        = string
  default     = ""
  nullable    = false
  description = "Workspace, where issuer_url has a vanity domain and does not name it."
}

variable "timeout" {
  type        = string
  default     = "2s"
  nullable    = false
  description = "Whole time budget of one decision. API Gateway itself gives an authorizer 10 seconds."

  validation {
    condition     = can(regex("^[0-9]+(ms|s)$", var.timeout))
    error_message = "Must be a duration such as 2s or 1500ms."
  }
}

variable "on_unavailable" {
  type        = string
  default     = "error"
  nullable    = false
  description = "What a request gets when there is no configuration to decide with. Neither lets it through."

  validation {
    condition     = contains(["error", "deny"], var.on_unavailable)
    error_message = "Must be one of error, deny."
  }
}

variable "http_response" {
  type        = string
  default     = "iam"
  nullable    = false
  description = "How the function answers HTTP APIs; portcullis aws bind makes authorizers that take this form."

  validation {
    condition     = contains(["simple", "iam"], var.http_response)
    error_message = "Must be one of simple, iam."
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
  default     = 30
  nullable    = false
  description = "Timeout of the function. Polls and analytics go on after the answer, with 5 seconds for one call, and discovery takes up to 20 seconds, so it is longer than what API Gateway waits for."

  validation {
    condition     = var.timeout_seconds >= 10 && var.timeout_seconds <= 60 && floor(var.timeout_seconds) == var.timeout_seconds
    error_message = "Must be a whole number from 10 to 60."
  }
}

variable "discover_apis" {
  type        = bool
  default     = false
  nullable    = false
  description = "Has the function find the APIs of the account on its schedule and tell them to the control plane, and lets it read them."

  validation {
    condition     = !var.discover_apis || var.poll_on_schedule
    error_message = "APIs are found when the schedule says so. Needs poll_on_schedule."
  }
}

# Certificate configuration

variable "root_ca" {
  type        = string
  default     = ""
  nullable    = false
  description = "Private CA that signs the control plane's certificate: the path of a PEM file in the zip, or the PEM text."
}

# Terraform only

variable "tags" {
  type        = map(string)
  default     = {}
  nullable    = false
  description = "Tags of everything that can have some."
}
