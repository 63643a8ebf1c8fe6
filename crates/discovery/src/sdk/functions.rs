//! Calls about Lambda functions.

use aws_sdk_lambda::types::EnvironmentResponse;

use super::{SdkApis, turn};
use crate::apis::{Answer, AwsError};
use crate::arn::FunctionArn;
use crate::permission::{FunctionView, InvokePermission};

pub(super) async fn view(apis: &SdkApis, function: &FunctionArn) -> Answer<Option<FunctionView>> {
    let pace = &apis.paces.lambda;
    let request = apis
        .lambda
        .get_function_configuration()
        .function_name(function.unqualified())
        .set_qualifier(function.qualifier().map(str::to_owned));
    let settings = match turn(pace, "GetFunctionConfiguration", request.send()).await {
        Err(AwsError::NotFound { .. }) => return Ok(None),
        answer => answer?.environment,
    };
    let request = apis
        .lambda
        .get_policy()
        .function_name(function.unqualified())
        .set_qualifier(function.qualifier().map(str::to_owned));
    let policy = match turn(pace, "GetPolicy", request.send()).await {
        // A function without any permission has no policy.
        Err(AwsError::NotFound { .. }) => None,
        answer => answer?.policy,
    };
    let mut view = of_settings(settings.as_ref());
    view.permissions = InvokePermission::read(policy.as_deref().unwrap_or_default());
    Ok(Some(view))
}

/// What has to agree with an authorizer. The environment also holds secrets: nothing else of it is looked at.
fn of_settings(environment: Option<&EnvironmentResponse>) -> FunctionView {
    let variables = environment.and_then(EnvironmentResponse::variables);
    FunctionView::of_variables(|name| variables?.get(name).map(String::as_str))
}

pub(super) async fn add_permission(
    apis: &SdkApis,
    function: &FunctionArn,
    statement: &str,
    source_arn: &str,
) -> Answer<()> {
    let request = apis
        .lambda
        .add_permission()
        .function_name(function.unqualified())
        .set_qualifier(function.qualifier().map(str::to_owned))
        .statement_id(statement)
        .action("lambda:InvokeFunction")
        .principal("apigateway.amazonaws.com")
        .source_arn(source_arn);
    turn(&apis.paces.lambda, "AddPermission", request.send())
        .await
        .map(drop)
}

pub(super) async fn remove_permission(
    apis: &SdkApis,
    function: &FunctionArn,
    statement: &str,
) -> Answer<()> {
    let request = apis
        .lambda
        .remove_permission()
        .function_name(function.unqualified())
        .set_qualifier(function.qualifier().map(str::to_owned))
        .statement_id(statement);
    turn(&apis.paces.lambda, "RemovePermission", request.send())
        .await
        .map(drop)
}
