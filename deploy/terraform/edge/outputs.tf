output "distribution_domain_name" {
  description = "Host name of the distribution, which aliases point to. Null without one."
  value       = one(aws_cloudfront_distribution.distribution[*].domain_name)
}

output "distribution_id" {
  description = "The distribution. Null without one."
  value       = one(aws_cloudfront_distribution.distribution[*].id)
}

output "function_version_arn" {
  description = "The published version, to be named at the viewer request of a distribution that is made elsewhere."
  value       = aws_lambda_function.function.qualified_arn
}

output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.function.function_name
}

output "role_arn" {
  description = "Execution role of the function."
  value       = aws_iam_role.role.arn
}

output "log_group_name" {
  description = "Where the function writes its log, in the Region where it ran."
  value       = aws_cloudwatch_log_group.log_group.name
}
