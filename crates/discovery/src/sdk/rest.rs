//! Calls about REST APIs (API Gateway v1).

use std::collections::BTreeMap;

use aws_sdk_apigateway::types::{self, AuthorizerType, Op, PatchOperation};

use super::{SdkApis, api_arn};
use crate::account::{
    Authorization, AuthorizationKind, Authorizer, AuthorizerKind, Deployed, Protocol, Route,
    RouteRef, Stage,
};
use crate::apis::{Answer, ApiHead, AwsError, Page};
use crate::arn::FunctionArn;
use crate::target::{AuthorizerSpec, RestAuthorizerType};

/// Most entries of a page (API Gateway REST API reference, `GetRestApis`).
const PAGE: i32 = 500;
/// The TTL of an authorizer that does not say (API Gateway REST API reference, `CreateAuthorizer`).
const DEFAULT_TTL: i32 = 300;

pub(super) async fn apis(apis: &SdkApis, page: Option<&str>) -> Answer<Page<ApiHead>> {
    let request = apis
        .rest
        .get_rest_apis()
        .limit(PAGE)
        .set_position(page.map(str::to_owned));
    let answer = apis.gateway("GetRestApis", request.send()).await?;
    let heads = answer.items.unwrap_or_default().into_iter();
    let heads = heads.map(|api| {
        let id = api.id.ok_or(AwsError::Incomplete {
            call: "GetRestApis",
            missing: "id",
        })?;
        Ok(ApiHead {
            id,
            name: api.name.unwrap_or_default(),
            protocol: Protocol::Rest,
            tags: api.tags.unwrap_or_default().into_iter().collect(),
            endpoint_disabled: api.disable_execute_api_endpoint,
        })
    });
    Ok(Page {
        items: heads.collect::<Answer<_>>()?,
        next: answer.position,
    })
}

pub(super) async fn routes(apis: &SdkApis, api: &str, page: Option<&str>) -> Answer<Page<Route>> {
    apis.paces.resources.turn().await;
    let request = apis
        .rest
        .get_resources()
        .rest_api_id(api)
        .embed("methods")
        .limit(PAGE)
        .set_position(page.map(str::to_owned));
    let answer = apis.gateway("GetResources", request.send()).await?;
    let mut routes = Vec::new();
    for resource in answer.items.unwrap_or_default() {
        let path = resource.path.unwrap_or_default();
        let id = resource.id.ok_or(AwsError::Incomplete {
            call: "GetResources",
            missing: "id",
        })?;
        for (verb, method) in resource.resource_methods.unwrap_or_default() {
            let kind = method.authorization_type.as_deref().unwrap_or("NONE");
            let scopes = method.authorization_scopes.as_deref().unwrap_or_default();
            routes.push(Route {
                reference: RouteRef::Method {
                    resource: id.clone(),
                    method: verb.clone(),
                },
                method: verb,
                path: path.clone(),
                authorization: Authorization::new(kind, method.authorizer_id.as_deref(), scopes),
                api_key_required: method.api_key_required.unwrap_or_default(),
            });
        }
    }
    Ok(Page {
        items: routes,
        next: answer.position,
    })
}

pub(super) async fn authorizers(
    apis: &SdkApis,
    api: &str,
    page: Option<&str>,
) -> Answer<Page<Authorizer>> {
    let request = apis
        .rest
        .get_authorizers()
        .rest_api_id(api)
        .limit(PAGE)
        .set_position(page.map(str::to_owned));
    let answer = apis.gateway("GetAuthorizers", request.send()).await?;
    let items = answer.items.unwrap_or_default().into_iter();
    Ok(Page {
        items: items.map(authorizer).collect::<Answer<_>>()?,
        next: answer.position,
    })
}

fn authorizer(authorizer: types::Authorizer) -> Answer<Authorizer> {
    let kind = match &authorizer.r#type {
        Some(AuthorizerType::Token) => AuthorizerKind::Token,
        Some(AuthorizerType::Request) => AuthorizerKind::Request,
        Some(AuthorizerType::CognitoUserPools) => AuthorizerKind::Cognito,
        _ => AuthorizerKind::Other,
    };
    let sources = authorizer.identity_source.unwrap_or_default();
    let sources = sources
        .split(',')
        .map(str::trim)
        .filter(|one| !one.is_empty());
    let ttl = authorizer.authorizer_result_ttl_in_seconds;
    Ok(Authorizer {
        id: authorizer.id.ok_or(AwsError::Incomplete {
            call: "GetAuthorizers",
            missing: "id",
        })?,
        name: authorizer.name.unwrap_or_default(),
        kind,
        function: authorizer
            .authorizer_uri
            .as_deref()
            .and_then(FunctionArn::of_uri),
        identity_sources: sources.map(str::to_owned).collect(),
        ttl: u32::try_from(ttl.unwrap_or(DEFAULT_TTL)).unwrap_or_default(),
        payload_format: None,
        simple_responses: false,
        has_role: authorizer
            .authorizer_credentials
            .is_some_and(|role| !role.is_empty()),
    })
}

