# The parameters of ../../cloudformation/edge.yaml, by the names that Terraform would give them. Of two variables that have
# to fit only one is held against the other, as Terraform takes no circles.

# Function

variable "code_bucket" {
  type        = string
  nullable    = false
  description = "S3 bucket in us-east-1 that holds the zip of portcullis package edge."

  validation {
    condition     = length(var.code_bucket) >= 3 && length(var.code_bucket) <= 63
    error_message = "Must have 3 to 63 characters."
  }
}

# Bounds of the key and the version keep what is derived from them inside the 256 characters of a description.
variable "code_key" {
  type        = string
  nullable    = false
  description = "Key of the zip."

  validation {
    condition     = length(var.code_key) >= 1 && length(var.code_key) <= 100
    error_message = "Must have 1 to 100 characters."
  }
}

variable "code_version" {
  type        = string
  default     = ""
  nullable    = false
  description = "Version of the S3 object, when the bucket keeps versions. A zip is deployed when code_key or code_version changes; another zip under the same two goes unnoticed."

  validation {
    condition     = length(var.code_version) <= 64
    error_message = "Must have at most 64 characters."
  }
}

variable "runtime" {
  type        = string
  default     = "nodejs22.x"
  nullable    = false
  description = "Runtime of the function."

  validation {
    condition     = contains(["nodejs22.x", "nodejs24.x"], var.runtime)
    error_message = "Must be one of nodejs22.x, nodejs24.x."
  }
}

variable "function_name" {
  type        = string
  default     = "portcullis-edge"
  nullable    = false
  description = "Name of the function and of its role, and the end of the name of its log group."

  validation {
    condition     = can(regex("^[0-9A-Za-z_-]{1,64}$", var.function_name))
    error_message = "Must be 1 to 64 letters, digits, - and _."
  }
}

variable "memory_size" {
  type        = number
  default     = 128
  nullable    = false
  description = "Memory of the function in MB. CloudFront long took no more than 128 for viewer requests."

  validation {
    condition     = var.memory_size >= 128 && var.memory_size <= 10240 && floor(var.memory_size) == var.memory_size
    error_message = "Must be a whole number from 128 to 10240."
  }
}

variable "timeout_seconds" {
  type        = number
  default     = 5
  nullable    = false
  description = "Timeout of the function. CloudFront long took no more than 5 for viewer requests. Keep the time budget of one decision, which the package holds, below it."

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 30 && floor(var.timeout_seconds) == var.timeout_seconds
    error_message = "Must be a whole number from 1 to 30."
  }
}

variable "log_retention_days" {
  type        = number
  default     = 30
  nullable    = false
  description = "Days after which log lines are deleted in us-east-1. In every other Region the function makes a log group of its own, which keeps them until told otherwise."

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "Must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653."
  }
}

# Gateway credential

variable "secret_arn" {
  type        = string
  default     = ""
  nullable    = false
  description = "Secrets Manager secret or SSM parameter in us-east-1 that holds the gateway credential, the one that the package names. Empty where the package needs none."

  validation {
    condition     = can(regex("^$|^arn:[^:]+:(secretsmanager|ssm):us-east-1:[0-9]{12}:[^*?]+$", var.secret_arn))
    error_message = "Must be the ARN of a Secrets Manager secret or of an SSM parameter in us-east-1, or empty."
  }
}

variable "secret_kms_key_arn" {
  type        = string
  default     = ""
  nullable    = false
  description = "KMS key that encrypts the secret, when it is not the account's default key."

  validation {
    condition     = can(regex("^$|^arn:[^:]+:kms:us-east-1:[0-9]{12}:key/[0-9A-Za-z-]+$", var.secret_kms_key_arn))
    error_message = "Must be the ARN of a KMS key in us-east-1, or empty."
  }

  validation {
    condition     = var.secret_kms_key_arn == "" || var.secret_arn != ""
    error_message = "Is the key of secret_arn. Give both, or secret_arn alone."
  }
}

# Distribution

