//! Events as AWS sends them, each with the headers of a browser and an access token.

use serde_json::{Map, Value, json};

const HOST: &str = "v4npdwpiab.execute-api.us-east-1.amazonaws.com";
const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36";

fn headers(token: &str) -> [(&'static str, String); 9] {
    [
        ("Accept", "application/json".to_owned()),
        ("Accept-Encoding", "gzip, deflate, br".to_owned()),
        ("Authorization", format!("Bearer {token}")),
        ("Host", HOST.to_owned()),
        ("User-Agent", AGENT.to_owned()),
        (
            "X-Amzn-Trace-Id",
            "Root=1-5e66d96f-7491f09xmpl79d18acf3d050".to_owned(),
        ),
        ("X-Forwarded-For", "203.0.113.7".to_owned()),
        ("X-Forwarded-Port", "443".to_owned()),
        ("X-Forwarded-Proto", "https".to_owned()),
    ]
}

/// A REQUEST event of a REST API (API Gateway Developer Guide, "Input to an API Gateway Lambda authorizer").
pub(crate) fn rest(token: &str, path: &str) -> String {
    let single: Map<String, Value> = headers(token)
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .into_iter()
        .collect();
    let multiple: Map<String, Value> = headers(token)
        .map(|(name, value)| (name.to_owned(), json!([value])))
        .into_iter()
        .collect();
    json!({
        "type": "REQUEST",
        "methodArn": format!("arn:aws:execute-api:us-east-1:123456789012:v4npdwpiab/prod/GET{path}"),
        "resource": path, "path": path, "httpMethod": "GET",
        "headers": single, "multiValueHeaders": multiple,
        "queryStringParameters": {}, "multiValueQueryStringParameters": {},
        "pathParameters": {}, "stageVariables": {},
        "requestContext": {
            "resourceId": "abc123", "resourcePath": path, "httpMethod": "GET", "path": format!("/prod{path}"),
            "accountId": "123456789012", "protocol": "HTTP/1.1", "stage": "prod", "apiId": "v4npdwpiab",
            "domainName": HOST, "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": { "sourceIp": "203.0.113.7", "userAgent": AGENT },
        },
    })
    .to_string()
}

/// An event of an HTTP API in format 2.0 ("Control access to HTTP APIs with AWS Lambda authorizers").
pub(crate) fn http_v2(token: &str, path: &str) -> String {
    let fields: Map<String, Value> = headers(token)
        .map(|(name, value)| (name.to_ascii_lowercase(), json!(value)))
        .into_iter()
        .collect();
    json!({
        "version": "2.0", "type": "REQUEST",
        "routeArn": format!("arn:aws:execute-api:us-east-1:123456789012:v4npdwpiab/$default/GET{path}"),
        "identitySource": [format!("Bearer {token}")],
        "routeKey": "$default", "rawPath": path, "rawQueryString": "", "headers": fields,
        "requestContext": {
            "accountId": "123456789012", "apiId": "v4npdwpiab", "domainName": HOST, "domainPrefix": "v4npdwpiab",
            "http": { "method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": AGENT },
            "requestId": "JKJaXmPLvHcESHA=", "routeKey": "$default", "stage": "$default",
            "time": "12/Mar/2020:19:03:58 +0000", "timeEpoch": 1_583_348_638_390_u64,
        },
    })
    .to_string()
}

/// A viewer-request event of CloudFront (CloudFront Developer Guide, "Lambda@Edge event structure").
pub(crate) fn viewer_request(token: &str, path: &str) -> String {
    let fields: Map<String, Value> = headers(token)
        .map(|(name, value)| {
            let field = json!([{ "key": name, "value": value }]);
            (name.to_ascii_lowercase(), field)
        })
        .into_iter()
        .collect();
    json!({ "Records": [{ "cf": {
        "config": {
            "distributionDomainName": "d111111abcdef8.cloudfront.net", "distributionId": "EDFDVBD6EXAMPLE",
            "eventType": "viewer-request", "requestId": "4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ==",
        },
        "request": { "clientIp": "203.0.113.7", "headers": fields, "method": "GET", "querystring": "", "uri": path },
    } }] })
    .to_string()
}
