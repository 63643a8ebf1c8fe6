//! Gateways of the Cloudentity protocol, and changes of drafts, groups and deployment in one.

use portcullis_store::{
    ApiGroup, Change, CloudentityGateway, DraftChange, DraftKind, GatewaySettings,
    NewCloudentityGateway, NewDeployment, NewDraft, Sha256, Store, StoreError, UnixMillis,
};
use serde_json::json;

use crate::backend::{at, deployment, draft, id, name, on_both, service};

fn settings(called: &str) -> GatewaySettings {
    GatewaySettings {
        name: name(called),
        description: "for \u{e9}".to_owned(),
        default_policy_id: Some(id("block")),
        jwks: None,
    }
}

async fn gateway(store: &Store, called: &str) -> CloudentityGateway {
    let mut digest = [7; 32];
    digest[0] = called.len().try_into().unwrap();
    let new = NewCloudentityGateway {
        id: id(called),
        kind: name("aws"),
        settings: settings(called),
        server_id: id("okta"),
        auto_bind: true,
        credential_id: id(&format!("{called}-1")),
        sha256: Sha256::from(digest),
    };
    store.create_cloudentity_gateway(new, at(1)).await.unwrap()
}

fn operation(parent: &str, called: &str) -> NewDraft {
    draft(DraftKind::Operation, Some(parent), called, json!({}))
}

fn group(gateway: &str, called: &str) -> ApiGroup {
    ApiGroup {
        gateway_id: id(gateway),
        id: name(called),
        name: name("PetStore"),
        body: json!({ "apis": [] }),
        service_id: None,
    }
}

