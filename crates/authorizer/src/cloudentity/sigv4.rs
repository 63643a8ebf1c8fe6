//! Signs requests to AWS (AWS IAM user guide, "AWS Signature Version 4 for API requests"): `GET` without a body is all
//! that is needed here.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};

/// The credentials of the function's role.
#[derive(Clone)]
pub(super) struct AwsCredentials {
    pub(super) access_key: String,
    pub(super) secret_key: String,
    pub(super) session_token: Option<String>,
}

impl fmt::Debug for AwsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwsCredentials(..)")
    }
}

/// What is signed.
pub(super) struct Signable<'a> {
    pub(super) host: &'a str,
    /// The path, escaped as it is sent.
    pub(super) path: &'a str,
    /// Names and values, escaped as they are sent, in the order of their names.
    pub(super) query: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    /// Seconds since 1970.
    pub(super) now: u64,
}

/// The value of `X-Amz-Date` and that of `Authorization`.
pub(super) fn signature(request: &Signable<'_>, credentials: &AwsCredentials) -> (String, String) {
    let Signable {
        host,
        path,
        query,
        region,
        service,
        now,
    } = request;
    let date = amz_date(*now);
    let day = date.get(..8).unwrap_or_default();
    let (token_header, token_name) = match &credentials.session_token {
        Some(token) => (
            format!("x-amz-security-token:{token}\n"),
            ";x-amz-security-token",
        ),
        None => (String::new(), ""),
    };
    let signed = format!("host;x-amz-date{token_name}");
    let canonical = format!(
        "GET\n{path}\n{query}\nhost:{host}\nx-amz-date:{date}\n{token_header}\n{signed}\n{}",
        hexadecimal(digest(&SHA256, b"").as_ref())
    );
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hexadecimal(digest(&SHA256, canonical.as_bytes()).as_ref())
    );
    let mut key = format!("AWS4{}", credentials.secret_key).into_bytes();
    for part in [day, region, service, "aws4_request", &to_sign] {
        key = sign(&Key::new(HMAC_SHA256, &key), part.as_bytes())
            .as_ref()
            .to_vec();
    }
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={}",
        credentials.access_key,
        hexadecimal(&key)
    );
    (date, authorization)
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

    /// `get-vanilla` and `get-vanilla-query-order-key-case` of the AWS Signature Version 4 test suite.
    #[test]
    fn signs_as_the_test_suite_says() {
        for (query, expected) in [
            (
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "Param1=value1&Param2=value2",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
        ] {
            let request = Signable {
                host: "example.amazonaws.com",
                path: "/",
                query,
                region: "us-east-1",
                service: "service",
                now: 1_440_938_160,
            };
            let (date, authorization) = signature(&request, &credentials());
            assert_eq!(date, "20150830T123600Z");
            assert_eq!(
                authorization,
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature={expected}"
                )
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
