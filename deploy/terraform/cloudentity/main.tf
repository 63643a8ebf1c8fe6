# The authorizer in Cloudentity mode: what ../../cloudformation/cloudentity.yaml makes, resource by resource.

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  apis = "arn:${data.aws_partition.current.partition}:apigateway:${data.aws_region.current.region}::"
}

resource "aws_cloudwatch_log_group" "log_group" {
  name              = "/portcullis/${var.function_name}"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_iam_role" "lambda_execution_role" {
  name        = var.function_name
  description = "Execution role of the Portcullis authorizer. It writes its log and, when asked to, reads which APIs there are."
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

resource "aws_iam_role_policy" "lambda_policy" {
  name = "logs"
  role = aws_iam_role.lambda_execution_role.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.log_group.arn}:*"
    }]
  })
}

resource "aws_lambda_function" "lambda_function" {
  function_name     = var.function_name
  description       = "Portcullis authorizer, decides on each request with the configuration of a Cloudentity control plane."
  runtime           = "provided.al2023"
  handler           = "bootstrap"
  architectures     = [var.architecture]
  s3_bucket         = var.code_bucket
  s3_key            = var.code_key
  s3_object_version = var.code_version == "" ? null : var.code_version
  role              = aws_iam_role.lambda_execution_role.arn
  memory_size       = var.memory_size
  timeout           = var.timeout_seconds
  tags              = var.tags

  logging_config {
    log_format = "JSON"
    # The function reads its level from here, so LOGGING_LEVEL would have no effect.
    application_log_level = upper(var.logging_level)
    system_log_level      = "WARN"
    log_group             = aws_cloudwatch_log_group.log_group.name
  }

  environment {
    variables = local.environment
  }

  depends_on = [aws_iam_role_policy.lambda_policy]
}

resource "aws_cloudwatch_event_rule" "lambda_trigger" {
  name                = "${var.function_name}-poll"
  description         = "Has the Portcullis authorizer poll its control plane."
  schedule_expression = "rate(1 minute)"
  state               = var.poll_on_schedule ? "ENABLED" : "DISABLED"
  tags                = var.tags
}

resource "aws_cloudwatch_event_target" "lambda_trigger" {
  rule      = aws_cloudwatch_event_rule.lambda_trigger.name
  target_id = "authorizer"
  arn       = aws_lambda_function.lambda_function.arn

  # The next minute brings the next one.
  retry_policy {
    maximum_retry_attempts       = 0
    maximum_event_age_in_seconds = 60
  }
}

resource "aws_lambda_permission" "lambda_permission" {
  function_name = aws_lambda_function.lambda_function.function_name
  action        = "lambda:InvokeFunction"
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.lambda_trigger.arn
}

# It reads what there is. Nothing lets the function change an API.
resource "aws_iam_role_policy" "api_gw_policy" {
  count = var.discover_apis ? 1 : 0

  name = "discovery"
  role = aws_iam_role.lambda_execution_role.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect = "Allow"
      Action = ["apigateway:GET"]
      Resource = [
        "${local.apis}/restapis",
        "${local.apis}/restapis/*/stages",
        "${local.apis}/restapis/*/deployments/*",
        "${local.apis}/apis",
        "${local.apis}/apis/*/stages",
        "${local.apis}/apis/*/routes",
      ]
    }]
  })
}
