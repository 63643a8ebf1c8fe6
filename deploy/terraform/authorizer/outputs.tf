output "function_arn" {
  description = "The authorizer function."
  value       = aws_lambda_function.function.arn
}

output "function_name" {
  description = "Name of the authorizer function."
  value       = aws_lambda_function.function.function_name
}

output "authorizer_uri" {
  description = "What an authorizer that is made elsewhere names as its URI."
  value       = aws_lambda_function.function.invoke_arn
}

output "role_arn" {
  description = "Execution role of the function."
  value       = aws_iam_role.role.arn
}

output "log_group_name" {
  description = "Where the function writes its log."
  value       = aws_cloudwatch_log_group.log_group.name
}

output "rest_authorizer_id" {
  description = "Authorizer to name in the methods of the REST API. Null without one."
  value       = one(aws_api_gateway_authorizer.rest_authorizer[*].id)
}

output "http_authorizer_id" {
  description = "Authorizer to name in the routes of the HTTP API. Null without one."
  value       = one(aws_apigatewayv2_authorizer.http_authorizer[*].id)
}

output "web_socket_authorizer_id" {
  description = "Authorizer to name in the $connect route of the WebSocket API. Null without one."
  value       = one(aws_apigatewayv2_authorizer.web_socket_authorizer[*].id)
}
