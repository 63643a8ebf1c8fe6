//! Each finding: when it is made, and when it is not.

use portcullis_discovery::{
    Account, Authorization, AuthorizationKind, Authorizer, Finding, FindingCode, FunctionView,
    InvokePermission, PolicyView, Protocol, Selection, Severity, doctor,
};
use portcullis_engine::{PolicySet, SourceFile, compile};

use crate::fake::{FakeApi, FakeAws, World, custom, function, lambda, run};

fn healthy() -> World {
    let api = FakeApi::new(
        "orders",
        Protocol::Rest,
        &["GET /orders", "OPTIONS /orders"],
    )
    .with(lambda("a1", "portcullis", "authorizer"))
    .authorized("GET /orders", custom("a1"))
    .deployed("prod");
    let mut world = World::new(vec![api]);
    permit(
        &mut world,
        "arn:aws:execute-api:eu-central-1:123456789012:orders/authorizers/a1",
    );
    world
}

fn permit(world: &mut World, source: &str) {
    let view = world.functions.get_mut(&function("authorizer")).unwrap();
    view.permissions = vec![InvokePermission {
        statement: Some("one".to_owned()),
        sources: vec![source.to_owned()],
        one_account: false,
        anyone: false,
    }];
}

fn account(world: World) -> Account {
    run(FakeAws::new(world).read(&Selection::default()))
}

fn codes(findings: &[Finding]) -> Vec<(Severity, FindingCode)> {
    findings
        .iter()
        .map(|one| (one.severity, one.code))
        .collect()
}

fn found(world: World) -> Vec<(Severity, FindingCode)> {
    codes(&doctor(&account(world), None))
}

fn with_authorizer(change: impl FnOnce(&mut Authorizer, &mut FunctionView)) -> World {
    let mut world = healthy();
    let view = world.functions.get_mut(&function("authorizer")).unwrap();
    change(&mut world.apis[0].authorizers[0], view);
    world
}

#[test]
fn a_healthy_account_has_no_findings() {
    assert_eq!(found(healthy()), []);
}

#[test]
fn a_route_that_nobody_authorizes() {
    let mut world = healthy();
    world.apis[0] = FakeApi::new("orders", Protocol::Rest, &["GET /orders"]).deployed("prod");
    assert_eq!(
        found(world),
        [(Severity::Error, FindingCode::UnprotectedRoute)]
    );
    let draft = World::new(vec![FakeApi::new(
        "orders",
        Protocol::Rest,
        &["GET /orders"],
    )]);
    assert_eq!(
        found(draft),
        [(Severity::Warning, FindingCode::UnprotectedRoute)]
    );
    let chat = FakeApi::new("chat", Protocol::WebSocket, &["$connect", "send"]).deployed("prod");
    assert_eq!(
        found(World::new(vec![chat])),
        [(Severity::Error, FindingCode::UnprotectedRoute)]
    );
}

#[test]
fn a_stage_that_still_serves_a_route_open() {
    let mut world = healthy();
    let open = world.apis[0].stages[0].deployed.as_mut().unwrap();
    open.insert("GET /orders".to_owned(), Authorization::NONE);
    assert_eq!(
        found(world),
        [(Severity::Error, FindingCode::UndeployedAuthorization)]
    );
}

#[test]
fn a_stage_that_does_not_serve_the_draft() {
    let mut world = healthy();
    world.apis[0].routes.retain(|one| one.method != "OPTIONS");
    let findings = doctor(&account(world), None);
    assert_eq!(
        codes(&findings),
        [(Severity::Warning, FindingCode::UndeployedChange)]
    );
    assert!(
        findings[0].message.contains("OPTIONS /orders goes away"),
        "{}",
        findings[0].message
    );
}

#[test]
fn permissions_that_are_missing_or_wide() {
    let mut world = healthy();
    permit(
        &mut world,
        "arn:aws:execute-api:eu-central-1:123456789012:orders/*/GET/*",
    );
    assert_eq!(
        found(world),
        [(Severity::Error, FindingCode::InvokePermissionMissing)]
    );
    let mut world = healthy();
    permit(
        &mut world,
        "arn:aws:execute-api:eu-central-1:123456789012:*",
    );
    assert_eq!(
        found(world),
        [(Severity::Warning, FindingCode::InvokePermissionWide)]
    );
    let world = with_authorizer(|_, view| view.permissions[0].sources.clear());
    assert_eq!(
        found(world),
        [(Severity::Error, FindingCode::InvokePermissionWide)]
    );
}