on_both! {
    async fn a_gateway_is_made_read_changed_and_deleted(backend) {
        let store = backend.open().await;
        let made = gateway(&store, "one").await;
        assert_eq!(store.cloudentity_gateway(&id("one")).await.unwrap(), Some(made.clone()));
        assert_eq!(store.cloudentity_gateways().await.unwrap(), std::slice::from_ref(&made));
        let taken = NewCloudentityGateway {
            id: id("two"),
            kind: name("aws"),
            settings: settings("one"),
            server_id: id("okta"),
            auto_bind: false,
            credential_id: id("c"),
            sha256: Sha256::from([9; 32]),
        };
        let error = store.create_cloudentity_gateway(taken, at(2)).await.unwrap_err();
        assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error:?}");
        assert_eq!(store.credentials_of(&id("two")).await.unwrap(), []);
        assert_eq!(store.credentials_of(&id("one")).await.unwrap().len(), 1);
        assert_eq!(store.credentials(at(2)).await.unwrap(), [], "good for the token endpoint alone");
        let new = GatewaySettings { default_policy_id: None, jwks: Some("{}".to_owned()), ..settings("renamed") };
        let changed = store.update_cloudentity_gateway(&id("one"), made.version, &new).await.unwrap();
        assert_eq!((changed.settings.clone(), changed.gateway.name.clone()), (new.clone(), name("renamed")));
        let error = store.update_cloudentity_gateway(&id("one"), made.version, &new).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict { current } if current == changed.version), "{error:?}");
        for (time, stored) in [(100_000, 100_000), (105_000, 100_000), (110_001, 110_001)] {
            store.touch_cloudentity_gateway(&id("one"), at(time), 10_000).await.unwrap();
            let read = store.cloudentity_gateway(&id("one")).await.unwrap().unwrap();
            assert_eq!(read.last_active, Some(UnixMillis(stored)));
        }
        let workspace = store.workspace().await.unwrap();
        let change = Change { groups: vec![group("one", "g")], ..Change::default() };
        store.apply(&workspace, &change, at(3)).await.unwrap();
        store.delete_gateway(&id("one")).await.unwrap();
        assert_eq!(store.cloudentity_gateway(&id("one")).await.unwrap(), None);
        assert_eq!(store.workspace().await.unwrap().groups, []);
        let error = store.update_cloudentity_gateway(&id("one"), 1, &new).await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
        let long = GatewaySettings { description: "x".repeat(1025), ..settings("x") };
        let error = store.update_cloudentity_gateway(&id("one"), 1, &long).await.unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { .. }), "{error:?}");
    }

    async fn a_change_happens_in_full_or_not_at_all(backend) {
        let store = backend.open().await;
        gateway(&store, "one").await;
        store.create_draft(service("old"), None, at(1)).await.unwrap();
        store.create_draft(operation("top.old", "gone"), None, at(1)).await.unwrap();
        let before = store.workspace().await.unwrap();
        assert_eq!(store.moment().await.unwrap(), before.moment());
        let update = DraftChange { name: name("renamed"), body: json!({ "x": 1 }) };
        let change = Change {
            delete: vec![id("top.old.gone")],
            create: vec![service("new"), operation("top.new", "read")],
            update: vec![(id("top.old"), update)],
            groups: vec![ApiGroup { service_id: Some(id("top.new")), ..group("one", "g") }],
            deployment: Some(NewDeployment { after: Some(0), ..deployment("first") }),
            ..Change::default()
        };
        store.apply(&before, &change, at(2)).await.unwrap();
        let after = store.workspace().await.unwrap();
        assert_ne!(after.moment(), before.moment());
        let names: Vec<_> = after.drafts.iter().map(|draft| draft.name.as_str()).collect();
        assert_eq!(names, ["renamed", "new", "read"]);
        assert_eq!(after.drafts[0].body, json!({ "x": 1 }));
        let mut versions: Vec<_> = after.drafts.iter().map(|draft| draft.version).collect();
        versions.sort_unstable();
        versions.dedup();
        assert_eq!(versions.len(), 3);
        assert_eq!(after.groups[0].service_id, Some(id("top.new")));
        assert_eq!(after.deployment.as_ref().unwrap().summary.number, 1);

        // Whoever has read what was there before is told so, and has changed nothing.
        let error = store.apply(&before, &change, at(3)).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
        let again = Change { deployment: change.deployment.clone(), ..Change::default() };
        let error = store.apply(&after, &again, at(3)).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict { current: 1 }), "{error:?}");
        for bad in [
            Change { create: vec![service("fresh"), service("new")], ..Change::default() },
            Change { create: vec![service("fresh")], groups: vec![group("nobody", "g")], ..Change::default() },
        ] {
            assert!(store.apply(&after, &bad, at(3)).await.is_err());
        }
        let unchanged = store.workspace().await.unwrap();
        assert_eq!((unchanged.moment(), unchanged.drafts), (after.moment(), after.drafts.clone()));
        let forget = Change {
            delete: vec![id("top.new")],
            forget: vec![(id("one"), name("g"))],
            ..Change::default()
        };
        store.apply(&after, &forget, at(4)).await.unwrap();
        let last = store.workspace().await.unwrap();
        assert_eq!((last.drafts.len(), last.groups.len()), (1, 0));
        assert_eq!(last.drafts[0].kind, DraftKind::ApiService);

        // A gateway goes with its groups, or stays where the change cannot be made.
        let again = Change { groups: vec![group("one", "g")], ..Change::default() };
        store.apply(&last, &again, at(5)).await.unwrap();
        let with_group = store.workspace().await.unwrap();
        let without = Change { delete_gateway: Some(id("one")), ..Change::default() };
        assert!(!without.is_empty());
        let error = store.apply(&last, &without, at(6)).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
        let bad = Change { create: vec![service("x"), service("x")], ..without.clone() };
        assert!(store.apply(&with_group, &bad, at(6)).await.is_err());
        assert!(store.cloudentity_gateway(&id("one")).await.unwrap().is_some());
        store.apply(&with_group, &without, at(6)).await.unwrap();
        assert!(store.cloudentity_gateway(&id("one")).await.unwrap().is_none());
        let left = store.workspace().await.unwrap();
        assert_eq!(left.groups, []);
        let error = store.apply(&left, &without, at(7)).await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound { what: "gateway" }), "{error:?}");
    }

    async fn of_two_changes_at_once_one_is_told_to_look_again(backend) {
        let store = backend.open().await;
        let before = store.workspace().await.unwrap();
        let change = |called: &str| Change { create: vec![service(called)], ..Change::default() };
        let (one, other) = (change("a"), change("b"));
        let (one, other) = tokio::join!(store.apply(&before, &one, at(1)), store.apply(&before, &other, at(1)));
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
        assert_eq!(store.workspace().await.unwrap().drafts.len(), 1);
    }

    async fn one_signing_key_wins_and_an_assertion_is_noted_once(backend) {
        let store = backend.open().await;
        let (key, other) = (Sha256::from([1; 32]), Sha256::from([2; 32]));
        let (one, two) = tokio::join!(store.signing_key(&key, "one", at(1)), store.signing_key(&key, "two", at(1)));
        let won = one.unwrap();
        assert_eq!(won, two.unwrap());
        assert_eq!(store.signing_key(&key, "three", at(2)).await.unwrap(), won);
        assert_eq!(store.signing_key(&other, "four", at(2)).await.unwrap(), "four");
        let (one, two) = tokio::join!(store.note_assertion(&key, at(100), at(1)), store.note_assertion(&key, at(100), at(1)));
        assert!(one.unwrap() != two.unwrap());
        assert!(!store.note_assertion(&key, at(100), at(100)).await.unwrap());
        assert!(store.note_assertion(&key, at(300), at(101)).await.unwrap(), "forgotten when it has expired");
    }
}
