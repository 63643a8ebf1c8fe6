# What follows from the variables alone. Nothing here needs the provider, so that tests evaluate it without.

locals {
  # CloudFront takes functions from here only, wherever the provider is.
  region = "us-east-1"

  # What tells one version of the function from another.
  description = "${var.code_bucket}/${var.code_key} ${var.code_version} ${var.runtime} ${var.memory_size} MB ${var.timeout_seconds} s"

  has_secret_arn   = var.secret_arn != ""
  has_secret_key   = var.secret_kms_key_arn != ""
  has_distribution = var.api_origin_domain != ""
  has_certificate  = var.acm_certificate_arn != ""

  # Names of the headers that CloudFront adds. Whether there is one is no secret.
  origin_headers = nonsensitive(var.origin_verify_header != "") ? [var.origin_verify_header_name] : []

  # CloudFront keeps these errors for 10 seconds, whoever asked, unless told otherwise.
  errors_kept_by_default = [404, 405, 414, 500, 501, 502, 503, 504]
}