#[test]
fn a_function_that_is_gone() {
    let mut world = healthy();
    world.functions.clear();
    assert_eq!(
        found(world),
        [(Severity::Error, FindingCode::FunctionMissing)]
    );
}

#[test]
fn caches_that_keep_what_they_should_not() {
    let cached = |change: fn(&mut Authorizer, &mut FunctionView)| {
        found(with_authorizer(|authorizer, view| {
            authorizer.ttl = 300;
            view.cache_ttl = Some(300);
            change(authorizer, view);
        }))
    };
    assert_eq!(cached(|_, _| ()), []);
    assert_eq!(
        cached(|_, view| view.cache_ttl = None),
        [(Severity::Error, FindingCode::CacheTtlMismatch)]
    );
    assert_eq!(
        cached(|_, view| view.cache_ttl = Some(60)),
        [(Severity::Warning, FindingCode::CacheTtlMismatch)]
    );
    assert_eq!(
        cached(|authorizer, _| authorizer.ttl = 0),
        [(Severity::Warning, FindingCode::CacheTtlMismatch)]
    );
    assert_eq!(
        cached(|authorizer, _| authorizer.identity_sources = vec!["context.path".to_owned()]),
        [(Severity::Error, FindingCode::CacheWithoutCredential)]
    );
    assert_eq!(
        cached(|authorizer, _| authorizer.simple_responses = true),
        [(Severity::Error, FindingCode::CachedSimpleResponse)]
    );
}

#[test]
fn answers_for_one_request_are_not_to_be_cached_whatever_the_function_is_told() {
    for (variable, never) in [
        ("SERVICE_URL", true),
        ("SECRET_HEADER_VALUE_ARN", true),
        ("AUTHZEN_PDP_URL", true),
        ("ACP_ISSUER_URL", true),
        ("PORTCULLIS_ISSUER", false),
        ("PORTCULLIS_BUNDLE", false),
    ] {
        for told in [None, Some(300)] {
            let found = found(with_authorizer(|authorizer, view| {
                authorizer.ttl = 300;
                *view = FunctionView {
                    permissions: view.permissions.clone(),
                    cache_ttl: told,
                    ..FunctionView::of_variables(|name| (name == variable).then_some("set"))
                };
            }));
            let expected = match (never, told) {
                (true, _) => vec![(Severity::Error, FindingCode::CacheContradictsDecisionPoint)],
                (false, None) => vec![(Severity::Error, FindingCode::CacheTtlMismatch)],
                (false, Some(_)) => vec![],
            };
            assert_eq!(found, expected, "{variable}, told {told:?}");
        }
    }
}

#[test]
fn who_decides_is_read_from_the_variables_of_the_function() {
    let view = |variables: &'static [(&'static str, &'static str)]| {
        FunctionView::of_variables(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| *value)
        })
    };
    let cloudentity = view(&[
        ("ACP_ISSUER_URL", " https://acp.example.com/t1/system "),
        ("PORTCULLIS_CACHE_TTL", "300s"),
    ]);
    assert_eq!(cloudentity.decision_point.as_deref(), Some("cloudentity"));
    assert_eq!(cloudentity.cache_ttl, Some(300));
    assert!(cloudentity.is_portcullis);
    // CloudFormation passes an empty parameter on as an empty variable.
    assert_eq!(
        view(&[("ACP_ISSUER_URL", ""), ("UNRELATED", "x")]),
        FunctionView::default()
    );
    let chosen = view(&[
        ("ACP_ISSUER_URL", "x"),
        ("PORTCULLIS_DECISION_POINT", "bundle"),
    ]);
    assert_eq!(chosen.decision_point.as_deref(), Some("bundle"));
    // The credential and the issuer belong to the AuthZEN service where there is one.
    let authzen = view(&[
        ("PORTCULLIS_ISSUER", "x"),
        ("SECRET_HEADER_VALUE", "x"),
        ("AUTHZEN_PDP_URL", "x"),
    ]);
    assert_eq!(authzen.decision_point.as_deref(), Some("authzen"));
}

