//! Every recorded event, with what it becomes. A file that is not in the table fails the test.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use portcullis_aws::{AuthorizerEvent, EventOptions};

use crate::support::{EVENTS, recorded, recorded_raw};

/// What an event becomes, in the order of the columns.
#[derive(Clone, Copy)]
struct Outcome {
    dialect: &'static str,
    method: &'static str,
    url: &'static str,
    headers: usize,
    source: &'static str,
    certificate: bool,
    /// API, stage and path below it.
    entry: &'static str,
}

const REST_TOKEN: Outcome = Outcome {
    dialect: "rest_token",
    method: "GET",
    url: "https://ymy8tbxw7b.execute-api.us-west-2.amazonaws.com/*/",
    headers: 1,
    source: "-",
    certificate: false,
    entry: "ymy8tbxw7b * /",
};
const REST_REQUEST: Outcome = Outcome {
    dialect: "rest_request",
    method: "GET",
    url: "https://abcdef123.execute-api.us-east-1.amazonaws.com/request?QueryString1=queryValue1",
    headers: 8,
    source: "-",
    certificate: true,
    entry: "abcdef123 test /request",
};
const REST_REQUEST_FULL: Outcome = Outcome {
    url: "https://s4x3opwd6i.execute-api.us-east-1.amazonaws.com/request?QueryString1=queryValue1",
    headers: 21,
    entry: "s4x3opwd6i test /request",
    ..REST_REQUEST
};
const HTTP_V1: Outcome = Outcome {
    dialect: "http_v1",
    ..REST_REQUEST
};
/// The stage of `requestContext` is not the one of `routeArn` in any of the samples, so there is no
/// entry.
const HTTP_V2: Outcome = Outcome {
    dialect: "http_v2",
    method: "POST",
    url: "https://id.execute-api.us-east-1.amazonaws.com/my/path\
          ?parameter1=value1&parameter1=value2&parameter2=value",
    headers: 3,
    source: "-",
    certificate: true,
    entry: "-",
};

const SAM_URI: &str = "an event with records";
const INTEGRATION: &str = "a REST or WebSocket API integration event";
const URL_OR_INTEGRATION: &str = "a function URL or HTTP API integration event";
const ANSWER: &str = "the answer of an authorizer";

#[rustfmt::skip]
const TABLE: &[(&str, Result<Outcome, &str>)] = &[
    ("alb_target_request.go.json", Err("a request of an Application Load Balancer")),
    ("appsync_auth_request.go.json", Err("an AppSync authorizer event")),
    ("appsync_auth_request.powertools.json", Err("an AppSync authorizer event")),
    ("appsync_auth_request.rust.json", Err("an AppSync authorizer event")),
    ("appsync_auth_response.go.json", Err(ANSWER)),
    ("appsync_auth_response.powertools.json", Err(ANSWER)),
    ("cloudfront_access_request_in_response.sam-template.json", Err(SAM_URI)),
    ("cloudfront_http_redirect.sam-template.json", Err(SAM_URI)),
    ("cloudfront_modify_querystring.sam-template.json", Err(SAM_URI)),
    ("cloudfront_origin_request.awsdocs.json", Err(SAM_URI)),
    ("cloudfront_origin_response.awsdocs.json", Err(SAM_URI)),
    ("cloudfront_response_generation.sam-template.json", Err(SAM_URI)),
    ("cloudfront_viewer_request.awsdocs.json", Err(SAM_URI)),
    ("cloudfront_viewer_request.java.json", Err(SAM_URI)),
    ("cloudfront_viewer_request_unauth_redirect.sam-template.json", Err(SAM_URI)),
    ("cloudfront_viewer_response.awsdocs.json", Err(SAM_URI)),
    ("function_url_iam.powertools.json", Err(URL_OR_INTEGRATION)),
    ("function_url_request.go.json", Err(URL_OR_INTEGRATION)),
    ("http_v1_request.awsdocs.json", Ok(HTTP_V1)),
    ("http_v1_request.go.json", Ok(HTTP_V1)),
    ("http_v1_request.rust.json", Ok(HTTP_V1)),
    ("http_v2_backend_after_lambda_authorizer.go.json", Err(URL_OR_INTEGRATION)),
    ("http_v2_request.awsdocs.json", Ok(HTTP_V2)),
    ("http_v2_request.go.json", Ok(HTTP_V2)),
    ("http_v2_request.java.json", Ok(Outcome { certificate: false, ..HTTP_V2 })),
    ("http_v2_request.powertools.json", Ok(Outcome {
        url: "https://id.execute-api.us-east-1.amazonaws.com/merchants\
              ?parameter1=value1&parameter1=value2&parameter2=value",
        headers: 5,
        source: "10.10.10.10",
        ..HTTP_V2
    })),
    ("http_v2_request.rust.json", Ok(HTTP_V2)),
    ("http_v2_request_no_cookies.rust.json", Ok(Outcome { headers: 2, ..HTTP_V2 })),
    ("http_v2_request_no_identity_source.rust.json", Ok(HTTP_V2)),
    ("iot_custom_auth_request.go.json", Err("an AWS IoT authorizer event")),
    ("rest_request.awsdocs.json", Ok(REST_REQUEST)),
    ("rest_request.go.json", Ok(REST_REQUEST_FULL)),
    // README: this one and the next are HTTP 1.0 in truth.
    ("rest_request.java.json", Ok(Outcome { certificate: false, ..HTTP_V1 })),
    ("rest_request.powertools.json", Ok(Outcome {
        url: "https://3npb9j1tlk.execute-api.us-west-1.amazonaws.com/request?QueryString1=queryValue1",
        headers: 12,
        ..HTTP_V1
    })),
    ("rest_request.rust.json", Ok(REST_REQUEST_FULL)),
    ("rest_request.sam-template.json", Ok(Outcome {
        method: "POST",
        url: "https://1234567890.execute-api.us-east-1.amazonaws.com/examplepath?QueryString1=queryValue1",
        entry: "1234567890 prod /examplepath",
        ..REST_REQUEST
    })),
    ("rest_response.go.json", Err(ANSWER)),
    ("rest_response_single_action.rust.json", Err(ANSWER)),
    ("rest_response_single_resource.rust.json", Err(ANSWER)),
    ("rest_response_with_condition.rust.json", Err(ANSWER)),
    ("rest_token.awsdocs.json", Ok(REST_TOKEN)),
    ("rest_token.go.json", Ok(REST_TOKEN)),
    ("rest_token.powertools.json", Ok(REST_TOKEN)),
    ("rest_token.rust.json", Ok(REST_TOKEN)),
    ("rest_token.sam-template.json", Ok(Outcome {
        method: "POST",
        url: "https://1234567890.execute-api.us-east-1.amazonaws.com/prod/examplepath",
        entry: "1234567890 prod /examplepath",
        ..REST_TOKEN
    })),
    ("vpc_lattice_v2.powertools.json", Err("a request of VPC Lattice")),
    ("websocket_connect_authorizer.awsdocs.json", Ok(Outcome {
        dialect: "websocket_connect",
        url: "https://abcdef123.execute-api.us-east-1.amazonaws.com/default?QueryString1=queryValue1",
        headers: 12,
        certificate: false,
        entry: "abcdef123 default /",
        ..REST_REQUEST
    })),
    ("websocket_connect_authorizer.rust.json", Ok(Outcome {
        dialect: "websocket_connect",
        url: "https://example.com/test?parameter1=value1%2Cvalue2&parameter2=value",
        headers: 2,
        source: "1.2.3.4",
        certificate: false,
        // `requestContext` names another API than the ARN.
        entry: "-",
        ..REST_REQUEST
    })),
    ("websocket_connect_integration.go.json", Err(INTEGRATION)),
    ("websocket_event.java.json", Err(INTEGRATION)),
];

