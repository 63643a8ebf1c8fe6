//! The ARN by which API Gateway names the method or route that a client called (API Gateway
//! Developer Guide, "Control access to a REST API with IAM permissions", section "Resource format
//! of permissions for executing API in API Gateway").

use std::fmt;

/// Longest ARN that is read, in bytes. A REST API refuses a request above 1600 bytes itself
/// (API Gateway Developer Guide, "Output from an API Gateway Lambda authorizer"); an HTTP API
/// documents no limit but that of the request line, 10,240 bytes.
pub const MAX_ARN_BYTES: usize = 16 * 1024;

const MAX_PARTITION_CHARS: usize = 16;
const MAX_REGION_CHARS: usize = 32;
const MAX_ACCOUNT_CHARS: usize = 64;
const MAX_API_ID_CHARS: usize = 64;
const MAX_STAGE_CHARS: usize = 128;
const MAX_METHOD_CHARS: usize = 32;

/// `arn:{partition}:execute-api:{region}:{account}:{api}/{stage}/{route}`.
// INVARIANT: everything before the path is bounded so that a resource of 512 characters can hold it.
#[derive(Clone, PartialEq, Eq)]
pub struct MethodArn {
    partition: String,
    region: String,
    account: String,
    api_id: String,
    stage: String,
    route: Route,
}

/// What an execute-api ARN names below its stage.
#[derive(Clone, PartialEq, Eq)]
pub enum Route {
    /// `$connect`, the handshake of a WebSocket API.
    Connect,
    /// `$default`, the catch-all route of an HTTP API.
    Default,
    /// A method and the path that was called.
    Method {
        /// The method, as API Gateway wrote it.
        method: String,
        /// The path as API Gateway wrote it, starting with `/`; empty where the ARN ends after
        /// the method.
        path: String,
    },
}

impl MethodArn {
    /// Parses an ARN of at most [`MAX_ARN_BYTES`] bytes.
    pub fn parse(arn: &str) -> Result<Self, InvalidArn> {
        if arn.len() > MAX_ARN_BYTES {
            return Err(InvalidArn::TooLong);
        }
        let mut parts = arn.splitn(6, ':');
        let mut part = || parts.next().unwrap_or_default();
        if part() != "arn" {
            return Err(InvalidArn::Prefix);
        }
        let partition = plain(part(), MAX_PARTITION_CHARS, InvalidArn::Partition)?;
        if partition != "aws" && !partition.starts_with("aws-") {
            return Err(InvalidArn::Partition);
        }
        if part() != "execute-api" {
            return Err(InvalidArn::Service);
        }
        let region = plain(part(), MAX_REGION_CHARS, InvalidArn::Region)?;
        let account = plain(part(), MAX_ACCOUNT_CHARS, InvalidArn::Account)?;
        let mut resource = part().splitn(3, '/');
        let mut part = || resource.next().unwrap_or_default();
        let api_id = plain(part(), MAX_API_ID_CHARS, InvalidArn::ApiId)?;
        let stage = part();
        if stage.is_empty()
            || stage.len() > MAX_STAGE_CHARS
            || !stage.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(InvalidArn::Stage);
        }
        Ok(Self {
            partition,
            region,
            account,
            api_id,
            stage: stage.to_owned(),
            route: Route::parse(part())?,
        })
    }

    /// `aws`, `aws-cn`, `aws-us-gov`, ...
    #[must_use]
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// The region, such as `eu-central-1`.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The account that owns the API.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The id of the API.
    #[must_use]
    pub fn api_id(&self) -> &str {
        &self.api_id
    }

    /// The stage; `$default` is the default stage of an HTTP API.
    #[must_use]
    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// What is called below the stage.
    #[must_use]
    pub const fn route(&self) -> &Route {
        &self.route
    }

    /// The host of the API's own endpoint (AWS General Reference, "Amazon API Gateway endpoints").
    #[must_use]
    pub fn default_host(&self) -> String {
        let suffix = match self.partition.as_str() {
            "aws-cn" => "amazonaws.com.cn",
            "aws-eusc" => "amazonaws.eu",
            "aws-iso" => "c2s.ic.gov",
            "aws-iso-b" => "sc2s.sgov.gov",
            "aws-iso-e" => "cloud.adc-e.uk",
            "aws-iso-f" => "csp.hci.ic.gov",
            _ => "amazonaws.com",
        };
        format!("{}.execute-api.{}.{suffix}", self.api_id, self.region)
    }

    /// The same API and stage with another method and path.
    pub(crate) fn with_method(&self, method: &str, path: &str) -> Self {
        Self {
            route: Route::Method {
                method: method.to_owned(),
                path: path.to_owned(),
            },
            ..self.clone()
        }
    }
}

impl Route {
    fn parse(route: &str) -> Result<Self, InvalidArn> {
        match route {
            "$connect" => return Ok(Self::Connect),
            "$default" => return Ok(Self::Default),
            _ => {}
        }
        let end = route.find('/').unwrap_or(route.len());
        let (method, path) = route.split_at(end);
        let valid = !method.is_empty()
            && method.len() <= MAX_METHOD_CHARS
            && method.bytes().all(|byte| byte.is_ascii_graphic());
        if !valid {
            return Err(InvalidArn::Method);
        }
        Ok(Self::Method {
            method: method.to_owned(),
            path: path.to_owned(),
        })
    }
}

/// The ARN, character by character as API Gateway wrote it.
impl fmt::Display for MethodArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            region,
            account,
            api_id,
            stage,
            route,
        } = self;
        write!(
            f,
            "arn:{partition}:execute-api:{region}:{account}:{api_id}/{stage}/{route}"
        )
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("$connect"),
            Self::Default => f.write_str("$default"),
            Self::Method { method, path } => write!(f, "{method}{path}"),
        }
    }
}

impl fmt::Debug for MethodArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

fn plain(part: &str, longest: usize, error: InvalidArn) -> Result<String, InvalidArn> {
    let valid = !part.is_empty()
        && part.len() <= longest
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if valid {
        Ok(part.to_owned())
    } else {
        Err(error)
    }
}

/// Why an ARN was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidArn {
    /// Longer than [`MAX_ARN_BYTES`].
    #[error("it is longer than {MAX_ARN_BYTES} bytes")]
    TooLong,
    /// Not an ARN at all.
    #[error("it does not start with \"arn:\"")]
    Prefix,
    /// Not a partition of AWS.
    #[error("its partition is neither aws nor one like aws-cn")]
    Partition,
    /// Another service.
    #[error("its service is not execute-api")]
    Service,
    /// A region with other characters.
    #[error("its region is not 1 to {MAX_REGION_CHARS} letters, digits or hyphens")]
    Region,
    /// An account with other characters.
    #[error("its account is not 1 to {MAX_ACCOUNT_CHARS} letters, digits or hyphens")]
    Account,
    /// An API id with other characters.
    #[error("its API id is not 1 to {MAX_API_ID_CHARS} letters, digits or hyphens")]
    ApiId,
    /// No stage, or one that cannot be.
    #[error("its stage is not 1 to {MAX_STAGE_CHARS} visible characters")]
    Stage,
    /// No method behind the stage, or one that cannot be.
    #[error("its method is not 1 to {MAX_METHOD_CHARS} visible characters")]
    Method,
}
