//! The calls to AWS that the rest needs, as a trait: the SDK makes them in the CLI, a small client may in a
//! function, and tests have an AWS of their own.

use std::collections::BTreeMap;
use std::future::Future;

use crate::account::{Authorization, Authorizer, Deployed, Protocol, Route, RouteRef, Stage};
use crate::arn::FunctionArn;
use crate::permission::FunctionView;
use crate::target::AuthorizerSpec;

/// Who asks, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Twelve digits.
    pub account: String,
    /// Such as `eu-central-1`.
    pub region: String,
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
}

/// What the list of APIs says of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiHead {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Where its own endpoint is switched off.
    pub endpoint_disabled: bool,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is in it.
    pub items: Vec<T>,
    /// What to ask for the next part with; `None` at the end.
    pub next: Option<String>,
}

/// A call that did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// The caller may not.
    #[error(
        "{call}: AWS refuses it to you ({message}). docs/aws-binding.md lists the actions that each command needs"
    )]
    Denied {
        /// The name of the call, such as `GetResources`.
        call: &'static str,
        /// What AWS says.
        message: String,
    },
    /// There is no such thing.
    #[error("{call}: there is no such thing ({message})")]
    NotFound {
        /// The name of the call.
        call: &'static str,
        /// What AWS says.
        message: String,
    },
    /// It is there already, or somebody else is changing it.
    #[error("{call}: it is there already, or is being changed ({message})")]
    Conflict {
        /// The name of the call.
        call: &'static str,
        /// What AWS says.
        message: String,
    },
    /// Too many calls, still after all the retries.
    #[error(
        "{call}: AWS limits it, also after every retry ({message}). What is done is recorded: run the command again \
         in a minute"
    )]
    Throttled {
        /// The name of the call.
        call: &'static str,
        /// What AWS says.
        message: String,
    },
    /// No credentials, no connection, no answer in time.
    #[error("{call}: AWS could not be asked: {message}")]
    Unreachable {
        /// The name of the call.
        call: &'static str,
        /// What went wrong, without anything secret.
        message: String,
    },
    /// Anything else that AWS says.
    #[error("{call}: {code}: {message}")]
    Refused {
        /// The name of the call.
        call: &'static str,
        /// The error code of AWS.
        code: String,
        /// What AWS says.
        message: String,
    },
    /// An answer without something that it has to have.
    #[error("{call}: the answer has no {missing}")]
    Incomplete {
        /// The name of the call.
        call: &'static str,
        /// What is missing.
        missing: &'static str,
    },
}

/// What AWS answers to a call.
pub type Answer<T> = Result<T, AwsError>;

/// The calls. Each waits its turn within the limits of API Gateway's control plane, and is tried again where
/// AWS throttles; lists are read page by page, and the reader puts them together.
pub trait AwsApis: Sync {
    /// Who asks, and where.
    fn identity(&self) -> impl Future<Output = Answer<Identity>> + Send;
    /// One page of the REST APIs.
    fn rest_apis(&self, page: Option<&str>) -> impl Future<Output = Answer<Page<ApiHead>>> + Send;
    /// One page of the HTTP and WebSocket APIs.
    fn v2_apis(&self, page: Option<&str>) -> impl Future<Output = Answer<Page<ApiHead>>> + Send;
    /// One page of the routes of an API, as they are edited.
    fn routes(
        &self,
        api: &ApiHead,
        page: Option<&str>,
    ) -> impl Future<Output = Answer<Page<Route>>> + Send;
    /// One page of its authorizers.
    fn authorizers(
        &self,
        api: &ApiHead,
        page: Option<&str>,
    ) -> impl Future<Output = Answer<Page<Authorizer>>> + Send;
    /// One page of its stages, with the id of the deployment; what is deployed is
    /// [`deployed`](Self::deployed)'s to say.
    fn stages(
        &self,
        api: &ApiHead,
        page: Option<&str>,
    ) -> impl Future<Output = Answer<Page<(Stage, Option<String>)>>> + Send;
    /// What a deployment of a REST API holds; [`Deployed::Unknown`] for the others.
    fn deployed(
        &self,
        api: &ApiHead,
        deployment: &str,
    ) -> impl Future<Output = Answer<Deployed>> + Send;
    /// A function: who may invoke it, and its settings that have to agree with an authorizer's. `None` where
    /// there is none.
    fn function(
        &self,
        function: &FunctionArn,
    ) -> impl Future<Output = Answer<Option<FunctionView>>> + Send;

    /// Makes an authorizer and answers with its id.
    fn create_authorizer(
        &self,
        protocol: Protocol,
        api: &str,
        spec: &AuthorizerSpec,
        function: &FunctionArn,
    ) -> impl Future<Output = Answer<String>> + Send;
    /// Removes an authorizer. One that is not there is removed.
    fn delete_authorizer(
        &self,
        protocol: Protocol,
        api: &str,
        authorizer: &str,
    ) -> impl Future<Output = Answer<()>> + Send;
    /// Says who authorizes a route. `from` is who does now.
    fn authorize(
        &self,
        api: &str,
        route: &RouteRef,
        from: &Authorization,
        to: &Authorization,
    ) -> impl Future<Output = Answer<()>> + Send;
    /// Lets API Gateway invoke a function for one source ARN. A statement with that id that is there already is a
    /// [`AwsError::Conflict`].
    fn add_permission(
        &self,
        function: &FunctionArn,
        statement: &str,
        source_arn: &str,
    ) -> impl Future<Output = Answer<()>> + Send;
    /// Takes a statement away. One that is not there is taken away.
    fn remove_permission(
        &self,
        function: &FunctionArn,
        statement: &str,
    ) -> impl Future<Output = Answer<()>> + Send;
    /// Deploys the draft to a stage.
    fn deploy(
        &self,
        protocol: Protocol,
        api: &str,
        stage: &str,
        description: &str,
    ) -> impl Future<Output = Answer<()>> + Send;
    /// Sets a tag of an API.
    fn tag(
        &self,
        protocol: Protocol,
        api: &str,
        key: &str,
        value: &str,
    ) -> impl Future<Output = Answer<()>> + Send;
    /// Removes a tag of an API. One that is not there is removed.
    fn untag(
        &self,
        protocol: Protocol,
        api: &str,
        key: &str,
    ) -> impl Future<Output = Answer<()>> + Send;
}