#[test]
fn every_file_is_in_the_table() {
    let files: BTreeSet<String> = std::fs::read_dir(EVENTS)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    let table: BTreeSet<String> = TABLE.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(files, table);
    assert_eq!(TABLE.len(), 50);
}

#[test]
fn every_event_becomes_what_the_table_says() {
    let mut wrong = String::new();
    for (file, expected) in TABLE {
        let event = AuthorizerEvent::parse(recorded(file).as_bytes(), &EventOptions::default());
        let expected = match expected {
            Ok(outcome) => describe(outcome),
            Err(looks_like) => (*looks_like).to_owned(),
        };
        match event {
            Ok(event) if shown(&event) == expected => {}
            Ok(event) => writeln!(wrong, "{file}\n  {expected}\n  {}", shown(&event)).unwrap(),
            Err(error) if error.to_string().contains(&expected) => {}
            Err(error) => writeln!(wrong, "{file}\n  {expected}\n  {error}").unwrap(),
        }
    }
    assert!(wrong.is_empty(), "file, expected, got:\n{wrong}");
}

#[test]
fn placeholders_that_nobody_filled_are_no_event() {
    for file in [
        "rest_token.sam-template.json",
        "rest_request.sam-template.json",
    ] {
        let error = AuthorizerEvent::parse(recorded_raw(file).as_bytes(), &EventOptions::default())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "`methodArn` of the event is not an execute-api ARN: its partition is neither aws nor \
             one like aws-cn",
            "{file}"
        );
    }
}

fn describe(outcome: &Outcome) -> String {
    let Outcome {
        dialect,
        method,
        url,
        headers,
        source,
        certificate,
        entry,
    } = outcome;
    format!("{dialect} {method} {url} {headers} {source} {certificate} {entry}")
}

fn shown(event: &AuthorizerEvent) -> String {
    let request = event.request();
    let source = match request.source.ip {
        Some(ip) => ip.to_string(),
        None => "-".to_owned(),
    };
    let entry = match &request.entry {
        Some(entry) => format!("{} {} {}", entry.api_id, entry.stage, entry.path),
        None => "-".to_owned(),
    };
    format!(
        "{} {} {} {} {source} {} {entry}",
        event.dialect(),
        request.method,
        request.url.as_str(),
        request.headers.len(),
        request.client_certificate.is_some(),
    )
}
