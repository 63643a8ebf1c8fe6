//! Deployments: numbered without gaps by however many, never changed, and a rollback is a new one.

use portcullis_store::{
    MAX_NOTE_BYTES, MAX_SOURCES_BYTES, NewDeployment, NewRollback, Source, StoreError,
};

use crate::backend::{at, deployment, name, on_both};

fn rollback(to: i64) -> NewRollback {
    NewRollback {
        to,
        note: "back".to_owned(),
        created_by: name("grace"),
        created_at: at(9),
    }
}

fn of_size(size: usize) -> NewDeployment {
    let path = "p".to_owned();
    let text = "t".repeat(size - path.len());
    NewDeployment {
        sources: vec![Source { path, text }],
        ..deployment("large")
    }
}

on_both! {
    async fn a_deployment_comes_back_as_it_was_made(backend) {
        let store = backend.open().await;
        assert_eq!(store.current_deployment().await.unwrap(), None);
        assert_eq!(store.current_number().await.unwrap(), None);
        let mut new = deployment("one");
        new.sources.push(Source { path: "nul 'n quotes".to_owned(), text: "a\0b\u{1f600}'".to_owned() });
        let made = store.deploy(new.clone()).await.unwrap();
        assert_eq!(made.summary.number, 1);
        assert_eq!(made.summary.sha256, new.sha256);
        assert_eq!(made.summary.note, "one");
        assert_eq!(made.summary.created_by, new.created_by);
        assert_eq!(made.summary.created_at, at(7));
        assert_eq!(made.summary.rollback_of, None);
        assert_eq!(made.sources, new.sources);
        let second = store.deploy(deployment("two")).await.unwrap();
        assert_eq!(second.summary.number, 2);
        assert_eq!(store.deployment(1).await.unwrap(), Some(made));
        assert_eq!(store.deployment(3).await.unwrap(), None);
        assert_eq!(store.current_number().await.unwrap(), Some(2));
        assert_eq!(store.current_deployment().await.unwrap(), Some(second));
    }

    async fn a_deployment_without_files_and_note_is_one(backend) {
        let store = backend.open().await;
        let empty = NewDeployment { sources: Vec::new(), note: String::new(), ..deployment("x") };
        let made = store.deploy(empty).await.unwrap();
        assert_eq!(store.current_deployment().await.unwrap(), Some(made));
    }

    async fn a_rollback_is_a_new_deployment_with_old_sources(backend) {
        let store = backend.open().await;
        let first = store.deploy(deployment("one")).await.unwrap();
        store.deploy(deployment("three")).await.unwrap();
        let error = store.rollback(rollback(7)).await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
        // The one that failed has not used up a number, nor can it go back to itself.
        let error = store.rollback(rollback(3)).await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
        let back = store.rollback(rollback(1)).await.unwrap();
        assert_eq!(back.sources, first.sources);
        assert_eq!(back.summary.sha256, first.summary.sha256);
        assert_eq!((back.summary.number, back.summary.rollback_of), (3, Some(1)));
        assert_eq!((back.summary.note.as_str(), back.summary.created_at), ("back", at(9)));
        assert_eq!(back.summary.created_by, name("grace"));
        assert_eq!(store.current_deployment().await.unwrap(), Some(back));
        assert_eq!(store.deployment(1).await.unwrap(), Some(first));
    }

    async fn pages_go_from_the_newest_to_the_oldest(backend) {
        let store = backend.open().await;
        for mark in ["a", "b", "c", "d", "e"] {
            store.deploy(deployment(mark)).await.unwrap();
        }
        let mut seen = Vec::new();
        let mut before = None;
        loop {
            let page = store.deployments(before, 2).await.unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.number);
            seen.extend(page.into_iter().map(|one| (one.number, one.note)));
        }
        let expected = [(5, "e"), (4, "d"), (3, "c"), (2, "b"), (1, "a")];
        assert_eq!(seen, expected.map(|(number, note)| (number, note.to_owned())));
        for nothing in [0, -5, i64::MIN, 1] {
            assert_eq!(store.deployments(Some(nothing), 2).await.unwrap(), [], "{nothing}");
        }
    }

    async fn deployments_at_the_same_time_are_numbered_without_gaps(backend) {
        let stores = [backend.open().await, backend.open().await];
        stores[0].deploy(deployment("first")).await.unwrap();
        let deploying: Vec<_> = (0..24)
            .map(|number| {
                let store = stores[number % 2].clone();
                tokio::spawn(async move {
                    if number % 6 == 5 {
                        store.rollback(rollback(1)).await
                    } else {
                        store.deploy(deployment(&format!("mark {number}"))).await
                    }
                })
            })
            .collect();
        let mut numbers = Vec::new();
        for made in deploying {
            let made = made.await.unwrap().unwrap();
            numbers.push(made.summary.number);
            assert_eq!(stores[0].deployment(made.summary.number).await.unwrap(), Some(made));
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (2..=25).collect::<Vec<_>>());
        assert_eq!(stores[1].current_number().await.unwrap(), Some(25));
    }

    async fn a_deployment_has_bounds(backend) {
        let store = backend.open().await;
        let largest = store.deploy(of_size(MAX_SOURCES_BYTES)).await.unwrap();
        assert_eq!(store.current_deployment().await.unwrap(), Some(largest));
        let error = store.deploy(of_size(MAX_SOURCES_BYTES + 1)).await.unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { .. }), "{error:?}");
        let source = |path: &str| Source { path: path.to_owned(), text: String::new() };
        let many = (0..4097).map(|number| source(&number.to_string())).collect();
        let error = store.deploy(NewDeployment { sources: many, ..deployment("x") }).await.unwrap_err();
        assert!(matches!(error, StoreError::TooMany { limit: 4096, .. }), "{error:?}");
        let twice = vec![source("a"), source("a")];
        let error = store.deploy(NewDeployment { sources: twice, ..deployment("x") }).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
        for path in ["", "a\0b", &"p".repeat(257)] {
            let sources = vec![source(path)];
            let error = store.deploy(NewDeployment { sources, ..deployment("x") }).await.unwrap_err();
            assert!(matches!(error, StoreError::Invalid(_)), "{error:?}");
        }
        let long = "n".repeat(MAX_NOTE_BYTES + 1);
        for (note, is_long) in [(long.as_str(), true), ("a\0b", false)] {
            let deploy = store.deploy(NewDeployment { note: note.to_owned(), ..deployment("x") }).await;
            let back = store.rollback(NewRollback { note: note.to_owned(), ..rollback(1) }).await;
            for error in [deploy.unwrap_err(), back.unwrap_err()] {
                assert_eq!(matches!(error, StoreError::TooLarge { .. }), is_long, "{error:?}");
                assert_eq!(matches!(error, StoreError::Refused(_)), !is_long, "{error:?}");
            }
        }
        assert_eq!(store.current_number().await.unwrap(), Some(1));
    }
}
