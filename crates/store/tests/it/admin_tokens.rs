//! Tokens of administrators: found by their digest, with their role, until they are expired or revoked.

use portcullis_store::{AdminRole, NewAdminToken, Standing, StoreError};

use crate::backend::{at, digest, id, name, on_both};

fn token(number: usize, role: AdminRole, expires_at: Option<i64>) -> NewAdminToken {
    NewAdminToken {
        id: id(&format!("t{number}")),
        name: name("ada's laptop"),
        role,
        sha256: digest(number),
        expires_at: expires_at.map(at),
    }
}

on_both! {
    async fn a_token_is_found_with_its_role(backend) {
        let store = backend.open().await;
        for (number, role) in AdminRole::ALL.into_iter().enumerate() {
            let made = store.create_admin_token(token(number, role, Some(20)), at(10)).await.unwrap();
            assert_eq!((made.role, made.created_at, made.last_used_at), (role, at(10), None));
            assert_eq!(store.find_admin_token(&digest(number)).await.unwrap(), Some(made));
        }
        assert_eq!(store.find_admin_token(&digest(9)).await.unwrap(), None);
        store.revoke_admin_token(&id("t1"), at(12)).await.unwrap();
        store.revoke_admin_token(&id("t1"), at(13)).await.unwrap();
        let all = store.admin_tokens(None, 100).await.unwrap();
        let at_19: Vec<_> = all.iter().map(|one| one.standing(at(19))).collect();
        assert_eq!(at_19, [Standing::Live, Standing::Revoked, Standing::Live]);
        let at_20: Vec<_> = all.iter().map(|one| one.standing(at(20))).collect();
        assert_eq!(at_20, [Standing::Expired, Standing::Revoked, Standing::Expired]);
        assert_eq!(all[1].revoked_at, Some(at(12)));
        let rest = store.admin_tokens(Some(all[0].position), 1).await.unwrap();
        assert_eq!(rest, all[1..2]);
        let error = store.revoke_admin_token(&id("none"), at(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
    }

    async fn a_token_has_an_id_and_a_secret_of_its_own(backend) {
        let store = backend.open().await;
        store.create_admin_token(token(1, AdminRole::Viewer, None), at(1)).await.unwrap();
        let same_secret = NewAdminToken { id: id("t2"), ..token(1, AdminRole::Deployer, None) };
        let same_id = NewAdminToken { id: id("t1"), ..token(2, AdminRole::Deployer, None) };
        for new in [same_secret, same_id] {
            let error = store.create_admin_token(new, at(1)).await.unwrap_err();
            assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error:?}");
        }
        assert_eq!(store.find_admin_token(&digest(1)).await.unwrap().unwrap().role, AdminRole::Viewer);
    }

    async fn the_last_use_only_moves_forward(backend) {
        let store = backend.open().await;
        store.create_admin_token(token(1, AdminRole::Editor, None), at(1)).await.unwrap();
        for (use_at, expected) in [(5, 5), (3, 5), (6, 6)] {
            store.touch_admin_tokens(&[(id("t1"), at(use_at))]).await.unwrap();
            let found = store.find_admin_token(&digest(1)).await.unwrap().unwrap();
            assert_eq!(found.last_used_at, Some(at(expected)));
        }
    }

    async fn a_digest_is_in_no_json_and_debug(backend) {
        let store = backend.open().await;
        let new = NewAdminToken { sha256: "ab".repeat(32).parse().unwrap(), ..token(1, AdminRole::Editor, None) };
        let made = store.create_admin_token(new, at(1)).await.unwrap();
        let text = format!("{made:?} {}", serde_json::to_string(&made).unwrap());
        assert!(text.contains("editor"), "{text}");
        assert!(!text.contains("ababababab"), "{text}");
    }

    async fn there_are_bounds_on_live_tokens(backend) {
        let store = backend.open().await;
        sqlx::query(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000) \
             INSERT INTO admin_tokens (id, name, role, sha256, position, created_at, expires_at) \
             SELECT 'x' || n, 'X', 'viewer', 'x' || n, -n, 1, 50 FROM numbers",
        )
        .execute(&mut backend.raw().await)
        .await
        .unwrap();
        let new = token(1, AdminRole::Viewer, None);
        let error = store.create_admin_token(new.clone(), at(49)).await.unwrap_err();
        assert!(matches!(error, StoreError::TooMany { limit: 1000, .. }), "{error:?}");
        store.create_admin_token(new, at(50)).await.unwrap();
        // Their digests are none, which is said rather than passed over.
        let error = store.admin_tokens(Some(-1001), 1).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    }
}
