//! What a plan takes, what it leaves alone, and what it says.

use portcullis_discovery::{
    AuthorizationKind, AuthorizerSpec, AwsApis, BindingState, Change, Include, InvalidTarget,
    InvokePermission, Plan, Protocol, Selection, Target, apply, plan, plan_unbinding,
};

use crate::fake::{FakeApi, FakeAws, World, custom, fresh, function, lambda, of_kind, run, target};

fn orders() -> FakeApi {
    FakeApi::new(
        "orders",
        Protocol::Rest,
        &[
            "GET /orders",
            "POST /orders",
            "OPTIONS /orders",
            "GET /health",
        ],
    )
    .with(lambda("old1", "old", "other"))
    .authorized("POST /orders", custom("old1"))
    .authorized("GET /health", of_kind(AuthorizationKind::AwsIam))
    .deployed("prod")
}

fn planned(world: World, selection: &Selection, include: Include, deploy: bool) -> Plan {
    let account = run(FakeAws::new(world).read(selection));
    plan(
        &account,
        selection,
        include,
        &target(),
        deploy,
        &fresh(&account),
    )
}

fn sentences(plan: &Plan) -> Vec<String> {
    let steps = plan
        .apis
        .iter()
        .flat_map(|api| api.changes.iter().map(move |one| one.sentence(api)));
    steps.collect()
}

