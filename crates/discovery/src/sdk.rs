//! The calls to AWS, made with the AWS SDK for Rust. Credentials, region and endpoint come from where the AWS CLI takes
//! them: the environment (`AWS_PROFILE`, `AWS_ENDPOINT_URL`, ...), the shared files, SSO, a container or instance.

mod connector;
mod errors;
mod functions;
mod rest;
mod v2;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::account::{Authorization, Authorizer, Deployed, Protocol, Route, RouteRef, Stage};
use crate::apis::{Answer, ApiHead, AwsApis, AwsError, Identity, Page};
use crate::arn::FunctionArn;
use crate::pace::{Pace, Paces};
use crate::permission::FunctionView;
use crate::target::AuthorizerSpec;

/// How often a call is made at most, with growing pauses between (a second at first, twenty at most).
const MAX_ATTEMPTS: u32 = 8;
/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// Where to connect to, beside what the environment says.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    /// The region.
    pub region: Option<String>,
    /// The profile of the shared files.
    pub profile: Option<String>,
}

/// AWS.
#[derive(Debug)]
pub struct SdkApis {
    rest: aws_sdk_apigateway::Client,
    v2: aws_sdk_apigatewayv2::Client,
    lambda: aws_sdk_lambda::Client,
    sts: aws_sdk_sts::Client,
    region: String,
    paces: Paces,
}

/// No way to AWS.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nothing says which region.
    #[error("no region: give --region, set AWS_REGION, or name one in the profile")]
    NoRegion,
    /// TLS cannot be had.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

impl SdkApis {
    /// Reads the configuration. No call is made yet.
    pub async fn connect(connection: Connection) -> Result<Self, ConnectError> {
        let client = connector::client().map_err(|error| ConnectError::Tls(error.to_string()))?;
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client)
            .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .build(),
            );
        if let Some(region) = connection.region {
            loader = loader.region(Region::new(region));
        }
        if let Some(profile) = connection.profile {
            loader = loader.profile_name(profile);
        }
        let config = loader.load().await;
        let region = config.region().ok_or(ConnectError::NoRegion)?.to_string();
        Ok(Self {
            rest: aws_sdk_apigateway::Client::new(&config),
            v2: aws_sdk_apigatewayv2::Client::new(&config),
            lambda: aws_sdk_lambda::Client::new(&config),
            sts: aws_sdk_sts::Client::new(&config),
            region,
            paces: Paces::default(),
        })
    }

    /// Makes a call to API Gateway in its turn.
    fn gateway<'a, T, E>(
        &'a self,
        call: &'static str,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send + 'a,
    ) -> Call<'a, T>
    where
        SdkError<E, HttpResponse>: std::error::Error + 'static,
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        turn(&self.paces.gateway, call, request)
    }
}

/// A call on its way. On the heap, as the futures of the SDK are large.
type Call<'a, T> = Pin<Box<dyn Future<Output = Answer<T>> + Send + 'a>>;

/// Makes a call when it is its turn.
fn turn<'a, T, E>(
    pace: &'a Pace,
    call: &'static str,
    request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send + 'a,
) -> Call<'a, T>
where
    SdkError<E, HttpResponse>: std::error::Error + 'static,
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    Box::pin(async move {
        pace.turn().await;
        request.await.map_err(|error| errors::of(call, &error))
    })
}

impl AwsApis for SdkApis {
    async fn identity(&self) -> Answer<Identity> {
        const CALL: &str = "GetCallerIdentity";
        let answer = self.sts.get_caller_identity().send().await;
        let answer = answer.map_err(|error| errors::of(CALL, &error))?;
        let incomplete = |missing| AwsError::Incomplete {
            call: CALL,
            missing,
        };
        let account = answer.account.ok_or_else(|| incomplete("account"))?;
        let arn = answer.arn.unwrap_or_default();
        let partition = arn.split(':').nth(1).filter(|part| !part.is_empty());
        Ok(Identity {
            account,
            region: self.region.clone(),
            partition: partition.unwrap_or("aws").to_owned(),
        })
    }

    async fn rest_apis(&self, page: Option<&str>) -> Answer<Page<ApiHead>> {
        rest::apis(self, page).await
    }

    async fn v2_apis(&self, page: Option<&str>) -> Answer<Page<ApiHead>> {
        v2::apis(self, page).await
    }

