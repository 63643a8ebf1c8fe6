//! Decisions: all of a batch or none of it, nothing twice, found by what they are about, and deleted in time.

use portcullis_store::{
    DecisionAbout, DecisionFilter, MAX_DECISION_BATCH, MAX_DECISION_BYTES, NewDecision, Store,
    StoreError, StoredDecision,
};

use crate::backend::{at, id, on_both};

/// Decision number so-and-so, made at that many milliseconds; every third one is a deny.
fn decision(number: i64) -> NewDecision {
    let deny = number % 3 == 0;
    NewDecision {
        id: id(&format!("d-{number}")),
        decided_at: at(number),
        about: DecisionAbout {
            outcome: if deny { "deny" } else { "permit" }.to_owned(),
            reason: if deny { "missing_scope" } else { "permitted" }.to_owned(),
            service: "S 'quoted'".to_owned(),
            operation: format!("op {}", number % 2),
            gateway: String::new(),
        },
        record: format!("{{\"number\":{number}}}"),
    }
}

fn numbers(found: &[StoredDecision]) -> Vec<i64> {
    found.iter().map(|one| one.decision.decided_at.0).collect()
}

async fn all(store: &Store) -> Vec<i64> {
    let found = store
        .decisions(&DecisionFilter::default(), None, 1000)
        .await;
    numbers(&found.unwrap())
}

on_both! {
    async fn a_batch_that_is_written_again_adds_nothing(backend) {
        let store = backend.open().await;
        let batch: Vec<_> = (1..=4).map(decision).collect();
        assert_eq!(store.record_decisions(&batch).await.unwrap(), 4);
        assert_eq!(store.record_decisions(&batch).await.unwrap(), 0);
        let more: Vec<_> = (3..=6).map(decision).collect();
        assert_eq!(store.record_decisions(&more).await.unwrap(), 2);
        assert_eq!(store.record_decisions(&[]).await.unwrap(), 0);
        assert_eq!(all(&store).await, [6, 5, 4, 3, 2, 1]);
        let found = store.decision(&id("d-4")).await.unwrap().unwrap();
        assert_eq!(found.decision, decision(4));
        assert_eq!(store.decision(&id("d-9")).await.unwrap(), None);
    }

    async fn a_batch_of_any_size_is_written_whole_and_in_order(backend) {
        let store = backend.open().await;
        let mut made = 0;
        for size in [1, 3, 4, 19, 99, 121, 224, 499, 500] {
            let batch: Vec<_> = (made + 1..=made + size).map(decision).collect();
            assert_eq!(store.record_decisions(&batch).await.unwrap(), batch.len() as u64, "{size}");
            let written = store.decisions_after(made, 1000).await.unwrap();
            assert_eq!(numbers(&written), (made + 1..=made + size).collect::<Vec<_>>());
            made += size;
            let positions: Vec<_> = written.iter().map(|one| one.position).collect();
            assert_eq!(positions, (made + 1 - size..=made).collect::<Vec<_>>());
        }
    }

    async fn a_batch_with_one_that_cannot_be_stored_stores_none(backend) {
        let store = backend.open().await;
        let broken = [
            NewDecision { record: "a\0b".to_owned(), ..decision(2) },
            NewDecision { record: "x".repeat(MAX_DECISION_BYTES + 1), ..decision(2) },
        ];
        for one in broken {
            let error = store.record_decisions(&[decision(1), one]).await.unwrap_err();
            assert!(!matches!(error, StoreError::Unavailable(_)), "{error:?}");
        }
        let too_many: Vec<_> = (0..=i64::try_from(MAX_DECISION_BATCH).unwrap()).map(decision).collect();
        let error = store.record_decisions(&too_many).await.unwrap_err();
        assert!(matches!(error, StoreError::TooMany { .. }), "{error:?}");
        assert_eq!(all(&store).await, [0_i64; 0]);
        // The largest batch fits.
        let count = u64::try_from(MAX_DECISION_BATCH).unwrap();
        assert_eq!(store.record_decisions(&too_many[1..]).await.unwrap(), count);
    }

    async fn pages_and_filters_find_what_is_asked_for(backend) {
        let store = backend.open().await;
        let batch: Vec<_> = (1..=9).map(decision).collect();
        store.record_decisions(&batch).await.unwrap();
        // Two of one moment, which only their ids tell apart.
        let twin = NewDecision { id: id("d-5b"), ..decision(5) };
        store.record_decisions(&[twin]).await.unwrap();
        let filter = DecisionFilter { since: at(3), until: at(9), ..DecisionFilter::default() };
        let mut found = Vec::new();
        let mut last: Option<StoredDecision> = None;
        loop {
            let before = last.as_ref().map(|one| (one.decision.decided_at, one.decision.id.as_str()));
            let page = store.decisions(&filter, before, 2).await.unwrap();
            let Some(end) = page.last() else { break };
            last = Some(end.clone());
            found.extend(page);
        }
        assert_eq!(numbers(&found), [8, 7, 6, 5, 5, 4, 3]);
        assert!(found.iter().all(|one| filter.matches(one.decision.decided_at, &one.decision.about)));
        for (about, expected) in [
            (DecisionAbout { outcome: "deny".to_owned(), ..DecisionAbout::default() }, &[9, 6, 3][..]),
            (DecisionAbout { reason: "missing_scope".to_owned(), ..DecisionAbout::default() }, &[9, 6, 3]),
            (DecisionAbout { operation: "op 0".to_owned(), ..DecisionAbout::default() }, &[8, 6, 4, 2]),
            (
                DecisionAbout {
                    outcome: "deny".to_owned(), operation: "op 0".to_owned(), service: "S 'quoted'".to_owned(),
                    ..DecisionAbout::default()
                },
                &[6],
            ),
            (DecisionAbout { gateway: "kong".to_owned(), ..DecisionAbout::default() }, &[]),
            (DecisionAbout { service: "' OR 1=1 --".to_owned(), ..DecisionAbout::default() }, &[]),
        ] {
            let filter = DecisionFilter { about, ..DecisionFilter::default() };
            let found = store.decisions(&filter, None, 100).await.unwrap();
            assert_eq!(numbers(&found), expected, "{filter:?}");
        }
    }

    async fn whoever_follows_positions_misses_nothing(backend) {
        let store = backend.open().await;
        let other = backend.open().await;
        assert_eq!(store.last_decision_position().await.unwrap(), 0);
        let writers = [store.clone(), other].map(|store| tokio::spawn(async move {
            for round in 0..10 {
                let own = uuid(&store, round);
                let batch: Vec<_> = (0..3).map(|number| NewDecision {
                    id: id(&format!("{own}-{number}")), ..decision(number)
                }).collect();
                store.record_decisions(&batch).await.unwrap();
            }
        }));
        let mut seen = Vec::new();
        let mut last = 0;
        while seen.len() < 60 {
            for one in store.decisions_after(last, 7).await.unwrap() {
                assert!(one.position > last);
                last = one.position;
                seen.push(one.decision.id);
            }
        }
        for writer in writers {
            writer.await.unwrap();
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 60);
        assert_eq!(store.last_decision_position().await.unwrap(), last);
    }

    async fn the_oldest_are_deleted_by_age_and_by_number(backend) {
        let store = backend.open().await;
        let batch: Vec<_> = (1..=9).map(decision).collect();
        store.record_decisions(&batch).await.unwrap();
        assert_eq!(store.prune_decisions(100, at(3)).await.unwrap(), 2);
        assert_eq!(all(&store).await, [9, 8, 7, 6, 5, 4, 3]);
        assert_eq!(store.prune_decisions(4, at(0)).await.unwrap(), 3);
        assert_eq!(all(&store).await, [9, 8, 7, 6]);
        assert_eq!(store.prune_decisions(4, at(0)).await.unwrap(), 0);
        assert_eq!(store.first_decision_position().await.unwrap(), Some(6));
        assert_eq!(store.prune_decisions(0, at(0)).await.unwrap(), 4);
        assert_eq!(all(&store).await, [0_i64; 0]);
        assert_eq!(store.first_decision_position().await.unwrap(), None);
        assert_eq!(store.last_decision_position().await.unwrap(), 9);
    }

    async fn batches_that_are_written_again_drive_nothing_out(backend) {
        let store = backend.open().await;
        let batch: Vec<_> = (1..=500).map(decision).collect();
        for _ in 0..5 {
            store.record_decisions(&batch).await.unwrap();
        }
        assert_eq!(store.prune_decisions(2000, at(0)).await.unwrap(), 0);
        assert_eq!(all(&store).await.len(), 500);
        // The bound still is one: of those with what came in between, too.
        let more: Vec<_> = (499..=510).map(decision).collect();
        assert_eq!(store.record_decisions(&more).await.unwrap(), 10);
        assert_eq!(store.prune_decisions(20, at(0)).await.unwrap(), 490);
        assert_eq!(all(&store).await, (491..=510).rev().collect::<Vec<_>>());
    }
}