#[test]
fn a_function_that_answers_in_another_form() {
    let mut web = FakeApi::new("orders", Protocol::Http, &["GET /orders"])
        .with(Authorizer {
            payload_format: Some("2.0".to_owned()),
            simple_responses: true,
            identity_sources: vec!["$request.header.Authorization".to_owned()],
            ..lambda("a1", "portcullis", "authorizer")
        })
        .auto_deployed();
    web.route("GET /orders").authorization = custom("a1");
    let mut world = healthy();
    world.apis = vec![web];
    assert_eq!(
        found(world),
        [(Severity::Error, FindingCode::HttpResponseMismatch)]
    );
}

#[test]
fn an_authorizer_that_nobody_uses() {
    let mut world = healthy();
    world.apis[0].authorizers.push(Authorizer {
        has_role: true,
        ..lambda("a2", "spare", "authorizer")
    });
    assert_eq!(
        found(world),
        [(Severity::Note, FindingCode::AuthorizerUnused)]
    );
}

fn policy(operations: &str) -> PolicySet {
    let text = [
        "name: Orders",
        "aws: [{ api_id: orders, stage: prod }]",
        "tokens: [{ issuer: https://idp.example.com, audiences: [api] }]",
        "paths: plain",
        "operations:",
        operations,
    ];
    let files = [SourceFile {
        path: "services/orders.yaml".to_owned(),
        text: text.join("\n"),
    }];
    compile(&files, &[]).unwrap()
}

fn held_against(world: World, operations: &str) -> Vec<(Severity, FindingCode)> {
    let policy = policy(operations);
    codes(&doctor(&account(world), Some(PolicyView::new(&policy))))
}

const GUARDED: &str = "  - name: Orders\n    methods: [GET]\n    paths: [/orders]\n";
const PUBLIC: &str =
    "  - name: Orders\n    methods: [GET]\n    paths: [/orders]\n    public: true\n";

#[test]
fn identity_sources_that_keep_callers_from_what_is_public() {
    assert_eq!(held_against(healthy(), GUARDED), []);
    assert_eq!(
        held_against(healthy(), PUBLIC),
        [(Severity::Error, FindingCode::IdentitySourceBlocksPublic)]
    );
    let without = with_authorizer(|authorizer, _| authorizer.identity_sources.clear());
    assert_eq!(held_against(without, PUBLIC), []);
}

#[test]
fn a_route_that_is_public_needs_no_authorizer() {
    let open = || {
        let api = FakeApi::new("orders", Protocol::Rest, &["GET /orders"]).deployed("prod");
        World::new(vec![api])
    };
    assert_eq!(held_against(open(), PUBLIC), []);
    assert_eq!(
        held_against(open(), GUARDED),
        [(Severity::Error, FindingCode::UnprotectedRoute)]
    );
    // What the route takes beside the public operation is not public.
    let api = FakeApi::new("orders", Protocol::Rest, &["ANY /{proxy+}"]).deployed("prod");
    assert_eq!(
        held_against(World::new(vec![api]), PUBLIC),
        [(Severity::Error, FindingCode::UnprotectedRoute)]
    );
}

#[test]
fn caches_that_the_policy_does_not_allow() {
    let cached = || {
        with_authorizer(|authorizer, view| {
            authorizer.ttl = 300;
            view.cache_ttl = Some(300);
        })
    };
    assert_eq!(held_against(cached(), GUARDED), []);
    for asked in [
        "rules: { authentication: { max_age: 600 } }",
        "rules: { sender_constraint: dpop }",
        "statements: [{ code: set-headers, payload: { X-Tier: gold } }]",
    ] {
        let found = held_against(cached(), &format!("{GUARDED}    {asked}\n"));
        let expected = [(Severity::Error, FindingCode::CacheContradictsPolicy)];
        assert_eq!(found, expected, "{asked}");
        let off = with_authorizer(|_, _| ());
        assert_eq!(held_against(off, &format!("{GUARDED}    {asked}\n")), []);
    }
}

#[test]
fn a_policy_about_other_apis() {
    let mut world = healthy();
    world.apis[0].head.id = "else".to_owned();
    permit(
        &mut world,
        "arn:aws:execute-api:eu-central-1:123456789012:else/authorizers/a1",
    );
    assert_eq!(
        held_against(world, GUARDED),
        [(Severity::Warning, FindingCode::PolicyCoversNoApi)]
    );
}

#[test]
fn what_is_authorized_otherwise_is_authorized() {
    let mut world = healthy();
    world.apis[0].route("GET /orders").authorization.kind = AuthorizationKind::Cognito;
    world.apis[0].stages[0].deployed = Some(world.apis[0].snapshot());
    assert_eq!(found(world), []);
}