pub(super) async fn stages(apis: &SdkApis, api: &str) -> Answer<Page<(Stage, Option<String>)>> {
    let request = apis.rest.get_stages().rest_api_id(api);
    let answer = apis.gateway("GetStages", request.send()).await?;
    let items = answer.item.unwrap_or_default().into_iter();
    let items = items.map(|stage| {
        let name = stage.stage_name.ok_or(AwsError::Incomplete {
            call: "GetStages",
            missing: "stageName",
        })?;
        let read = Stage {
            name,
            auto_deploy: false,
            deployed: Deployed::Unknown,
        };
        Ok((read, stage.deployment_id.filter(|id| !id.is_empty())))
    });
    Ok(Page {
        items: items.collect::<Answer<_>>()?,
        next: None,
    })
}

pub(super) async fn deployed(apis: &SdkApis, api: &str, deployment: &str) -> Answer<Deployed> {
    let request = apis
        .rest
        .get_deployment()
        .rest_api_id(api)
        .deployment_id(deployment)
        .embed("apisummary");
    let answer = match apis.gateway("GetDeployment", request.send()).await {
        Err(AwsError::NotFound { .. }) => return Ok(Deployed::Unknown),
        answer => answer?,
    };
    let Some(summary) = answer.api_summary else {
        return Ok(Deployed::Unknown);
    };
    let mut routes = BTreeMap::new();
    for (path, methods) in summary {
        for (verb, method) in methods {
            let kind = method.authorization_type.as_deref();
            routes.insert(format!("{verb} {path}"), kind.map(AuthorizationKind::named));
        }
    }
    Ok(Deployed::Routes(routes))
}

pub(super) async fn create_authorizer(
    apis: &SdkApis,
    api: &str,
    spec: &AuthorizerSpec,
    function: &FunctionArn,
) -> Answer<String> {
    let kind = match spec.rest_type {
        RestAuthorizerType::Request => AuthorizerType::Request,
        RestAuthorizerType::Token => AuthorizerType::Token,
    };
    let sources = spec.identity_sources(Protocol::Rest);
    let request = apis
        .rest
        .create_authorizer()
        .rest_api_id(api)
        .name(&spec.name)
        .r#type(kind)
        .authorizer_uri(function.uri())
        .authorizer_result_ttl_in_seconds(i32::try_from(spec.ttl).unwrap_or_default())
        .set_identity_source((!sources.is_empty()).then(|| sources.join(",")));
    let answer = apis.gateway("CreateAuthorizer", request.send()).await?;
    answer.id.ok_or(AwsError::Incomplete {
        call: "CreateAuthorizer",
        missing: "id",
    })
}

pub(super) async fn delete_authorizer(apis: &SdkApis, api: &str, id: &str) -> Answer<()> {
    let request = apis
        .rest
        .delete_authorizer()
        .rest_api_id(api)
        .authorizer_id(id);
    let answer = apis.gateway("DeleteAuthorizer", request.send()).await;
    answer.map(drop)
}

pub(super) async fn authorize(
    apis: &SdkApis,
    api: &str,
    (resource, verb): (&str, &str),
    from: &Authorization,
    to: &Authorization,
) -> Answer<()> {
    let change = |op: Op, path: &str, value: &str| {
        PatchOperation::builder()
            .op(op)
            .path(path)
            .value(value)
            .build()
    };
    let scope = |op: Op, scope: &String| change(op, "/authorizationScopes", scope);
    let mut changes: Vec<_> = from
        .scopes
        .iter()
        .map(|one| scope(Op::Remove, one))
        .collect();
    changes.push(change(Op::Replace, "/authorizationType", to.kind.as_str()));
    // An empty id takes it away.
    let authorizer = to.authorizer.as_deref().unwrap_or_default();
    changes.push(change(Op::Replace, "/authorizerId", authorizer));
    changes.extend(to.scopes.iter().map(|one| scope(Op::Add, one)));
    let request = apis
        .rest
        .update_method()
        .rest_api_id(api)
        .resource_id(resource)
        .http_method(verb)
        .set_patch_operations(Some(changes));
    apis.gateway("UpdateMethod", request.send()).await.map(drop)
}

pub(super) async fn deploy(
    apis: &SdkApis,
    api: &str,
    stage: &str,
    description: &str,
) -> Answer<()> {
    let request = apis
        .rest
        .create_deployment()
        .rest_api_id(api)
        .stage_name(stage)
        .description(description);
    let answer = apis.gateway("CreateDeployment", request.send()).await;
    answer.map(drop)
}

pub(super) async fn tag(apis: &SdkApis, api: &str, key: &str, value: &str) -> Answer<()> {
    let arn = api_arn(&apis.region, "restapis", api);
    let request = apis.rest.tag_resource().resource_arn(arn).tags(key, value);
    apis.gateway("TagResource", request.send()).await.map(drop)
}

pub(super) async fn untag(apis: &SdkApis, api: &str, key: &str) -> Answer<()> {
    let arn = api_arn(&apis.region, "restapis", api);
    let request = apis.rest.untag_resource().resource_arn(arn).tag_keys(key);
    apis.gateway("UntagResource", request.send())
        .await
        .map(drop)
}
