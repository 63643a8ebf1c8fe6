output "function_arn" {
  description = "The authorizer function."
  value       = aws_lambda_function.lambda_function.arn
}

output "function_name" {
  description = "Name of the authorizer function, for portcullis aws bind."
  value       = aws_lambda_function.lambda_function.function_name
}

output "authorizer_uri" {
  description = "What an authorizer that is made elsewhere names as its URI."
  value       = aws_lambda_function.lambda_function.invoke_arn
}

output "role_arn" {
  description = "Execution role of the function."
  value       = aws_iam_role.lambda_execution_role.arn
}

output "log_group_name" {
  description = "Where the function writes its log."
  value       = aws_cloudwatch_log_group.log_group.name
}
