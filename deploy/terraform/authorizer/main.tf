# The authorizer: what ../../cloudformation/authorizer.yaml makes, resource by resource.

data "aws_partition" "current" {}

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

locals {
  execute_api = join(":", [
    "arn",
    data.aws_partition.current.partition,
    "execute-api",
    data.aws_region.current.region,
    data.aws_caller_identity.current.account_id,
  ])

  # On every answer to a refused request, so that a browser can read it.
  cors = { "gatewayresponse.header.Access-Control-Allow-Origin" = "'${var.cors_allow_origin}'" }
}

resource "aws_cloudwatch_log_group" "log_group" {
  name              = "/portcullis/${var.function_name}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_iam_role" "role" {
  name        = var.function_name
  description = "Execution role of the Portcullis authorizer. It writes its log and, when asked to, reads its credential."
  tags        = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "logs" {
  name = "logs"
  role = aws_iam_role.role.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.log_group.arn}:*"
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
        Resource = var.secret_header_value_arn
      }],
      [for key in local.has_secret_key ? [var.secret_kms_key_arn] : [] : {
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = key
      }],
    )
  })
}

resource "aws_lambda_function" "function" {
  function_name     = var.function_name
  description       = "Portcullis authorizer, decides on each request to the API or asks who does."
  runtime           = "provided.al2023"
  handler           = "bootstrap"
  architectures     = [var.architecture]
  s3_bucket         = var.code_bucket
  s3_key            = var.code_key
  s3_object_version = var.code_version == "" ? null : var.code_version
  role              = aws_iam_role.role.arn
  memory_size       = var.memory_size
  timeout           = var.timeout_seconds
  layers            = var.secrets_extension_layer_arn == "" ? [] : [var.secrets_extension_layer_arn]
  tags              = var.tags

  logging_config {
    log_format            = "JSON"
    application_log_level = var.log_level
    system_log_level      = "WARN"
    log_group             = aws_cloudwatch_log_group.log_group.name
  }

  environment {
    variables = local.environment
  }

  depends_on = [aws_iam_role_policy.logs, aws_iam_role_policy.credential]
}

# REST API

resource "aws_api_gateway_authorizer" "rest_authorizer" {
  count = var.rest_api_id == "" ? 0 : 1

  name           = "portcullis"
  rest_api_id    = var.rest_api_id
  type           = var.rest_authorizer_type
  authorizer_uri = aws_lambda_function.function.invoke_arn
  # The decision of a remote decision point depends on more of the request than a cache key holds.
  authorizer_result_ttl_in_seconds = var.cache_ttl_seconds
  # Not null, for which the provider takes the Authorization header.
  identity_source = local.rest_header_required ? "method.request.header.Authorization" : ""
}

resource "aws_lambda_permission" "rest_permission" {
  count = var.rest_api_id == "" ? 0 : 1

  function_name = aws_lambda_function.function.function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${local.execute_api}:${var.rest_api_id}/authorizers/${aws_api_gateway_authorizer.rest_authorizer[0].id}"
}

# Gateway responses take effect with the next deployment of the API.
resource "aws_api_gateway_gateway_response" "unauthorized_response" {
  count = var.rest_api_id == "" ? 0 : 1

  rest_api_id   = var.rest_api_id
  response_type = "UNAUTHORIZED"
  status_code   = "401"

  response_parameters = merge(local.cors, {
    "gatewayresponse.header.Access-Control-Expose-Headers" = "'WWW-Authenticate'"
    "gatewayresponse.header.WWW-Authenticate"              = "'${var.unauthorized_challenge}'"
  })

  response_templates = { "application/json" = "{\"message\":$context.error.messageString}" }
}

resource "aws_api_gateway_gateway_response" "access_denied_response" {
  count = var.rest_api_id == "" ? 0 : 1

  rest_api_id   = var.rest_api_id
  response_type = "ACCESS_DENIED"
  status_code   = "403"

  response_parameters = merge(local.cors, {
    "gatewayresponse.header.Access-Control-Expose-Headers" = "'WWW-Authenticate'"
    "gatewayresponse.header.WWW-Authenticate"              = "context.authorizer.challenge"
  })

  response_templates = {
    "application/json" = "{\"message\":\"$context.authorizer.message\",\"reason\":\"$context.authorizer.reason\"}"
  }
}

resource "aws_api_gateway_gateway_response" "authorizer_failure_response" {
  count = var.rest_api_id == "" ? 0 : 1

  rest_api_id         = var.rest_api_id
  response_type       = "AUTHORIZER_FAILURE"
  status_code         = "500"
  response_parameters = local.cors
  response_templates  = { "application/json" = "{\"message\":\"The request could not be authorized\"}" }
}

resource "aws_api_gateway_gateway_response" "authorizer_configuration_error_response" {
  count = var.rest_api_id == "" ? 0 : 1

  rest_api_id         = var.rest_api_id
  response_type       = "AUTHORIZER_CONFIGURATION_ERROR"
  status_code         = "500"
  response_parameters = local.cors
  response_templates  = { "application/json" = "{\"message\":\"The request could not be authorized\"}" }
}

# HTTP API

resource "aws_apigatewayv2_authorizer" "http_authorizer" {
  count = var.http_api_id == "" ? 0 : 1

  name                              = "portcullis"
  api_id                            = var.http_api_id
  authorizer_type                   = "REQUEST"
  authorizer_uri                    = aws_lambda_function.function.invoke_arn
  authorizer_payload_format_version = var.http_payload_format
  enable_simple_responses           = local.http_payload_2 ? var.http_response == "simple" : null
  authorizer_result_ttl_in_seconds  = var.cache_ttl_seconds
  identity_sources                  = local.header_required ? ["$request.header.Authorization"] : null
}

resource "aws_lambda_permission" "http_permission" {
  count = var.http_api_id == "" ? 0 : 1

  function_name = aws_lambda_function.function.function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${local.execute_api}:${var.http_api_id}/authorizers/${aws_apigatewayv2_authorizer.http_authorizer[0].id}"
}

# WebSocket API

resource "aws_apigatewayv2_authorizer" "web_socket_authorizer" {
  count = var.web_socket_api_id == "" ? 0 : 1

  name             = "portcullis"
  api_id           = var.web_socket_api_id
  authorizer_type  = "REQUEST"
  authorizer_uri   = aws_lambda_function.function.invoke_arn
  identity_sources = local.header_required ? ["route.request.header.Authorization"] : null
}

resource "aws_lambda_permission" "web_socket_permission" {
  count = var.web_socket_api_id == "" ? 0 : 1

  function_name = aws_lambda_function.function.function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${local.execute_api}:${var.web_socket_api_id}/authorizers/${aws_apigatewayv2_authorizer.web_socket_authorizer[0].id}"
}

# Authorizers that are made elsewhere

resource "aws_lambda_permission" "invoke_permission" {
  count = var.invoke_source_arn == "" ? 0 : 1

  function_name = aws_lambda_function.function.function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = var.invoke_source_arn
}
