//! Calls about HTTP and WebSocket APIs (API Gateway v2).

use aws_sdk_apigatewayv2::types::{self, AuthorizationType, AuthorizerType, ProtocolType};

use super::{SdkApis, api_arn};
use crate::account::{
    Authorization, AuthorizationKind, Authorizer, AuthorizerKind, Deployed, Protocol, Route,
    RouteRef, Stage,
};
use crate::apis::{Answer, ApiHead, AwsError, Page};
use crate::arn::FunctionArn;
use crate::target::AuthorizerSpec;

/// Entries of a page.
const PAGE: &str = "500";

pub(super) async fn apis(apis: &SdkApis, page: Option<&str>) -> Answer<Page<ApiHead>> {
    let request = apis
        .v2
        .get_apis()
        .max_results(PAGE)
        .set_next_token(page.map(str::to_owned));
    let answer = apis.gateway("GetApis", request.send()).await?;
    let heads = answer.items.unwrap_or_default().into_iter();
    let heads = heads.map(|api| {
        let id = api.api_id.ok_or(AwsError::Incomplete {
            call: "GetApis",
            missing: "apiId",
        })?;
        let protocol = match api.protocol_type {
            Some(ProtocolType::Websocket) => Protocol::WebSocket,
            _ => Protocol::Http,
        };
        Ok(ApiHead {
            id,
            name: api.name.unwrap_or_default(),
            protocol,
            tags: api.tags.unwrap_or_default().into_iter().collect(),
            endpoint_disabled: api.disable_execute_api_endpoint.unwrap_or_default(),
        })
    });
    Ok(Page {
        items: heads.collect::<Answer<_>>()?,
        next: answer.next_token,
    })
}

pub(super) async fn routes(apis: &SdkApis, api: &str, page: Option<&str>) -> Answer<Page<Route>> {
    let request = apis
        .v2
        .get_routes()
        .api_id(api)
        .max_results(PAGE)
        .set_next_token(page.map(str::to_owned));
    let answer = apis.gateway("GetRoutes", request.send()).await?;
    let routes = answer.items.unwrap_or_default().into_iter().map(|route| {
        let id = route.route_id.ok_or(AwsError::Incomplete {
            call: "GetRoutes",
            missing: "routeId",
        })?;
        let key = route.route_key.unwrap_or_default();
        let (method, path) = key.split_once(' ').unwrap_or(("", &key));
        let kind = route.authorization_type.as_ref();
        let kind = kind.map_or("NONE", AuthorizationType::as_str);
        let scopes = route.authorization_scopes.as_deref().unwrap_or_default();
        Ok(Route {
            reference: RouteRef::Route { id },
            method: method.to_owned(),
            path: path.to_owned(),
            authorization: Authorization::new(kind, route.authorizer_id.as_deref(), scopes),
            api_key_required: route.api_key_required.unwrap_or_default(),
        })
    });
    Ok(Page {
        items: routes.collect::<Answer<_>>()?,
        next: answer.next_token,
    })
}

pub(super) async fn authorizers(
    apis: &SdkApis,
    api: &str,
    page: Option<&str>,
) -> Answer<Page<Authorizer>> {
    let request = apis
        .v2
        .get_authorizers()
        .api_id(api)
        .max_results(PAGE)
        .set_next_token(page.map(str::to_owned));
    let answer = apis.gateway("GetAuthorizers", request.send()).await?;
    let items = answer.items.unwrap_or_default().into_iter();
    Ok(Page {
        items: items.map(authorizer).collect::<Answer<_>>()?,
        next: answer.next_token,
    })
}

fn authorizer(authorizer: types::Authorizer) -> Answer<Authorizer> {
    let kind = match &authorizer.authorizer_type {
        Some(AuthorizerType::Request) => AuthorizerKind::Request,
        Some(AuthorizerType::Jwt) => AuthorizerKind::Jwt,
        _ => AuthorizerKind::Other,
    };
    let ttl = authorizer.authorizer_result_ttl_in_seconds.unwrap_or(0);
    Ok(Authorizer {
        id: authorizer.authorizer_id.ok_or(AwsError::Incomplete {
            call: "GetAuthorizers",
            missing: "authorizerId",
        })?,
        name: authorizer.name.unwrap_or_default(),
        kind,
        function: authorizer
            .authorizer_uri
            .as_deref()
            .and_then(FunctionArn::of_uri),
        identity_sources: authorizer.identity_source.unwrap_or_default(),
        ttl: u32::try_from(ttl).unwrap_or_default(),
        payload_format: authorizer.authorizer_payload_format_version,
        simple_responses: authorizer.enable_simple_responses.unwrap_or_default(),
        has_role: authorizer
            .authorizer_credentials_arn
            .is_some_and(|role| !role.is_empty()),
    })
}

