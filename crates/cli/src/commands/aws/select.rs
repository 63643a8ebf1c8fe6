//! Arguments that say which APIs are meant, and what they are bound to.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use portcullis_discovery::{
    AuthorizerSpec, FunctionArn, FunctionView, Identity, Include, Protocol, RestAuthorizerType,
    Selection, Target,
};

#[derive(Args)]
#[command(next_help_heading = "Which APIs")]
pub(super) struct SelectArguments {
    /// An API by its id; may be given several times.
    #[arg(long, value_name = "ID")]
    api: Vec<String>,
    /// APIs by their name, in which * stands for any characters; may be given several times.
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,
    /// APIs with a tag; with several, all of them.
    #[arg(long, value_name = "KEY[=VALUE]")]
    tag: Vec<String>,
    /// APIs with a stage of that name, and of their stages only it; may be given several times.
    #[arg(long, value_name = "STAGE")]
    stage: Vec<String>,
    /// APIs that are spoken to in that way; may be given several times.
    #[arg(long, value_name = "PROTOCOL")]
    protocol: Vec<ProtocolName>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ProtocolName {
    Rest,
    Http,
    Websocket,
}

impl SelectArguments {
    pub(super) fn selection(&self) -> Selection {
        let tags = self.tag.iter().map(|text| match text.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (text.clone(), None),
        });
        let protocols = self.protocol.iter().map(|name| match name {
            ProtocolName::Rest => Protocol::Rest,
            ProtocolName::Http => Protocol::Http,
            ProtocolName::Websocket => Protocol::WebSocket,
        });
        Selection {
            ids: self.api.clone(),
            names: self.name.clone(),
            tags: tags.collect(),
            stages: self.stage.clone(),
            protocols: protocols.collect(),
        }
    }

    /// The same where something is changed, which nobody should do to a whole account by leaving something out.
    pub(super) fn selection_or_all(&self, all: bool) -> Result<Selection> {
        let selection = self.selection();
        if !all && !selection.is_narrow() {
            bail!(
                "say which APIs: --api, --name, --tag, --stage or --protocol, or --all for every one"
            );
        }
        Ok(selection)
    }
}

#[derive(Args)]
#[command(next_help_heading = "What they are bound to")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line, and turned into a type at once"
)]
pub(super) struct TargetArguments {
    /// The authorizer function, by its name or ARN, perhaps with :ALIAS.
    #[arg(long, value_name = "FUNCTION")]
    function: String,
    /// The name of the authorizer that each API gets, by which it is found again.
    #[arg(long, value_name = "NAME", default_value = "portcullis")]
    authorizer_name: String,
    /// How long API Gateway caches answers, in seconds, up to 3600 (docs/caching.md); where it is left out, as long as
    /// the function is told (`PORTCULLIS_CACHE_TTL`).
    #[arg(long, value_name = "SECONDS")]
    cache_ttl: Option<u32>,
    /// Ask the function also about requests without an Authorization header, which public operations need.
    #[arg(long)]
    no_identity_source: bool,
    /// The type of authorizer at REST APIs.
    #[arg(long, value_name = "TYPE", default_value = "request")]
    rest_type: RestType,
    /// Payload format at HTTP APIs.
    #[arg(long, value_name = "VERSION", default_value = "2.0", value_parser = ["1.0", "2.0"])]
    http_payload: String,
    /// What the function answers to HTTP APIs; where it is left out, what it is told (`PORTCULLIS_HTTP_RESPONSE`).
    #[arg(long, value_name = "FORM")]
    http_response: Option<HttpResponse>,
    /// Bind OPTIONS, too, which browsers send without credentials.
    #[arg(long)]
    include_options: bool,
    /// Bind routes that something else authorizes, too.
    #[arg(long)]
    replace_authorizers: bool,
    /// Deploy the stages, so that what changes takes effect.
    #[arg(long)]
    pub(super) deploy: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum RestType {
    Request,
    Token,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum HttpResponse {
    Iam,
    Simple,
}

impl TargetArguments {
    /// The function, which has to be where the APIs are.
    pub(super) fn function(&self, identity: &Identity) -> Result<FunctionArn> {
        let function = FunctionArn::within(identity, &self.function)?;
        if function.region() != identity.region {
            bail!(
                "the function is in {}, and the APIs are in {}: give --region {}",
                function.region(),
                identity.region,
                function.region()
            );
        }
        Ok(function)
    }

    /// What APIs are bound to. What is not given is as the function is set up, so that both agree.
    pub(super) fn target(&self, function: FunctionArn, view: &FunctionView) -> Result<Target> {
        let as_told = match view.http_response.as_deref() {
            Some("simple") => HttpResponse::Simple,
            _ => HttpResponse::Iam,
        };
        // Payload format 1.0 has no simple responses, whatever the function is told.
        let payload_1 = self.http_payload == "1.0";
        let response = match self.http_response {
            Some(response) => response,
            None if payload_1 => HttpResponse::Iam,
            None => as_told,
        };
        let authorizer = AuthorizerSpec {
            name: self.authorizer_name.clone(),
            ttl: self.cache_ttl.or(view.cache_ttl).unwrap_or(0),
            require_authorization: !self.no_identity_source,
            rest_type: match self.rest_type {
                RestType::Request => RestAuthorizerType::Request,
                RestType::Token => RestAuthorizerType::Token,
            },
            http_payload: if payload_1 { "1.0" } else { "2.0" },
            simple_responses: response == HttpResponse::Simple,
        };
        Ok(Target::new(function, authorizer)?)
    }

    pub(super) const fn include(&self) -> Include {
        Include {
            options: self.include_options,
            authorized: self.replace_authorizers,
        }
    }
}
