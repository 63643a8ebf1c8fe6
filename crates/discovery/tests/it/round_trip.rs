//! Of any account: after a plan was carried out there is nothing left to do, and unbinding leaves the account as it
//! was.

use portcullis_discovery::{
    Authorization, AuthorizationKind, Include, Protocol, Selection, apply, plan, plan_unbinding,
};
use proptest::prelude::*;

use crate::fake::{FakeApi, FakeAws, World, custom, fresh, lambda, of_kind, run, target};

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![
        Just(Protocol::Rest),
        Just(Protocol::Http),
        Just(Protocol::WebSocket)
    ]
}

fn authorization(protocol: Protocol) -> BoxedStrategy<Authorization> {
    let scoped = Authorization {
        kind: if protocol == Protocol::Rest {
            AuthorizationKind::Cognito
        } else {
            AuthorizationKind::Jwt
        },
        authorizer: Some("old1".to_owned()),
        scopes: vec!["a".to_owned(), "b".to_owned()],
    };
    prop_oneof![
        3 => Just(Authorization::NONE),
        1 => Just(of_kind(AuthorizationKind::AwsIam)),
        1 => Just(custom("old1")),
        1 => Just(scoped),
    ]
    .boxed()
}

fn api(number: usize) -> impl Strategy<Value = FakeApi> {
    protocol().prop_flat_map(move |protocol| {
        let keys = match protocol {
            Protocol::WebSocket => vec!["$connect", "$default"],
            _ => vec!["GET /a", "POST /a", "OPTIONS /a", "ANY /{proxy+}"],
        };
        let authorizations = proptest::collection::vec(authorization(protocol), keys.len());
        let stages = prop_oneof![Just(0), Just(1), Just(2), Just(3)];
        (authorizations, stages).prop_map(move |(authorizations, stages)| {
            let mut api = FakeApi::new(&format!("api{number}"), protocol, &keys)
                .with(lambda("old1", "old", "other"));
            for (key, authorization) in keys.iter().zip(authorizations) {
                api.route(key).authorization = authorization;
            }
            if stages == 3 && protocol == Protocol::Http {
                return api.auto_deployed();
            }
            (0..stages).fold(api, |api, number| api.deployed(&format!("stage{number}")))
        })
    })
}

fn include() -> impl Strategy<Value = Include> {
    (any::<bool>(), any::<bool>()).prop_map(|(options, authorized)| Include {
        options,
        authorized,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn bound_is_bound_and_unbound_is_as_before(
        apis in (api(1), api(2)),
        include in include(),
        deploy in any::<bool>(),
    ) {
        let before = World::new(vec![apis.0, apis.1]);
        let aws = FakeAws::new(before.clone());
        let all = Selection::default();
        run(async {
            let account = aws.read(&all).await;
            let mut state = fresh(&account);
            let first = plan(&account, &all, include, &target(), deploy, &state);
            let number = first.changes();
            apply(&aws, &first, &mut state, |_| Ok(()), |_, _| ()).await.unwrap();
            prop_assert_eq!(aws.changes(), number);

            let account = aws.read(&all).await;
            let again = plan(&account, &all, include, &target(), deploy, &state);
            prop_assert_eq!(again.changes(), 0, "{:#?}", again);
            if deploy {
                // What the draft says is what callers meet.
                for api in aws.world().apis {
                    for (key, authorization) in api.snapshot() {
                        for stage in &api.stages {
                            prop_assert_eq!(api.served(&stage.name, &key), Some(authorization.clone()));
                        }
                    }
                }
            }

            let free = plan_unbinding(&account, &all, true, &state);
            apply(&aws, &free, &mut state, |_| Ok(()), |_, _| ()).await.unwrap();
            prop_assert!(state.apis.is_empty());
            let account = aws.read(&all).await;
            prop_assert_eq!(plan_unbinding(&account, &all, true, &state).changes(), 0);
            prop_assert_eq!(aws.world(), before);
            Ok(())
        })?;
    }
}