pub(super) async fn stages(
    apis: &SdkApis,
    api: &str,
    page: Option<&str>,
) -> Answer<Page<(Stage, Option<String>)>> {
    let request = apis
        .v2
        .get_stages()
        .api_id(api)
        .max_results(PAGE)
        .set_next_token(page.map(str::to_owned));
    let answer = apis.gateway("GetStages", request.send()).await?;
    let items = answer.items.unwrap_or_default().into_iter().map(|stage| {
        let name = stage.stage_name.ok_or(AwsError::Incomplete {
            call: "GetStages",
            missing: "stageName",
        })?;
        let read = Stage {
            name,
            auto_deploy: stage.auto_deploy.unwrap_or_default(),
            deployed: Deployed::Unknown,
        };
        Ok((read, stage.deployment_id.filter(|id| !id.is_empty())))
    });
    Ok(Page {
        items: items.collect::<Answer<_>>()?,
        next: answer.next_token,
    })
}

pub(super) async fn create_authorizer(
    apis: &SdkApis,
    protocol: Protocol,
    api: &str,
    spec: &AuthorizerSpec,
    function: &FunctionArn,
) -> Answer<String> {
    let sources = spec.identity_sources(protocol);
    let mut request = apis
        .v2
        .create_authorizer()
        .api_id(api)
        .name(&spec.name)
        .authorizer_type(AuthorizerType::Request)
        .authorizer_uri(function.uri())
        .set_identity_source((!sources.is_empty()).then_some(sources));
    if protocol == Protocol::Http {
        let simple = (spec.http_payload == "2.0").then_some(spec.simple_responses);
        request = request
            .authorizer_payload_format_version(spec.http_payload)
            .authorizer_result_ttl_in_seconds(i32::try_from(spec.ttl).unwrap_or_default())
            .set_enable_simple_responses(simple);
    }
    let answer = apis.gateway("CreateAuthorizer", request.send()).await?;
    answer.authorizer_id.ok_or(AwsError::Incomplete {
        call: "CreateAuthorizer",
        missing: "authorizerId",
    })
}

pub(super) async fn delete_authorizer(apis: &SdkApis, api: &str, id: &str) -> Answer<()> {
    let request = apis.v2.delete_authorizer().api_id(api).authorizer_id(id);
    let answer = apis.gateway("DeleteAuthorizer", request.send()).await;
    answer.map(drop)
}

pub(super) async fn authorize(
    apis: &SdkApis,
    api: &str,
    route: &str,
    from: &Authorization,
    to: &Authorization,
) -> Answer<()> {
    let kind = match to.kind {
        AuthorizationKind::None => AuthorizationType::None,
        AuthorizationKind::AwsIam => AuthorizationType::AwsIam,
        AuthorizationKind::Custom => AuthorizationType::Custom,
        AuthorizationKind::Jwt => AuthorizationType::Jwt,
        kind @ (AuthorizationKind::Cognito | AuthorizationKind::Other) => {
            return Err(AwsError::Refused {
                call: "UpdateRoute",
                code: "unknown".to_owned(),
                message: format!("a route cannot be authorized by {kind}"),
            });
        }
    };
    let scopes = (to.scopes != from.scopes).then(|| to.scopes.clone());
    let request = apis
        .v2
        .update_route()
        .api_id(api)
        .route_id(route)
        .authorization_type(kind)
        .set_authorizer_id(to.authorizer.clone())
        .set_authorization_scopes(scopes);
    apis.gateway("UpdateRoute", request.send()).await.map(drop)
}

pub(super) async fn deploy(
    apis: &SdkApis,
    api: &str,
    stage: &str,
    description: &str,
) -> Answer<()> {
    let request = apis
        .v2
        .create_deployment()
        .api_id(api)
        .stage_name(stage)
        .description(description);
    let answer = apis.gateway("CreateDeployment", request.send()).await;
    answer.map(drop)
}

pub(super) async fn tag(apis: &SdkApis, api: &str, key: &str, value: &str) -> Answer<()> {
    let arn = api_arn(&apis.region, "apis", api);
    let request = apis.v2.tag_resource().resource_arn(arn).tags(key, value);
    apis.gateway("TagResource", request.send()).await.map(drop)
}

pub(super) async fn untag(apis: &SdkApis, api: &str, key: &str) -> Answer<()> {
    let arn = api_arn(&apis.region, "apis", api);
    let request = apis.v2.untag_resource().resource_arn(arn).tag_keys(key);
    apis.gateway("UntagResource", request.send())
        .await
        .map(drop)
}