#[test]
fn options_and_what_is_authorized_already_are_left_alone() {
    let world = World::new(vec![orders()]);
    let plan = planned(world, &Selection::default(), Include::default(), true);
    insta::assert_snapshot!(sentences(&plan).join("\n"), @r"
    create authorizer portcullis: arn:aws:lambda:eu-central-1:123456789012:function:authorizer, identity source method.request.header.Authorization, no cache
    let authorizer portcullis of this API, and nothing else, invoke authorizer
    authorize GET /orders by portcullis
    tag the API portcullis:bound = portcullis
    deploy stage prod
    ");
    let api = plan.apis.first().unwrap();
    let skipped: Vec<_> = api
        .skipped
        .iter()
        .map(|(route, why)| format!("{route}: {why}"))
        .collect();
    insta::assert_snapshot!(skipped.join("\n"), @r"
    GET /health: AWS_IAM authorizes it already (--replace-authorizers takes it)
    OPTIONS /orders: browsers send OPTIONS without credentials (--include-options takes it)
    POST /orders: CUSTOM old authorizes it already (--replace-authorizers takes it)
    ");
}

#[test]
fn they_are_taken_when_asked_for() {
    let include = Include {
        options: true,
        authorized: true,
    };
    let plan = planned(
        World::new(vec![orders()]),
        &Selection::default(),
        include,
        false,
    );
    let bound: Vec<_> = sentences(&plan)
        .into_iter()
        .filter(|one| one.starts_with("authorize"))
        .collect();
    insta::assert_snapshot!(bound.join("\n"), @r"
    authorize GET /health by portcullis instead of AWS_IAM
    authorize GET /orders by portcullis
    authorize OPTIONS /orders by portcullis
    authorize POST /orders by portcullis instead of CUSTOM
    ");
}

#[test]
fn nothing_is_deployed_unless_asked_for_and_the_plan_says_so() {
    let plan = planned(
        World::new(vec![orders()]),
        &Selection::default(),
        Include::default(),
        false,
    );
    assert!(!sentences(&plan).iter().any(|one| one.starts_with("deploy")));
    let notes = &plan.apis.first().unwrap().notes;
    assert!(
        notes
            .iter()
            .any(|one| one.contains("stage prod serves what was deployed before")),
        "{notes:?}"
    );
}

#[test]
fn a_deployment_says_what_else_goes_live_with_it() {
    let mut api = orders();
    api.route("GET /health").authorization = of_kind(AuthorizationKind::None);
    api.routes.retain(|one| one.key() != "OPTIONS /orders");
    let include = Include::default();
    let selection = Selection::default();
    let world = World::new(vec![api]);
    let account = run(FakeAws::new(world).read(&selection));
    // GET /health is taken, so that it changes is the plan's own doing.
    let plan = plan(
        &account,
        &selection,
        include,
        &target(),
        true,
        &fresh(&account),
    );
    let last = sentences(&plan).pop().unwrap();
    assert_eq!(
        last,
        "deploy stage prod, and with it: OPTIONS /orders goes away"
    );
}

#[test]
fn only_connect_of_a_websocket_api_is_bound() {
    let api = FakeApi::new(
        "chat",
        Protocol::WebSocket,
        &["$connect", "$default", "send"],
    )
    .deployed("prod");
    let plan = planned(
        World::new(vec![api]),
        &Selection::default(),
        Include::default(),
        true,
    );
    let api = plan.apis.first().unwrap();
    let bound: Vec<_> = api
        .changes
        .iter()
        .filter_map(|one| match one {
            Change::Bind { route, .. } => Some(route.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(bound, ["$connect"]);
    assert_eq!(
        sentences(&plan).pop().unwrap(),
        "deploy stage prod, and with it: whatever else was changed since its last deployment"
    );
}

#[test]
fn a_stage_that_deploys_by_itself_is_not_deployed() {
    let api = FakeApi::new("web", Protocol::Http, &["GET /planets", "$default"]).auto_deployed();
    let plan = planned(
        World::new(vec![api]),
        &Selection::default(),
        Include::default(),
        true,
    );
    let api = plan.apis.first().unwrap();
    assert!(
        !api.changes
            .iter()
            .any(|one| matches!(one, Change::Deploy { .. }))
    );
    assert_eq!(
        api.notes,
        ["stage $default deploys by itself: the routes are authorized at once"]
    );
}

#[test]
fn two_apis_with_the_same_routes_are_two_apis() {
    let apis = ["one", "two"]
        .map(|id| FakeApi::new(id, Protocol::Rest, &["GET /planets"]).deployed("prod"));
    let selection = Selection {
        ids: vec!["two".to_owned()],
        ..Selection::default()
    };
    let plan = planned(
        World::new(apis.to_vec()),
        &selection,
        Include::default(),
        true,
    );
    let ids: Vec<_> = plan.apis.iter().map(|api| api.id.as_str()).collect();
    assert_eq!(ids, ["two"]);
}

#[test]
fn every_condition_of_a_selection_has_to_hold() {
    let mut tagged = FakeApi::new("one", Protocol::Rest, &["GET /a"]).deployed("prod");
    tagged
        .head
        .tags
        .insert("team".to_owned(), "shop".to_owned());
    let other = FakeApi::new("two", Protocol::Http, &["GET /a"]).auto_deployed();
    let world = World::new(vec![tagged, other]);
    let ids = |selection: Selection| {
        let plan = planned(world.clone(), &selection, Include::default(), false);
        plan.apis.into_iter().map(|api| api.id).collect::<Vec<_>>()
    };
    let tag = |value: Option<&str>| Selection {
        tags: [("team".to_owned(), value.map(str::to_owned))].into(),
        ..Selection::default()
    };
    assert_eq!(ids(tag(None)), ["one"]);
    assert_eq!(ids(tag(Some("shop"))), ["one"]);
    assert!(ids(tag(Some("else"))).is_empty());
    let stage = |name: &str| Selection {
        stages: vec![name.to_owned()],
        ..Selection::default()
    };
    assert_eq!(ids(stage("$default")), ["two"]);
    assert!(ids(stage("nowhere")).is_empty());
    let name = Selection {
        names: vec!["the o*".to_owned()],
        protocols: vec![Protocol::Rest, Protocol::WebSocket],
        ..tag(None)
    };
    assert_eq!(ids(name), ["one"]);
}

#[test]
fn an_authorizer_of_the_name_that_is_another_one_is_a_conflict() {
    let cases = [
        (
            lambda("a1", "portcullis", "other"),
            "calls arn:aws:lambda:eu-central-1:123456789012:function:other",
        ),
        (
            portcullis_discovery::Authorizer {
                ttl: 300,
                ..lambda("a1", "portcullis", "authorizer")
            },
            "it caches for 300 s, not 0",
        ),
        (
            portcullis_discovery::Authorizer {
                identity_sources: Vec::new(),
                ..lambda("a1", "portcullis", "authorizer")
            },
            "its identity source is nothing, not method.request.header.Authorization",
        ),
    ];
    for (authorizer, expected) in cases {
        let api = FakeApi::new("orders", Protocol::Rest, &["GET /orders"]).with(authorizer);
        let plan = planned(
            World::new(vec![api]),
            &Selection::default(),
            Include::default(),
            true,
        );
        assert_eq!(plan.changes(), 0);
        let conflict = plan.apis.first().unwrap().conflict.clone().unwrap();
        assert!(conflict.contains(expected), "{conflict}");
    }
}

#[test]
fn a_function_that_is_not_there_is_a_conflict() {
    let api = FakeApi::new("orders", Protocol::Rest, &["GET /orders"]);
    let mut world = World::new(vec![api]);
    world.functions.clear();
    let plan = planned(world, &Selection::default(), Include::default(), true);
    assert_eq!(plan.changes(), 0);
    assert!(plan.has_conflict());
}

#[test]
fn an_api_that_is_bound_elsewhere_has_to_be_unbound_first() {
    let api = FakeApi::new("orders", Protocol::Rest, &["GET /orders"]);
    let account = run(FakeAws::new(World::new(vec![api])).read(&Selection::default()));
    let text = serde_json::json!({
        "version": 1, "account": account.id, "region": account.region,
        "apis": {"orders": {
            "name": "the orders", "protocol": "rest", "function": function("older").as_str(),
            "authorizer_name": "portcullis", "authorizer": "a1", "authorizer_created": true, "permission": null,
            "tagged": true, "routes": {}, "undeployed": []
        }}
    });
    let state: BindingState = serde_json::from_value(text).unwrap();
    state.check(&account).unwrap();
    let plan = plan(
        &account,
        &Selection::default(),
        Include::default(),
        &target(),
        true,
        &state,
    );
    assert!(plan.has_conflict());
    assert_eq!(plan.changes(), 0);
}

#[test]
fn a_permission_that_covers_the_authorizer_is_not_added_again() {
    let api = FakeApi::new("orders", Protocol::Rest, &["GET /orders"]);
    let mut world = World::new(vec![api]);
    for (source, expected) in [
        (
            "arn:aws:execute-api:eu-central-1:123456789012:orders/*",
            false,
        ),
        (
            "arn:aws:execute-api:eu-central-1:123456789012:orders/authorizers/*",
            false,
        ),
        ("arn:aws:execute-api:eu-central-1:123456789012:else/*", true),
        (
            "arn:aws:execute-api:eu-central-1:123456789012:orders/*/GET/*",
            true,
        ),
    ] {
        let view = world.functions.get_mut(&function("authorizer")).unwrap();
        view.permissions = vec![InvokePermission {
            statement: None,
            sources: vec![source.to_owned()],
            one_account: false,
            anyone: false,
        }];
        let plan = planned(
            world.clone(),
            &Selection::default(),
            Include::default(),
            false,
        );
        let adds = plan
            .apis
            .first()
            .unwrap()
            .changes
            .contains(&Change::AddPermission);
        assert_eq!(adds, expected, "{source}");
    }
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let spec = AuthorizerSpec::default;
    let cases = [
        (
            AuthorizerSpec {
                ttl: 3601,
                ..spec()
            },
            InvalidTarget::Ttl(3601),
        ),
        (
            AuthorizerSpec {
                ttl: 300,
                require_authorization: false,
                ..spec()
            },
            InvalidTarget::CacheWithoutKey,
        ),
        (
            AuthorizerSpec {
                ttl: 300,
                simple_responses: true,
                ..spec()
            },
            InvalidTarget::CachedSimpleResponse,
        ),
        (
            AuthorizerSpec {
                name: "a b".to_owned(),
                ..spec()
            },
            InvalidTarget::Name("a b".to_owned()),
        ),
    ];
    for (spec, expected) in cases {
        assert_eq!(Target::new(function("f"), spec).unwrap_err(), expected);
    }
}

#[test]
fn a_stage_that_somebody_else_deployed_is_deployed_once() {
    let api = FakeApi::new("orders", Protocol::Rest, &["GET /orders"]).deployed("prod");
    let before = World::new(vec![api]);
    run(async {
        let all = Selection::default();
        let aws = FakeAws::new(before.clone());
        let account = aws.read(&all).await;
        let mut state = fresh(&account);
        let first = plan(&account, &all, Include::default(), &target(), false, &state);
        apply(&aws, &first, &mut state, |_| Ok(()), |_, _| ())
            .await
            .unwrap();

        // Not deployed yet: what was there before is what is served, so freeing it needs no deployment.
        let account = aws.read(&all).await;
        let free = plan_unbinding(&account, &all, false, &state);
        assert!(free.apis[0].changes.contains(&Change::Forget), "{free:#?}");

        aws.deploy(Protocol::Rest, "orders", "prod", "by hand")
            .await
            .unwrap();
        let account = aws.read(&all).await;
        let again = plan(&account, &all, Include::default(), &target(), true, &state);
        assert_eq!(again.changes(), 0, "{again:#?}");
        let free = plan_unbinding(&account, &all, false, &state);
        assert!(
            !free.apis[0].changes.contains(&Change::Forget),
            "it is served by now: {free:#?}"
        );
    });
}