    async fn routes(&self, api: &ApiHead, page: Option<&str>) -> Answer<Page<Route>> {
        match api.protocol {
            Protocol::Rest => rest::routes(self, &api.id, page).await,
            Protocol::Http | Protocol::WebSocket => v2::routes(self, &api.id, page).await,
        }
    }

    async fn authorizers(&self, api: &ApiHead, page: Option<&str>) -> Answer<Page<Authorizer>> {
        match api.protocol {
            Protocol::Rest => rest::authorizers(self, &api.id, page).await,
            Protocol::Http | Protocol::WebSocket => v2::authorizers(self, &api.id, page).await,
        }
    }

    async fn stages(
        &self,
        api: &ApiHead,
        page: Option<&str>,
    ) -> Answer<Page<(Stage, Option<String>)>> {
        match api.protocol {
            Protocol::Rest => rest::stages(self, &api.id).await,
            Protocol::Http | Protocol::WebSocket => v2::stages(self, &api.id, page).await,
        }
    }

    async fn deployed(&self, api: &ApiHead, deployment: &str) -> Answer<Deployed> {
        match api.protocol {
            Protocol::Rest => rest::deployed(self, &api.id, deployment).await,
            Protocol::Http | Protocol::WebSocket => Ok(Deployed::Unknown),
        }
    }

    async fn function(&self, function: &FunctionArn) -> Answer<Option<FunctionView>> {
        functions::view(self, function).await
    }

    async fn create_authorizer(
        &self,
        protocol: Protocol,
        api: &str,
        spec: &AuthorizerSpec,
        function: &FunctionArn,
    ) -> Answer<String> {
        match protocol {
            Protocol::Rest => rest::create_authorizer(self, api, spec, function).await,
            Protocol::Http | Protocol::WebSocket => {
                v2::create_authorizer(self, protocol, api, spec, function).await
            }
        }
    }

    async fn delete_authorizer(
        &self,
        protocol: Protocol,
        api: &str,
        authorizer: &str,
    ) -> Answer<()> {
        gone_is_fine(match protocol {
            Protocol::Rest => rest::delete_authorizer(self, api, authorizer).await,
            Protocol::Http | Protocol::WebSocket => {
                v2::delete_authorizer(self, api, authorizer).await
            }
        })
    }

    async fn authorize(
        &self,
        api: &str,
        route: &RouteRef,
        from: &Authorization,
        to: &Authorization,
    ) -> Answer<()> {
        match route {
            RouteRef::Method { resource, method } => {
                rest::authorize(self, api, (resource, method), from, to).await
            }
            RouteRef::Route { id } => v2::authorize(self, api, id, from, to).await,
        }
    }

    async fn add_permission(
        &self,
        function: &FunctionArn,
        statement: &str,
        source_arn: &str,
    ) -> Answer<()> {
        functions::add_permission(self, function, statement, source_arn).await
    }

    async fn remove_permission(&self, function: &FunctionArn, statement: &str) -> Answer<()> {
        gone_is_fine(functions::remove_permission(self, function, statement).await)
    }

    async fn deploy(
        &self,
        protocol: Protocol,
        api: &str,
        stage: &str,
        description: &str,
    ) -> Answer<()> {
        self.paces.deployments.turn().await;
        match protocol {
            Protocol::Rest => rest::deploy(self, api, stage, description).await,
            Protocol::Http | Protocol::WebSocket => v2::deploy(self, api, stage, description).await,
        }
    }

    async fn tag(&self, protocol: Protocol, api: &str, key: &str, value: &str) -> Answer<()> {
        match protocol {
            Protocol::Rest => rest::tag(self, api, key, value).await,
            Protocol::Http | Protocol::WebSocket => v2::tag(self, api, key, value).await,
        }
    }

    async fn untag(&self, protocol: Protocol, api: &str, key: &str) -> Answer<()> {
        gone_is_fine(match protocol {
            Protocol::Rest => rest::untag(self, api, key).await,
            Protocol::Http | Protocol::WebSocket => v2::untag(self, api, key).await,
        })
    }
}

/// What is to be removed and is not there is removed.
fn gone_is_fine(answer: Answer<()>) -> Answer<()> {
    match answer {
        Err(AwsError::NotFound { .. }) => Ok(()),
        other => other,
    }
}

/// The ARN that tags of an API belong to (API Gateway developer guide, "Tagging your API Gateway resources").
fn api_arn(region: &str, kind: &str, api: &str) -> String {
    // Tags are set by the caller's own partition, which the region tells.
    let partition = match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    format!("arn:{partition}:apigateway:{region}::/{kind}/{api}")
}
