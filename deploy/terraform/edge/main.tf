# Portcullis at CloudFront: what ../../cloudformation/edge.yaml makes, resource by resource. Its version is the one that
# the function publishes.

data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

# Where the function writes when it runs in us-east-1. The prefix is Lambda@Edge's, in every Region.
resource "aws_cloudwatch_log_group" "log_group" {
  region            = local.region
  name              = "/aws/lambda/us-east-1.${var.function_name}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_iam_role" "role" {
  name        = var.function_name
  description = "Execution role of Portcullis at CloudFront. It writes its log and, when asked to, reads its credential."
  tags        = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = ["lambda.amazonaws.com", "edgelambda.amazonaws.com"] }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "log_policy" {
  name = "logs"
  role = aws_iam_role.role.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect = "Allow"
      Action = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
      # The function runs in the Region nearest to the viewer and makes its log group there.
      Resource = "arn:${data.aws_partition.current.partition}:logs:*:${data.aws_caller_identity.current.account_id}:log-group:${aws_cloudwatch_log_group.log_group.name}:*"
    }]
  })
}

resource "aws_iam_role_policy" "credential" {
  count = local.has_secret_arn ? 1 : 0

  name = "credential"
  role = aws_iam_role.role.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      # The ARN is of one kind or the other; the action of the other kind cannot apply to it.
      [{
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue", "ssm:GetParameter"]
        Resource = var.secret_arn
      }],
      [for key in local.has_secret_key ? [var.secret_kms_key_arn] : [] : {
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = key
      }],
    )
  })
}

# Lambda@Edge takes no environment, layers, VPC, dead letter queue, tracing or arm64. Settings are in the package.
resource "aws_lambda_function" "function" {
  region            = local.region
  function_name     = var.function_name
  description       = local.description
  runtime           = var.runtime
  handler           = "aws-lambda-authorizer/src/aws-lambda-authorizer.handler"
  architectures     = ["x86_64"]
  s3_bucket         = var.code_bucket
  s3_key            = var.code_key
  s3_object_version = var.code_version == "" ? null : var.code_version
  role              = aws_iam_role.role.arn
  memory_size       = var.memory_size
  timeout           = var.timeout_seconds
  tags              = var.tags

  # CloudFront takes a numbered version only. Each change publishes the next one.
  publish = true

  depends_on = [aws_iam_role_policy.log_policy, aws_iam_role_policy.credential]
}

resource "aws_cloudfront_distribution" "distribution" {
  count = local.has_distribution ? 1 : 0

  enabled         = true
  comment         = "${var.function_name}: an API behind Portcullis"
  http_version    = "http2and3"
  is_ipv6_enabled = true
  price_class     = var.price_class
  aliases         = var.aliases
  tags            = var.tags

  viewer_certificate {
    cloudfront_default_certificate = !local.has_certificate
    acm_certificate_arn            = local.has_certificate ? var.acm_certificate_arn : null
    ssl_support_method             = local.has_certificate ? "sni-only" : null
    minimum_protocol_version       = local.has_certificate ? "TLSv1.2_2021" : null
  }

  origin {
    origin_id   = "api"
    domain_name = var.api_origin_domain
    origin_path = var.api_origin_path

    custom_origin_config {
      http_port              = 80
      https_port             = 443
      origin_protocol_policy = "https-only"
      origin_ssl_protocols   = ["TLSv1.2"]
    }

    dynamic "custom_header" {
      for_each = local.origin_headers

      content {
        name  = custom_header.value
        value = var.origin_verify_header
      }
    }
  }

  # The only behaviour: a path with another one would be open.
  default_cache_behavior {
    target_origin_id = "api"
    # Not a redirect: a token that came over http has been seen by others already.
    viewer_protocol_policy = "https-only"
    allowed_methods        = ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"]
    cached_methods         = ["GET", "HEAD"]
    # CachingDisabled, which also keeps simultaneous requests of different callers apart.
    cache_policy_id = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    # AllViewerExceptHostHeader: the API sees the token, and API Gateway its own host name.
    origin_request_policy_id = "b689b0a8-53d0-40ab-baf2-68738e2966ac"

    lambda_function_association {
      event_type   = "viewer-request"
      lambda_arn   = aws_lambda_function.function.qualified_arn
      include_body = var.include_body
    }
  }

  dynamic "custom_error_response" {
    for_each = local.errors_kept_by_default

    content {
      error_code            = custom_error_response.value
      error_caching_min_ttl = 0
    }
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  # The function would otherwise make the log group itself, without a retention.
  depends_on = [aws_cloudwatch_log_group.log_group, aws_iam_role_policy.log_policy]
}
