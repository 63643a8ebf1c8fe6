//! Where a browser without a token is sent: the URL of a login page, and what is added to it. A step-up
//! challenge (RFC 9470 section 3) tells the login page how the user has to authenticate.

use std::fmt;

use percent_encoding::percent_decode_str;
use portcullis_model::{ChallengeError, Deny, InvalidUrl, RequestUrl, Scheme};

use crate::target::push_parameter;

/// Longest URL of a login page as it is set, in bytes.
pub const MAX_LOGIN_BYTES: usize = 2048;
/// Longest URL that a browser is sent to, in bytes: what CloudFront takes, which a login page may well
/// stand behind.
pub const MAX_LOCATION_BYTES: usize = 8192;
/// Longest `acr_values` that is passed on, in bytes. A longer one is left out.
const MAX_ACR_VALUES_BYTES: usize = 1024;

const RETURN_TO: &str = "return_to";
const ACR_VALUES: &str = "acr_values";
const MAX_AGE: &str = "max_age";

/// The URL of a login page. What is added to its query:
///
/// - `return_to`: the URL of the request, so that the login page can send the user back. It is always
///   one of this distribution, because CloudFront finds the distribution by the host of the request;
///   the login page still has to check it, since anyone can call a login page with any URL. It holds
///   the query of the request, and so whatever is in that.
/// - `acr_values` and `max_age` of a challenge `insufficient_user_authentication`, as OpenID Connect
///   Core section 3.1.2.1 names them, too.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginRedirect {
    /// The URL without its query.
    page: RequestUrl,
    query: String,
}

impl LoginRedirect {
    /// Parses an absolute `https` URL of at most [`MAX_LOGIN_BYTES`] bytes. It may have a query, but
    /// none of the parameters above, no fragment, and no placeholder in braces: nothing is filled in.
    pub fn parse(raw: &str) -> Result<Self, InvalidLogin> {
        if raw.len() > MAX_LOGIN_BYTES {
            return Err(InvalidLogin::TooLong);
        }
        if raw.contains(['{', '}']) {
            return Err(InvalidLogin::Placeholder);
        }
        if !raw.is_ascii() {
            return Err(InvalidUrl::Syntax.into());
        }
        let url = RequestUrl::parse(raw)?;
        if url.scheme() != Scheme::Https {
            return Err(InvalidLogin::Scheme);
        }
        let (page, query) = raw.split_once('?').unwrap_or((raw, ""));
        let taken = |pair: &str| {
            let name = pair.split_once('=').map_or(pair, |(name, _)| name);
            let name = percent_decode_str(name).decode_utf8_lossy();
            [RETURN_TO, ACR_VALUES, MAX_AGE].contains(&name.as_ref())
        };
        if query.split('&').any(taken) {
            return Err(InvalidLogin::Parameter);
        }
        Ok(Self {
            page: RequestUrl::parse(page)?,
            query: query.to_owned(),
        })
    }

    /// Whether a request is for the login page itself. Sending it there again would never end.
    pub(crate) fn is_page(&self, request: &RequestUrl) -> bool {
        let place = |url: &RequestUrl| {
            let (host, path) = (url.host().to_owned(), url.path().to_owned());
            (url.scheme(), host, url.port(), path)
        };
        place(&self.page) == place(request)
    }

    /// Where the user is sent, at most [`MAX_LOCATION_BYTES`] bytes, and whether the way back fitted.
    pub(crate) fn location(&self, deny: &Deny, request: &RequestUrl) -> (String, ReturnTo) {
        let mut query = self.query.clone();
        if let Some(step_up) = StepUp::of(deny) {
            step_up.push(&mut query);
        }
        let without = self.with(&query);
        push_parameter(&mut query, RETURN_TO, request.as_str());
        let location = self.with(&query);
        if location.len() <= MAX_LOCATION_BYTES {
            (location, ReturnTo::Added)
        } else {
            (without, ReturnTo::LeftOut)
        }
    }

    fn with(&self, query: &str) -> String {
        match query {
            "" => self.page.as_str().to_owned(),
            query => format!("{}?{query}", self.page.as_str()),
        }
    }
}

/// Leaves out the query.
impl fmt::Debug for LoginRedirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoginRedirect({})", self.page.as_str())
    }
}

/// Whether a redirect tells the way back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReturnTo {
    Added,
    LeftOut,
}

/// Why the URL of a login page was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLogin {
    /// Longer than [`MAX_LOGIN_BYTES`].
    #[error("the URL of the login page is longer than {MAX_LOGIN_BYTES} bytes")]
    TooLong,
    /// Not an absolute URL.
    #[error("expected the URL of a login page, such as https://login.example.com/start: {0}")]
    Url(#[from] InvalidUrl),
    /// Not `https`.
    #[error("the URL of the login page must start with https://")]
    Scheme,
    /// `{...}`.
    #[error(
        "the URL of the login page holds a brace, but has no placeholders: the URL to return to is \
         added as parameter return_to"
    )]
    Placeholder,
    /// A parameter that is added to each redirect.
    #[error(
        "the URL of the login page holds return_to, acr_values or max_age, which are added to it; \
         take them out"
    )]
    Parameter,
}

/// How a user has to authenticate.
struct StepUp {
    acr_values: Option<String>,
    max_age: Option<u64>,
}

impl StepUp {
    /// That of the first step-up challenge, our own or one that another decision point wrote.
    fn of(deny: &Deny) -> Option<Self> {
        const STEP_UP: Option<ChallengeError> =
            Some(ChallengeError::InsufficientUserAuthentication);
        let own = deny.challenges.iter().find(|one| one.error == STEP_UP);
        if let Some(challenge) = own {
            return Some(Self {
                acr_values: challenge.acr_values.clone(),
                max_age: challenge.max_age,
            });
        }
        let foreign = deny
            .headers
            .values("www-authenticate")
            .find(|value| ChallengeError::in_challenge(value) == STEP_UP)?;
        Some(Self {
            acr_values: parameter(foreign, ACR_VALUES),
            max_age: parameter(foreign, MAX_AGE).and_then(|seconds| seconds.parse().ok()),
        })
    }

    fn push(&self, query: &mut String) {
        let fits = |values: &&str| (1..=MAX_ACR_VALUES_BYTES).contains(&values.len());
        if let Some(values) = self.acr_values.as_deref().filter(fits) {
            push_parameter(query, ACR_VALUES, values);
        }
        if let Some(seconds) = self.max_age {
            push_parameter(query, MAX_AGE, &seconds.to_string());
        }
    }
}

/// The parameter of a challenge (RFC 9110 section 11.2), in quotes or not. What stands inside quotes is
/// never taken for a parameter.
fn parameter(challenge: &str, wanted: &str) -> Option<String> {
    let (_, mut rest) = challenge.split_once(' ')?;
    loop {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, after) = if let Some(quoted) = after.strip_prefix('"') {
            unquote(quoted)?
        } else {
            let end = after.find([',', ' ']).unwrap_or(after.len());
            let (token, after) = after.split_at_checked(end)?;
            (token.to_owned(), after)
        };
        // In a list of challenges, the scheme of the next one stands before its first parameter.
        let name = name.trim_end().rsplit([' ', ',']).next()?;
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after;
    }
}

/// A quoted string whose first quote is gone (RFC 9110 section 5.6.4), and what follows it.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            other => value.push(other),
        }
    }
}