variable "api_origin_domain" {
  type        = string
  default     = ""
  nullable    = false
  description = "Host name of the API, such as abc123.execute-api.eu-west-1.amazonaws.com. Empty makes no distribution: name the output function_version_arn in one of your own."

  validation {
    condition     = can(regex("^$|^[0-9A-Za-z-]+([.][0-9A-Za-z-]+)+$", var.api_origin_domain))
    error_message = "Must be a host name such as abc123.execute-api.eu-west-1.amazonaws.com, or empty."
  }
}

variable "api_origin_path" {
  type        = string
  default     = ""
  nullable    = false
  description = "Path that CloudFront puts before the path of each request, such as /prod for the stage prod. Empty for the stage $default of an HTTP API."

  validation {
    condition     = can(regex("^$|^(/[0-9A-Za-z_.~-]+)+$", var.api_origin_path)) && length(var.api_origin_path) <= 255
    error_message = "Must be a path such as /prod of at most 255 characters, or empty."
  }

  validation {
    condition     = var.api_origin_path == "" || var.api_origin_domain != ""
    error_message = "Needs api_origin_domain, without which there is no distribution."
  }
}

variable "include_body" {
  type        = bool
  default     = false
  nullable    = false
  description = "Shows the function the first 40 KB of a request's body, for policies that look at bodies."
}

variable "aliases" {
  type        = list(string)
  default     = []
  nullable    = false
  description = "Host names of the distribution beside its own. They need acm_certificate_arn."

  validation {
    condition     = alltrue([for name in var.aliases : can(regex("^([*][.])?[0-9A-Za-z-]+([.][0-9A-Za-z-]+)+$", name))])
    error_message = "Must be host names such as api.example.com."
  }

  validation {
    condition     = length(var.aliases) == 0 || var.acm_certificate_arn != ""
    error_message = "Needs acm_certificate_arn, a certificate that covers them."
  }

  validation {
    condition     = length(var.aliases) == 0 || var.api_origin_domain != ""
    error_message = "Needs api_origin_domain, without which there is no distribution."
  }
}

variable "acm_certificate_arn" {
  type        = string
  default     = ""
  nullable    = false
  description = "ACM certificate in us-east-1 for aliases. Only with one are clients held to TLS 1.2, as CloudFront's own takes older versions."

  validation {
    condition     = can(regex("^$|^arn:[^:]+:acm:us-east-1:[0-9]{12}:certificate/[0-9A-Za-z-]+$", var.acm_certificate_arn))
    error_message = "Must be the ARN of an ACM certificate in us-east-1, or empty."
  }

  validation {
    condition     = var.acm_certificate_arn == "" || var.api_origin_domain != ""
    error_message = "Needs api_origin_domain, without which there is no distribution."
  }
}

variable "price_class" {
  type        = string
  default     = "PriceClass_All"
  nullable    = false
  description = "From which edge locations CloudFront answers."

  validation {
    condition     = contains(["PriceClass_100", "PriceClass_200", "PriceClass_All"], var.price_class)
    error_message = "Must be one of PriceClass_100, PriceClass_200, PriceClass_All."
  }
}

# The API takes calls of the distribution only

variable "origin_verify_header" {
  type        = string
  default     = ""
  nullable    = false
  sensitive   = true
  description = "Secret that CloudFront adds to each call of the API, so that the API can refuse calls without it. Empty adds none."

  validation {
    condition     = can(regex("^$|^[!-~]{20,}$", var.origin_verify_header)) && length(var.origin_verify_header) <= 1024
    error_message = "Must be 20 to 1024 printable ASCII characters without spaces, or empty."
  }

  validation {
    condition     = var.origin_verify_header == "" || var.api_origin_domain != ""
    error_message = "Needs api_origin_domain, without which there is no distribution."
  }
}

variable "origin_verify_header_name" {
  type        = string
  default     = "X-Origin-Verify"
  nullable    = false
  description = "Header that carries the secret. With X-Api-Key API Gateway itself can check it."

  validation {
    condition     = can(regex("^[0-9A-Za-z_-]{1,256}$", var.origin_verify_header_name))
    error_message = "Must be a header name of letters, digits, - and _."
  }
}

# Terraform only

variable "tags" {
  type        = map(string)
  default     = {}
  nullable    = false
  description = "Tags of everything that can have some."
}