on_both! {
    async fn what_cannot_be_stored_is_told_from_what_may_be_later(backend) {
        let store = backend.open().await;
        let mut raw = backend.raw().await;
        let mut run = async |statement: &'static str| {
            sqlx::query(statement).execute(&mut raw).await.unwrap();
        };
        run(if backend.is_postgres() {
            "ALTER TABLE decisions ADD CONSTRAINT no_moons CHECK (service <> 'moons')"
        } else {
            "CREATE TRIGGER no_moons BEFORE INSERT ON decisions WHEN NEW.service = 'moons' \
             BEGIN SELECT RAISE(ABORT, 'no moons'); END"
        }).await;
        let about = DecisionAbout { service: "moons".to_owned(), ..DecisionAbout::default() };
        let unfit = NewDecision { about, ..decision(1) };
        let error = store.record_decisions(&[unfit]).await.unwrap_err();
        assert!(error.is_fault_of_content(), "{error:?}");
        let large = NewDecision { record: "x".repeat(MAX_DECISION_BYTES + 1), ..decision(1) };
        let error = store.record_decisions(&[large]).await.unwrap_err();
        assert!(error.is_fault_of_content(), "{error:?}");

        // Once they are mended, the very same goes through.
        store.record_decisions(&[decision(1)]).await.unwrap();
        run("UPDATE counters SET value = 0 WHERE name = 'decision'").await;
        let error = store.record_decisions(&[decision(2)]).await.unwrap_err();
        assert!(!error.is_fault_of_content(), "{error:?}");
        run("UPDATE counters SET value = 1 WHERE name = 'decision'").await;
        run("ALTER TABLE decisions RENAME TO elsewhere").await;
        let error = store.record_decisions(&[decision(2)]).await.unwrap_err();
        assert!(!error.is_fault_of_content(), "{error:?}");
        run("ALTER TABLE elsewhere RENAME TO decisions").await;
        assert_eq!(store.record_decisions(&[decision(2)]).await.unwrap(), 1);
        assert_eq!(all(&store).await, [2, 1]);
    }
}

/// A name that no other writer of this test uses.
fn uuid(store: &Store, round: usize) -> String {
    format!("{:p}-{round}", std::ptr::from_ref(store))
}
