//! What CloudFront takes as the answer to a viewer request, written anew from its documentation
//! (CloudFront Developer Guide, "Restrictions on all edge functions", "Restrictions on Lambda@Edge",
//! "Generate HTTP responses in request triggers", "Quotas"), so that the answers are not checked with
//! what made them.

use serde_json::{Map, Value};

/// As in the documentation; `*` is the rest of a name.
const DISALLOWED: &str = "
    Connection Expect Keep-Alive Proxy-Authenticate Proxy-Authorization Proxy-Connection Trailer
    Upgrade X-Accel-Buffering X-Accel-Charset X-Accel-Limit-Rate X-Accel-Redirect X-Amz-Cf-*
    X-Amzn-Auth X-Amzn-Cf-Billing X-Amzn-Cf-Id X-Amzn-Cf-Xff X-Amzn-Errortype X-Amzn-Fle-Profile
    X-Amzn-Header-Count X-Amzn-Header-Order X-Amzn-Lambda-Integration-Tag X-Amzn-RequestId X-Cache
    X-Edge-* X-Forwarded-Proto X-Real-IP";
/// Cannot be added at the viewer-request event.
const NOT_ADDED: &str =
    "CloudFront-Viewer-Country CloudFront-Viewer-Cert-Pem Client-Cert Client-Cert-Chain";
const READ_ONLY: &str = "CDN-Loop Content-Length Host Transfer-Encoding Via";

const KB: usize = 1024;

/// Whether CloudFront takes an answer. An error says why it does not.
pub(crate) fn check(event: &Value, answer: &str) -> Result<(), String> {
    let json: Value = serde_json::from_str(answer).map_err(|error| error.to_string())?;
    let object = json.as_object().ok_or("not an object")?;
    if object.contains_key("status") {
        if answer.len() > 40 * KB {
            return Err(format!("a response of {} bytes", answer.len()));
        }
        response(object)
    } else {
        let original = event.pointer("/Records/0/cf/request").unwrap();
        request(original.as_object().unwrap(), object)
    }
}

fn response(response: &Map<String, Value>) -> Result<(), String> {
    let known = [
        "status",
        "statusDescription",
        "headers",
        "body",
        "bodyEncoding",
    ];
    ensure(
        response.keys().all(|key| known.contains(&key.as_str())),
        "unknown member",
    )?;
    let status = text(response, "status")?;
    let number: u16 = status.parse().map_err(|_| "status is no number")?;
    ensure((200..=599).contains(&number) && status.len() == 3, "status")?;
    if response.contains_key("statusDescription") {
        text(response, "statusDescription")?;
    }
    if response.contains_key("body") {
        text(response, "body")?;
        ensure(text(response, "bodyEncoding")? == "text", "bodyEncoding")?;
        ensure(
            !["204", "304"].contains(&status),
            "a body under this status",
        )?;
    }
    for (name, _) in fields(response)? {
        ensure(!is_in(DISALLOWED, &name), &format!("disallowed: {name}"))?;
        ensure(!is_in(READ_ONLY, &name), &format!("read-only: {name}"))?;
    }
    Ok(())
}

fn request(before: &Map<String, Value>, after: &Map<String, Value>) -> Result<(), String> {
    let editable = ["uri", "querystring", "headers", "body"];
    for (name, value) in after {
        let kept = editable.contains(&name.as_str()) || before.get(name) == Some(value);
        ensure(kept, &format!("{name} changed"))?;
    }
    for name in before.keys().filter(|name| *name != "body") {
        ensure(after.contains_key(name), &format!("{name} is gone"))?;
    }

    let (uri, query) = (text(after, "uri")?, text(after, "querystring")?);
    ensure(uri.starts_with('/'), "uri without a slash")?;
    let plain = |c: char| !c.is_control() && c != ' ' && c != '#';
    ensure(
        uri.chars().chain(query.chars()).all(plain),
        "a character of the uri",
    )?;
    ensure(!uri.contains('?'), "a query in the uri")?;
    let same = (&before["uri"], &before["querystring"]) == (&after["uri"], &after["querystring"]);
    let length = uri.chars().count() + query.chars().count();
    ensure(same || length < 8192, "a long uri")?;

    let (old, new) = (fields(before)?, fields(after)?);
    let values = |fields: &[(String, Vec<String>)], name: &str| -> Option<Vec<String>> {
        let found = fields.iter().find(|(field, _)| field == name);
        found.map(|(_, values)| values.clone())
    };
    for (name, _) in old.iter().chain(&new) {
        let (was, is) = (values(&old, name), values(&new, name));
        ensure(
            was == is || !is_in(READ_ONLY, name),
            &format!("read-only: {name}"),
        )?;
        let added = is.is_some() && was != is;
        ensure(
            !added || !is_in(DISALLOWED, name),
            &format!("disallowed: {name}"),
        )?;
        ensure(
            !added || !is_in(NOT_ADDED, name),
            &format!("not to be added: {name}"),
        )?;
    }
    let size = head(after, &new)?;
    ensure(
        size <= 20_480 || size <= head(before, &old)?,
        "request line and headers",
    )?;

    let Some(body) = after.get("body") else {
        return Ok(());
    };
    ensure(before.contains_key("body"), "a body out of nothing")?;
    let body = body.as_object().ok_or("body")?;
    ensure(text(body, "action")? == "replace", "action")?;
    ensure(text(body, "encoding")? == "text", "encoding")?;
    ensure(
        text(body, "data")?.len() <= 40 * KB,
        "a body that is cut off",
    )
}

