//! Execute-api ARNs of every partition, and what is no such ARN.

use portcullis_aws::{InvalidArn, MAX_ARN_BYTES, MethodArn, Route};

#[test]
fn an_arn_comes_back_as_it_was() {
    for arn in [
        "arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET/",
        "arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET",
        "arn:aws-cn:execute-api:cn-north-1:123456789012:abc/prod/POST/a:b/c//d/../%2f?x*",
        "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:abc/$default/$default",
        "arn:aws:execute-api:us-east-1:123456789012:abc/prod/$connect",
        "arn:aws:execute-api:us-west-2:123456789012:ymy8tbxw7b/*/GET/",
        "arn:aws:execute-api:us-east-1:offlineContext_accountId:offlineContext_apiId/dev/GET/x",
    ] {
        assert_eq!(MethodArn::parse(arn).unwrap().to_string(), arn);
    }
}

#[test]
fn an_arn_has_its_parts() {
    let arn = "arn:aws-cn:execute-api:cn-north-1:123456789012:abc/$default/GET/a/b";
    let arn = MethodArn::parse(arn).unwrap();
    assert_eq!(arn.partition(), "aws-cn");
    assert_eq!(arn.region(), "cn-north-1");
    assert_eq!(arn.account(), "123456789012");
    assert_eq!(arn.api_id(), "abc");
    assert_eq!(arn.stage(), "$default");
    let Route::Method { method, path } = arn.route() else {
        panic!("{:?}", arn.route());
    };
    assert_eq!((method.as_str(), path.as_str()), ("GET", "/a/b"));
}

#[test]
fn only_the_whole_route_is_a_handshake() {
    let route = |route: &str| {
        let arn = format!("arn:aws:execute-api:us-east-1:1:abc/prod/{route}");
        MethodArn::parse(&arn).unwrap().route().clone()
    };
    assert_eq!(route("$connect"), Route::Connect);
    assert_eq!(route("$default"), Route::Default);
    for wrong in ["GET/$connect", "$connect/", "$connect/x", "GET/x/$connect"] {
        assert!(matches!(route(wrong), Route::Method { .. }), "{wrong}");
    }
}

#[test]
fn every_partition_has_its_own_hosts() {
    for (partition, region, host) in [
        (
            "aws",
            "eu-west-1",
            "abc.execute-api.eu-west-1.amazonaws.com",
        ),
        (
            "aws-us-gov",
            "us-gov-west-1",
            "abc.execute-api.us-gov-west-1.amazonaws.com",
        ),
        (
            "aws-cn",
            "cn-north-1",
            "abc.execute-api.cn-north-1.amazonaws.com.cn",
        ),
        (
            "aws-eusc",
            "eusc-de-east-1",
            "abc.execute-api.eusc-de-east-1.amazonaws.eu",
        ),
        (
            "aws-iso",
            "us-iso-east-1",
            "abc.execute-api.us-iso-east-1.c2s.ic.gov",
        ),
    ] {
        let arn = format!("arn:{partition}:execute-api:{region}:123456789012:abc/prod/GET/");
        assert_eq!(MethodArn::parse(&arn).unwrap().default_host(), host);
    }
}

#[test]
fn what_is_no_execute_api_arn_is_refused() {
    let long = format!(
        "arn:aws:execute-api:r:1:abc/prod/GET/{}",
        "x".repeat(MAX_ARN_BYTES)
    );
    let stage = format!("arn:aws:execute-api:r:1:abc/{}/GET/", "x".repeat(129));
    for (arn, why) in [
        ("", InvalidArn::Prefix),
        ("GET/planets", InvalidArn::Prefix),
        ("arn:", InvalidArn::Partition),
        (
            "arn:azure:execute-api:r:1:abc/prod/GET/",
            InvalidArn::Partition,
        ),
        (
            "arn:aws-*:execute-api:r:1:abc/prod/GET/",
            InvalidArn::Partition,
        ),
        ("arn:aws:lambda:r:1:function:x", InvalidArn::Service),
        ("arn:aws:execute-api:*:1:abc/prod/GET/", InvalidArn::Region),
        ("arn:aws:execute-api:r::abc/prod/GET/", InvalidArn::Account),
        ("arn:aws:execute-api:r:1", InvalidArn::ApiId),
        ("arn:aws:execute-api:r:1:*/prod/GET/", InvalidArn::ApiId),
        ("arn:aws:execute-api:r:1:abc", InvalidArn::Stage),
        ("arn:aws:execute-api:r:1:abc//GET/", InvalidArn::Stage),
        ("arn:aws:execute-api:r:1:abc/a b/GET/", InvalidArn::Stage),
        (&stage, InvalidArn::Stage),
        ("arn:aws:execute-api:r:1:abc/prod", InvalidArn::Method),
        ("arn:aws:execute-api:r:1:abc/prod//x", InvalidArn::Method),
        (
            "arn:aws:execute-api:r:1:abc/prod/G\u{e9}T/x",
            InvalidArn::Method,
        ),
        (&long, InvalidArn::TooLong),
    ] {
        assert_eq!(MethodArn::parse(arn).unwrap_err(), why, "{arn:.80}");
    }
}
