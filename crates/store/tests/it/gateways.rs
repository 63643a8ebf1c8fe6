//! Gateways and their credentials: who is found, how many may live, and when they were used.

use portcullis_store::{NewGatewayCredential, Standing, Store, StoreError};

use crate::backend::{at, digest, id, name, on_both};

async fn register(store: &Store, called: &str) {
    let made = store
        .create_gateway(
            id(called),
            name(&called.to_uppercase()),
            name("rest-api"),
            at(1),
        )
        .await
        .unwrap();
    assert_eq!(store.gateway(&made.id).await.unwrap(), Some(made));
}

fn credential(gateway: &str, number: usize, expires_at: Option<i64>) -> NewGatewayCredential {
    NewGatewayCredential {
        id: id(&format!("c{number}")),
        gateway_id: id(gateway),
        sha256: digest(number),
        expires_at: expires_at.map(at),
    }
}

on_both! {
    async fn a_gateway_has_an_id_and_a_name_of_its_own(backend) {
        let store = backend.open().await;
        register(&store, "b").await;
        register(&store, "a").await;
        for (other_id, other_name) in [("b", "X"), ("x", "B")] {
            let error = store
                .create_gateway(id(other_id), name(other_name), name("rest-api"), at(1))
                .await
                .unwrap_err();
            assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error:?}");
        }
        let first = store.gateways(None, 1).await.unwrap();
        let rest = store.gateways(Some(first[0].position), 100).await.unwrap();
        let ids: Vec<_> = first.iter().chain(&rest).map(|one| one.id.as_str()).collect();
        assert_eq!(ids, ["b", "a"]);
        assert_eq!(first[0].kind, name("rest-api"));
        assert_eq!(store.gateway(&id("x")).await.unwrap(), None);
    }

    async fn a_credential_is_found_with_its_gateway(backend) {
        let store = backend.open().await;
        register(&store, "g").await;
        let live = store.create_credential(credential("g", 1, None), at(10)).await.unwrap();
        store.create_credential(credential("g", 2, Some(20)), at(10)).await.unwrap();
        store.create_credential(credential("g", 3, Some(20)), at(10)).await.unwrap();
        store.revoke_credential(&id("c3"), at(15)).await.unwrap();
        store.revoke_credential(&id("c3"), at(16)).await.unwrap();
        let found = store.find_credential(&digest(1)).await.unwrap().unwrap();
        assert_eq!((&found.credential, found.gateway_name.as_str()), (&live, "G"));
        assert_eq!((live.created_at, live.revoked_at, live.last_used_at), (at(10), None, None));
        let second = store.find_credential(&digest(2)).await.unwrap().unwrap().credential;
        assert_eq!(second.standing(at(19)), Standing::Live);
        assert_eq!(second.standing(at(20)), Standing::Expired);
        let third = store.find_credential(&digest(3)).await.unwrap().unwrap().credential;
        assert_eq!(third.revoked_at, Some(at(15)));
        for now in [11, 30] {
            assert_eq!(third.standing(at(now)), Standing::Revoked);
        }
        assert_eq!(store.find_credential(&digest(4)).await.unwrap(), None);
        let error = store.revoke_credential(&id("none"), at(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
        let listed: Vec<_> = store.credentials_of(&id("g")).await.unwrap().into_iter().map(|one| one.id).collect();
        assert_eq!(listed, [id("c3"), id("c2"), id("c1")]);
        for (now, expected) in [(19, vec!["c1", "c2"]), (20, vec!["c1"])] {
            let live = store.credentials(at(now)).await.unwrap();
            assert!(live.iter().all(|one| one.gateway_name == name("G")));
            let ids: Vec<_> = live.iter().map(|one| one.credential.id.as_str()).collect();
            assert_eq!(ids, expected);
        }
    }

    async fn five_credentials_of_a_gateway_may_live(backend) {
        let stores = [backend.open().await, backend.open().await];
        register(&stores[0], "g").await;
        register(&stores[0], "other").await;
        let creating: Vec<_> = (0..10)
            .map(|number| {
                let store = stores[number % 2].clone();
                let new = credential("g", number, Some(100));
                tokio::spawn(async move { store.create_credential(new, at(1)).await })
            })
            .collect();
        let mut made = Vec::new();
        for result in creating {
            match result.await.unwrap() {
                Ok(credential) => made.push(credential.id),
                Err(StoreError::TooMany { limit: 5, .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(made.len(), 5);
        stores[0].create_credential(credential("other", 20, None), at(1)).await.unwrap();
        stores[0].revoke_credential(&made[0], at(2)).await.unwrap();
        stores[0].create_credential(credential("g", 21, None), at(2)).await.unwrap();
        let error = stores[0].create_credential(credential("g", 22, None), at(99)).await.unwrap_err();
        assert!(matches!(error, StoreError::TooMany { .. }), "{error:?}");
        // The others have expired by then.
        stores[0].create_credential(credential("g", 22, None), at(100)).await.unwrap();
    }

    async fn a_credential_needs_a_gateway_and_a_secret_of_its_own(backend) {
        let store = backend.open().await;
        register(&store, "g").await;
        let error = store.create_credential(credential("none", 1, None), at(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
        store.create_credential(credential("g", 1, None), at(1)).await.unwrap();
        let same_secret = NewGatewayCredential { id: id("c2"), ..credential("g", 1, None) };
        let same_id = NewGatewayCredential { id: id("c1"), ..credential("g", 2, None) };
        for new in [same_secret, same_id] {
            let error = store.create_credential(new, at(1)).await.unwrap_err();
            assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error:?}");
        }
    }

    async fn deleting_a_gateway_deletes_its_credentials(backend) {
        let store = backend.open().await;
        register(&store, "a").await;
        register(&store, "b").await;
        store.create_credential(credential("a", 1, None), at(1)).await.unwrap();
        store.create_credential(credential("b", 2, None), at(1)).await.unwrap();
        store.delete_gateway(&id("a")).await.unwrap();
        assert_eq!(store.find_credential(&digest(1)).await.unwrap(), None);
        assert_eq!(store.credentials(at(1)).await.unwrap().len(), 1);
        let error = store.delete_gateway(&id("a")).await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
    }

    async fn the_last_use_only_moves_forward(backend) {
        let store = backend.open().await;
        register(&store, "g").await;
        for number in 1..=3 {
            store.create_credential(credential("g", number, None), at(1)).await.unwrap();
        }
        let last_use = async |number: usize| {
            store.find_credential(&digest(number)).await.unwrap().unwrap().credential.last_used_at
        };
        store.touch_credentials(&[]).await.unwrap();
        let uses = [(id("c1"), at(10)), (id("c2"), at(30)), (id("none"), at(9)), (id("c2"), at(20))];
        store.touch_credentials(&uses).await.unwrap();
        assert_eq!((last_use(1).await, last_use(2).await, last_use(3).await), (Some(at(10)), Some(at(30)), None));
        store.touch_credentials(&[(id("c1"), at(9)), (id("c2"), at(31))]).await.unwrap();
        assert_eq!((last_use(1).await, last_use(2).await), (Some(at(10)), Some(at(31))));
        let many: Vec<_> = (0..10_000).map(|number| (id(&format!("c{number}")), at(40))).collect();
        store.touch_credentials(&many).await.unwrap();
        assert_eq!((last_use(1).await, last_use(3).await), (Some(at(40)), Some(at(40))));
        let more: Vec<_> = (0..10_001).map(|_| (id("c1"), at(50))).collect();
        let error = store.touch_credentials(&more).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    }

    async fn several_processes_may_report_uses_at_once(backend) {
        let stores = [backend.open().await, backend.open().await];
        register(&stores[0], "a").await;
        register(&stores[0], "b").await;
        for number in 0..10 {
            let gateway = if number % 2 == 0 { "a" } else { "b" };
            stores[0].create_credential(credential(gateway, number, None), at(1)).await.unwrap();
        }
        let reporting: Vec<_> = (0_usize..20)
            .map(|turn| {
                let store = stores[turn % 2].clone();
                let mut uses: Vec<_> = (0..10)
                    .map(|number| (id(&format!("c{number}")), at(100 + i64::try_from(turn).unwrap())))
                    .collect();
                uses.rotate_left(turn % 10);
                tokio::spawn(async move { store.touch_credentials(&uses).await })
            })
            .collect();
        for result in reporting {
            result.await.unwrap().unwrap();
        }
        for found in stores[0].credentials(at(1)).await.unwrap() {
            assert_eq!(found.credential.last_used_at, Some(at(119)));
        }
    }

    async fn there_are_bounds_on_gateways(backend) {
        let store = backend.open().await;
        sqlx::query(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 9999) \
             INSERT INTO gateways (id, name, kind, position, created_at) \
             SELECT 'g' || n, 'G' || n, 'k', -n, 1 FROM numbers",
        )
        .execute(&mut backend.raw().await)
        .await
        .unwrap();
        register(&store, "last").await;
        let error = store.create_gateway(id("x"), name("x"), name("k"), at(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::TooMany { limit: 10_000, .. }), "{error:?}");
    }
}