fn head(request: &Map<String, Value>, fields: &[(String, Vec<String>)]) -> Result<usize, String> {
    let query = text(request, "querystring")?;
    let mark = usize::from(!query.is_empty());
    let target = text(request, "uri")?.len() + mark + query.len();
    let line = format!("{}  HTTP/1.1\r\n", text(request, "method")?).len() + target;
    let each = |(name, values): &(String, Vec<String>)| -> usize {
        values
            .iter()
            .map(|value| format!("{name}: {value}\r\n").len())
            .sum()
    };
    Ok(line + fields.iter().map(each).sum::<usize>())
}

/// Names and values of `headers`, which has to be a map from names in lower case.
fn fields(message: &Map<String, Value>) -> Result<Vec<(String, Vec<String>)>, String> {
    let headers = message
        .get("headers")
        .and_then(Value::as_object)
        .ok_or("headers")?;
    let mut fields = Vec::new();
    for (name, entries) in headers {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        ensure(
            !name.is_empty() && name.chars().all(is_name),
            "a header name",
        )?;
        ensure(*name == name.to_lowercase(), "a header name in upper case")?;
        let mut values = Vec::new();
        for entry in entries.as_array().ok_or("a header without a list")? {
            let entry = entry.as_object().ok_or("a header without an object")?;
            if entry.contains_key("key") {
                ensure(text(entry, "key")?.to_lowercase() == *name, "another key")?;
            }
            let value = text(entry, "value")?;
            let plain = |c: char| c == '\t' || !c.is_control();
            ensure(value.chars().all(plain), &format!("the value of {name}"))?;
            values.push(value.to_owned());
        }
        fields.push((name.clone(), values));
    }
    Ok(fields)
}

fn is_in(list: &str, name: &str) -> bool {
    list.split_whitespace().any(|listed| {
        let listed = listed.to_lowercase();
        match listed.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == listed,
        }
    })
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    let text = object.get(name).and_then(Value::as_str);
    text.ok_or_else(|| format!("{name} is no string"))
}

fn ensure(holds: bool, why: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why.to_owned()) }
}

/// A check that takes everything would prove nothing.
#[test]
fn the_rules_refuse_what_cloudfront_refuses() {
    let event = super::support::event();
    let good = event.pointer("/Records/0/cf/request").unwrap();
    check(&event, &good.to_string()).unwrap();
    for (pointer, value) in [
        ("/uri", serde_json::json!("planets")),
        ("/uri", serde_json::json!("/a b")),
        ("/uri", serde_json::json!(format!("/{}", "a".repeat(8191)))),
        ("/querystring", serde_json::json!("a#b")),
        ("/method", serde_json::json!("POST")),
        ("/clientIp", serde_json::json!("::1")),
        (
            "/headers/host",
            serde_json::json!([{ "key": "Host", "value": "b.example" }]),
        ),
        ("/headers/via", serde_json::json!([{ "value": "1.1 a" }])),
        ("/headers/x-edge-1", serde_json::json!([{ "value": "1" }])),
        ("/headers/x-real-ip", serde_json::json!([{ "value": "1" }])),
        (
            "/headers/cloudfront-viewer-country",
            serde_json::json!([{ "value": "NZ" }]),
        ),
        ("/headers/X-A", serde_json::json!([{ "value": "1" }])),
        (
            "/headers/x-a",
            serde_json::json!([{ "key": "X-B", "value": "1" }]),
        ),
        (
            "/headers/x-a",
            serde_json::json!([{ "key": "X-A", "value": "1\r\n" }]),
        ),
        (
            "/headers/x-a",
            serde_json::json!([{ "value": "a".repeat(20_480) }]),
        ),
        ("/headers/x-a", serde_json::json!("1")),
        (
            "/body",
            serde_json::json!({ "action": "replace", "encoding": "text", "data": "" }),
        ),
        ("/unknown", serde_json::json!(1)),
    ] {
        let mut bad = good.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        bad.pointer_mut(parent).unwrap()[name] = value;
        assert!(check(&event, &bad.to_string()).is_err(), "{pointer}");
    }
    let response = serde_json::json!({ "status": "403", "headers": {} });
    check(&event, &response.to_string()).unwrap();
    for (name, value) in [
        ("status", serde_json::json!(403)),
        ("status", serde_json::json!("199")),
        ("status", serde_json::json!("600")),
        ("body", serde_json::json!("text without an encoding")),
        ("other", serde_json::json!("")),
        (
            "headers",
            serde_json::json!({ "content-length": [{ "value": "0" }] }),
        ),
        (
            "headers",
            serde_json::json!({ "x-cache": [{ "value": "0" }] }),
        ),
        (
            "headers",
            serde_json::json!({ "x-a": [{ "value": "a".repeat(40 * KB) }] }),
        ),
    ] {
        let mut bad = response.clone();
        bad[name] = value;
        assert!(check(&event, &bad.to_string()).is_err(), "{name}");
    }
}
