//! Drafts: what is stored comes back, stale writers are told, bounds hold, imports are all or nothing.

use portcullis_store::{
    Draft, DraftChange, DraftKind, MAX_BODY_BYTES, NewDraft, Store, StoreError, Within,
};
use serde_json::{Value, json};

use crate::backend::{at, draft, id, name, on_both, service};

fn change(called: &str, body: Value) -> DraftChange {
    DraftChange {
        name: name(called),
        body,
    }
}

fn operation(parent: &str, called: &str) -> NewDraft {
    draft(DraftKind::Operation, Some(parent), called, json!({}))
}

async fn names(store: &Store, kind: DraftKind, within: Within<'_>) -> Vec<String> {
    let drafts = store.drafts(kind, within, None, 100).await.unwrap();
    drafts.iter().map(|draft| draft.name.to_string()).collect()
}

on_both! {
    async fn a_draft_comes_back_as_it_was_stored(backend) {
        let store = backend.open().await;
        let body = json!({ "nul": "a\0b", "text": "'; -- \u{1f600}", "n": [1, -2.5, null, true, u64::MAX] });
        let new = draft(DraftKind::Policy, None, "p", body);
        let made = store.create_draft(new.clone(), None, at(1_700_000_000_123)).await.unwrap();
        let expected = Draft {
            id: new.id,
            kind: DraftKind::Policy,
            parent: None,
            name: new.name,
            body: new.body,
            version: made.version,
            position: made.position,
            created_at: at(1_700_000_000_123),
            updated_at: at(1_700_000_000_123),
        };
        assert_eq!(made, expected);
        assert_eq!(store.draft(&made.id).await.unwrap(), Some(expected));
        assert_eq!(store.draft(&id("other")).await.unwrap(), None);
    }

    async fn every_kind_can_be_stored(backend) {
        let store = backend.open().await;
        for kind in DraftKind::ALL {
            let new = draft(kind, None, kind.as_str(), json!({}));
            let made = store.create_draft(new, None, at(1)).await.unwrap();
            assert_eq!(store.draft(&made.id).await.unwrap().unwrap().kind, kind);
            assert_eq!(names(&store, kind, Within::TopLevel).await, [kind.as_str()]);
        }
    }

    async fn a_name_is_unique_under_its_kind_and_parent(backend) {
        let store = backend.open().await;
        store.create_draft(service("a"), None, at(1)).await.unwrap();
        store.create_draft(service("b"), None, at(1)).await.unwrap();
        let twice = NewDraft { id: id("other"), ..service("a") };
        let error = store.create_draft(twice, None, at(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error:?}");
        let same_id = NewDraft { name: name("c"), ..service("a") };
        let error = store.create_draft(same_id, None, at(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error:?}");
        store.create_draft(draft(DraftKind::Policy, None, "g", json!({})), None, at(1)).await.unwrap();
        store.create_draft(operation("top.a", "read"), None, at(1)).await.unwrap();
        store.create_draft(operation("top.b", "read"), None, at(1)).await.unwrap();
        let again = NewDraft { id: id("more"), ..operation("top.b", "read") };
        let error = store.create_draft(again, None, at(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error:?}");
        let b = store.draft(&id("top.b")).await.unwrap().unwrap();
        let error = store.update_draft(&b.id, b.version, change("a", json!({})), at(2)).await.unwrap_err();
        assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error:?}");
    }

    async fn a_parent_must_be_there(backend) {
        let store = backend.open().await;
        let error = store.create_draft(operation("none", "read"), None, at(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
        assert_eq!(store.all_drafts().await.unwrap(), []);
    }

    async fn a_stale_change_is_a_conflict_that_names_the_current_version(backend) {
        let store = backend.open().await;
        let made = store.create_draft(service("a"), None, at(1)).await.unwrap();
        let changed = store
            .update_draft(&made.id, made.version, change("renamed", json!([1])), at(2))
            .await
            .unwrap();
        assert!(changed.version > made.version);
        assert_eq!((changed.created_at, changed.updated_at), (at(1), at(2)));
        assert_eq!((changed.name.as_str(), &changed.body), ("renamed", &json!([1])));
        assert_eq!(changed.position, made.position);
        for expected in [made.version, 0, changed.version + 1, i64::MAX] {
            let update = store.update_draft(&made.id, expected, change("x", json!({})), at(3)).await;
            let delete = store.delete_draft(&made.id, expected).await;
            for error in [update.unwrap_err(), delete.unwrap_err()] {
                let StoreError::Conflict { current } = error else { panic!("{error:?}") };
                assert_eq!(current, changed.version);
            }
        }
        assert_eq!(store.draft(&made.id).await.unwrap(), Some(changed));
        let error = store.update_draft(&id("none"), 1, change("x", json!({})), at(3)).await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
        let error = store.delete_draft(&id("none"), 1).await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
    }

    async fn of_several_changes_to_one_version_one_is_made(backend) {
        let stores = [backend.open().await, backend.open().await];
        let made = stores[0].create_draft(service("a"), None, at(1)).await.unwrap();
        let changing: Vec<_> = (0..10)
            .map(|number| {
                let (store, made) = (stores[number % 2].clone(), made.clone());
                let change = change("a", json!(number));
                tokio::spawn(async move { store.update_draft(&made.id, made.version, change, at(2)).await })
            })
            .collect();
        let mut done = Vec::new();
        let mut conflicts = Vec::new();
        for result in changing {
            match result.await.unwrap() {
                Ok(changed) => done.push(changed),
                Err(StoreError::Conflict { current }) => conflicts.push(current),
                Err(other) => panic!("{other:?}"),
            }
        }
        let [done] = &done[..] else { panic!("{done:?}") };
        assert_eq!(conflicts, [done.version; 9]);
        assert_eq!(stores[1].draft(&made.id).await.unwrap().as_ref(), Some(done));
    }

    async fn a_version_never_comes_back(backend) {
        let store = backend.open().await;
        let first = store.create_draft(service("a"), None, at(1)).await.unwrap();
        store.delete_draft(&first.id, first.version).await.unwrap();
        let second = store.create_draft(service("a"), None, at(2)).await.unwrap();
        assert!(second.version > first.version);
        store.replace_all_drafts(vec![service("a")], at(3)).await.unwrap();
        let third = store.draft(&first.id).await.unwrap().unwrap();
        assert!(third.version > second.version);
    }

    async fn deleting_a_draft_deletes_what_is_under_it(backend) {
        let store = backend.open().await;
        let a = store.create_draft(service("a"), None, at(1)).await.unwrap();
        store.create_draft(service("b"), None, at(1)).await.unwrap();
        store.create_draft(operation("top.a", "read"), None, at(1)).await.unwrap();
        store.create_draft(operation("top.b", "read"), None, at(1)).await.unwrap();
        store.create_draft(draft(DraftKind::Policy, Some("top.a.read"), "p", json!({})), None, at(1)).await.unwrap();
        store.delete_draft(&a.id, a.version).await.unwrap();
        let left: Vec<_> = store.all_drafts().await.unwrap().into_iter().map(|one| one.id).collect();
        assert_eq!(left, [id("top.b"), id("top.b.read")]);
    }

    async fn pages_keep_their_order_while_drafts_come_and_go(backend) {
        let store = backend.open().await;
        for called in ["c", "a", "e", "b", "d"] {
            store.create_draft(service(called), None, at(9)).await.unwrap();
        }
        let first = store.drafts(DraftKind::ApiService, Within::TopLevel, None, 2).await.unwrap();
        let next = |after: &[Draft]| Some(after.last().unwrap().position);
        let e = store.draft(&id("top.e")).await.unwrap().unwrap();
        store.update_draft(&e.id, e.version, change("0", json!({})), at(10)).await.unwrap();
        store.delete_draft(&first[1].id, first[1].version).await.unwrap();
        store.create_draft(service("f"), None, at(1)).await.unwrap();
        let second = store.drafts(DraftKind::ApiService, Within::TopLevel, next(&first), 2).await.unwrap();
        let third = store.drafts(DraftKind::ApiService, Within::TopLevel, next(&second), 2).await.unwrap();
        let last = store.drafts(DraftKind::ApiService, Within::TopLevel, next(&third), 2).await.unwrap();
        let seen: Vec<_> = [first, second, third].concat().iter().map(|one| one.name.to_string()).collect();
        assert_eq!(seen, ["c", "a", "0", "b", "d", "f"]);
        assert_eq!(last, []);
        assert_eq!(store.drafts(DraftKind::ApiService, Within::TopLevel, None, 0).await.unwrap().len(), 1);
    }

    async fn a_listing_is_of_one_kind_and_parent(backend) {
        let store = backend.open().await;
        store.create_draft(service("a"), None, at(1)).await.unwrap();
        store.create_draft(service("b"), None, at(1)).await.unwrap();
        store.create_draft(operation("top.b", "one"), None, at(1)).await.unwrap();
        store.create_draft(operation("top.a", "two"), None, at(1)).await.unwrap();
        assert_eq!(names(&store, DraftKind::ApiService, Within::TopLevel).await, ["a", "b"]);
        assert_eq!(names(&store, DraftKind::Operation, Within::Anywhere).await, ["one", "two"]);
        assert_eq!(names(&store, DraftKind::Operation, Within::Parent(&id("top.a"))).await, ["two"]);
        assert_eq!(names(&store, DraftKind::Operation, Within::TopLevel).await, [""; 0]);
    }

    async fn sql_in_a_name_is_a_name(backend) {
        let store = backend.open().await;
        let called = "x'); DROP TABLE drafts; --";
        let new = NewDraft { id: id("x"), ..service("plain") };
        store.create_draft(NewDraft { name: name(called), ..new }, None, at(1)).await.unwrap();
        assert_eq!(names(&store, DraftKind::ApiService, Within::TopLevel).await, [called]);
    }

    async fn a_body_has_bounds(backend) {
        let store = backend.open().await;
        let of_length = |length: usize| Value::String("b".repeat(length - 2));
        let largest = draft(DraftKind::Policy, None, "largest", of_length(MAX_BODY_BYTES));
        let made = store.create_draft(largest.clone(), None, at(1)).await.unwrap();
        assert_eq!(store.draft(&made.id).await.unwrap().unwrap().body, largest.body);
        for length in [MAX_BODY_BYTES + 1, 10 * 1024 * 1024] {
            let new = draft(DraftKind::Policy, None, "more", of_length(length));
            let created = store.create_draft(new.clone(), None, at(1)).await.unwrap_err();
            let change = DraftChange { name: new.name.clone(), body: new.body.clone() };
            let updated = store.update_draft(&made.id, made.version, change, at(1)).await.unwrap_err();
            let replaced = store.replace_all_drafts(vec![new], at(1)).await.unwrap_err();
            for error in [created, updated, replaced] {
                let StoreError::TooLarge { actual, .. } = error else { panic!("{error:?}") };
                assert_eq!(actual, length);
                assert!(!error.to_string().contains("bbb"));
            }
        }
        let deep = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        let new = draft(DraftKind::Policy, None, "deep", deep(64));
        let made = store.create_draft(new.clone(), None, at(1)).await.unwrap();
        assert_eq!(store.draft(&made.id).await.unwrap().unwrap().body, new.body);
        let deeper = draft(DraftKind::Policy, None, "deeper", deep(65));
        let error = store.create_draft(deeper, None, at(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    }

    async fn a_limit_holds_for_its_kind_also_between_processes(backend) {
        let stores = [backend.open().await, backend.open().await];
        stores[0].create_draft(draft(DraftKind::Policy, None, "g", json!({})), None, at(1)).await.unwrap();
        let creating: Vec<_> = (0..8)
            .map(|number| {
                let store = stores[number % 2].clone();
                let new = service(&format!("s{number}"));
                tokio::spawn(async move { store.create_draft(new, Some(3), at(1)).await })
            })
            .collect();
        let mut refused = 0;
        for result in creating {
            match result.await.unwrap() {
                Ok(_) => {}
                Err(StoreError::TooMany { limit: 3, .. }) => refused += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(refused, 5);
        assert_eq!(stores[0].all_drafts().await.unwrap().len(), 4);
    }

    async fn an_import_replaces_everything(backend) {
        let store = backend.open().await;
        let old = store.create_draft(service("kept"), None, at(1)).await.unwrap();
        store.create_draft(service("gone"), None, at(1)).await.unwrap();
        let new = vec![service("new"), operation("top.new", "read"), service("kept")];
        assert_eq!(store.replace_all_drafts(new.clone(), at(5)).await.unwrap(), 3);
        let all = store.all_drafts().await.unwrap();
        let kept = NewDraft { ..service("kept") };
        assert_eq!(all.iter().map(|one| &one.id).collect::<Vec<_>>(), new.iter().map(|one| &one.id).collect::<Vec<_>>());
        assert_eq!((all[2].created_at, all[2].updated_at, &all[2].body), (at(1), at(5), &kept.body));
        assert_eq!((all[0].created_at, all[0].updated_at), (at(5), at(5)));
        let error = store.update_draft(&old.id, old.version, change("x", json!({})), at(6)).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict { current } if current == all[2].version), "{error:?}");
        assert_eq!(store.replace_all_drafts(Vec::new(), at(7)).await.unwrap(), 0);
        assert_eq!(store.all_drafts().await.unwrap(), []);
        let next = store.create_draft(service("next"), None, at(8)).await.unwrap();
        assert!(next.position > all[2].position);
    }

    async fn an_import_that_fails_changes_nothing(backend) {
        let store = backend.open().await;
        store.create_draft(service("a"), None, at(1)).await.unwrap();
        let before = store.all_drafts().await.unwrap();
        let same_name = NewDraft { id: id("other"), ..service("x") };
        let error = store.replace_all_drafts(vec![service("x"), same_name], at(2)).await.unwrap_err();
        assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error:?}");
        let late_parent = vec![operation("top.x", "read"), service("x")];
        let error = store.replace_all_drafts(late_parent, at(2)).await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
        assert_eq!(store.all_drafts().await.unwrap(), before);
    }

    async fn an_import_may_be_large(backend) {
        let store = backend.open().await;
        let new: Vec<_> = (0..1201).map(|number| service(&format!("s{number}"))).collect();
        assert_eq!(store.replace_all_drafts(new, at(1)).await.unwrap(), 1201);
        let all = store.all_drafts().await.unwrap();
        assert_eq!(all.len(), 1201);
        for (number, one) in all.iter().enumerate() {
            assert_eq!(one.body, json!({ "called": format!("s{number}") }));
        }
        let too_many: Vec<_> = (0..10_001).map(|number| service(&format!("s{number}"))).collect();
        let error = store.replace_all_drafts(too_many, at(2)).await.unwrap_err();
        assert!(matches!(error, StoreError::TooMany { limit: 10_000, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn an_import_has_a_bound_on_all_bodies_together() {
    let store = Store::open("sqlite::memory:", &crate::backend::patient())
        .await
        .unwrap();
    let body = Value::String("b".repeat(MAX_BODY_BYTES - 2));
    let new = (0..65)
        .map(|number| draft(DraftKind::Policy, None, &number.to_string(), body.clone()))
        .collect();
    let error = store.replace_all_drafts(new, at(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error:?}");
}
