//! Signs requests to AWS (AWS IAM user guide, "AWS Signature Version 4 for API requests").

use std::fmt;

use portcullis_jose::CryptoProvider as _;
use portcullis_pdp::crypto::Crypto;

use crate::environment::Environment;

/// The credentials of a function's role.
#[derive(Clone)]
pub struct AwsCredentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_key: String,
    /// `AWS_SESSION_TOKEN`; those of a role have one.
    pub session_token: Option<String>,
}

impl AwsCredentials {
    /// Those that Lambda puts into the environment; the name of the variable that is missing otherwise.
    pub fn from_environment(environment: &Environment) -> Result<Self, &'static str> {
        let required = |name| environment.value(name).map(str::to_owned).ok_or(name);
        Ok(Self {
            access_key: required("AWS_ACCESS_KEY_ID")?,
            secret_key: required("AWS_SECRET_ACCESS_KEY")?,
            session_token: environment.value("AWS_SESSION_TOKEN").map(str::to_owned),
        })
    }
}

impl fmt::Debug for AwsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwsCredentials(..)")
    }
}

/// What is signed.
#[derive(Debug)]
pub struct Signable<'a> {
    /// The method.
    pub method: &'a str,
    /// The host, with the port where it is not that of the scheme.
    pub host: &'a str,
    /// The path, escaped as it is sent.
    pub path: &'a str,
    /// Names and values, escaped as they are sent, in the order of their names.
    pub query: &'a str,
    /// Further header fields that are signed: names in lower case, none of those that a signature adds.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
    /// The Region.
    pub region: &'a str,
    /// The name of the service in signatures.
    pub service: &'a str,
    /// Seconds since 1970.
    pub now: u64,
}

/// The header fields that a signature adds to a request: `x-amz-date`, `authorization`, and `x-amz-security-token` where
/// there is one.
#[must_use]
pub fn signature(
    request: &Signable<'_>,
    credentials: &AwsCredentials,
) -> Vec<(&'static str, String)> {
    let Signable {
        method,
        host,
        path,
        query,
        headers,
        body,
        region,
        service,
        now,
    } = request;
    let date = amz_date(*now);
    let day = date.get(..8).unwrap_or_default();
    let mut fields = vec![("host", *host), ("x-amz-date", &date)];
    fields.extend_from_slice(headers);
    if let Some(token) = &credentials.session_token {
        fields.push(("x-amz-security-token", token));
    }
    fields.sort_unstable();
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let signed = names.join(";");
    let lines: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}:{}", value.trim()))
        .collect();
    let canonical = format!(
        "{method}\n{path}\n{query}\n{}\n\n{signed}\n{}",
        lines.join("\n"),
        hexadecimal(&Crypto.sha256(body))
    );
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hexadecimal(&Crypto.sha256(canonical.as_bytes()))
    );
    let mut key = format!("AWS4{}", credentials.secret_key).into_bytes();
    for part in [day, region, service, "aws4_request", &to_sign] {
        key = Crypto.hmac_sha256(&key, part.as_bytes()).to_vec();
    }
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={}",
        credentials.access_key,
        hexadecimal(&key)
    );
    let mut added = vec![("x-amz-date", date), ("authorization", authorization)];
    if let Some(token) = &credentials.session_token {
        added.push(("x-amz-security-token", token.clone()));
    }
    added
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16);
    let digits = bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    digits.flatten().collect()
}

/// `20150830T123600Z`, from the days since 1970 by the rules of the Gregorian calendar.
fn amz_date(now: u64) -> String {
    let (days, seconds) = (now / 86_400, now % 86_400);
    let (mut year, mut rest) = (1970, days);
    let is_leap = |year: u64| {
        (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
    };
    while rest >= 365 + u64::from(is_leap(year)) {
        rest -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [
        31,
        28 + u64::from(is_leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let mut month = 1;
    for length in lengths {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!(
        "{year:04}{month:02}{:02}T{hour:02}{minute:02}{second:02}Z",
        rest + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> AwsCredentials {
        AwsCredentials {
            access_key: "AKIDEXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
        }
    }

    /// `get-vanilla`, `get-vanilla-query-order-key-case`, `post-vanilla` and `post-x-www-form-urlencoded` of the AWS
    /// Signature Version 4 test suite.
    #[test]
    fn signs_as_the_test_suite_says() {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        for (method, query, headers, body, expected) in [
            (
                "GET",
                "",
                &[][..],
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "GET",
                "Param1=value1&Param2=value2",
                &[],
                "",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "POST",
                "",
                &[],
                "",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "POST",
                "",
                &form,
                "Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ] {
            let request = Signable {
                method,
                host: "example.amazonaws.com",
                path: "/",
                query,
                headers,
                body: body.as_bytes(),
                region: "us-east-1",
                service: "service",
                now: 1_440_938_160,
            };
            let names = if headers.is_empty() {
                ""
            } else {
                "content-type;"
            };
            assert_eq!(
                signature(&request, &credentials()),
                [
                    ("x-amz-date", "20150830T123600Z".to_owned()),
                    (
                        "authorization",
                        format!(
                            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={names}host;x-amz-date, Signature={expected}"
                        )
                    )
                ]
            );
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (now, expected) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_709_251_199, "20240229T235959Z"),
            (1_735_689_599, "20241231T235959Z"),
            (4_102_444_800, "21000101T000000Z"),
        ] {
            assert_eq!(amz_date(now), expected);
        }
    }
}
