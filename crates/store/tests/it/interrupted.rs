//! Writes that are cut off: a future that is dropped half-way, and a process that is killed.

use std::future::{Future, poll_fn};
use std::io::{BufRead, Write};
use std::pin::pin;
use std::process::{Command, Stdio};
use std::task::Poll;

use portcullis_store::{NewDeployment, Source, Store};
use tokio::time::timeout;

use crate::backend::{Backend, PATIENCE, at, deployment, on_both, patient, service};

/// Polls a future at most `polls` times; `None` where it was dropped before its end.
async fn cut_off<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Every deployment from the first to the current one is there and complete.
async fn assert_whole(store: &Store) -> i64 {
    let current = store.current_number().await.unwrap().unwrap_or(0);
    for number in 1..=current {
        let found = store.deployment(number).await.unwrap().expect("no gap");
        assert_eq!(found.sources, deployment(&found.summary.note).sources);
    }
    current
}

on_both! {
    async fn a_deployment_that_is_dropped_leaves_all_or_nothing(backend) {
        let store = backend.open().await;
        let mut dropped_without_trace = 0;
        let mut finished = 0;
        let mut expected = 0;
        for polls in 1..60 {
            let result = cut_off(store.deploy(deployment(&format!("polls {polls}"))), polls).await;
            // The next write waits for whatever the dropped one left behind.
            let next = store.deploy(deployment("next")).await.unwrap().summary.number;
            match (result, next - expected) {
                (None, 1) => dropped_without_trace += 1,
                // Dropped while the commit was under way.
                (None, 2) => {}
                (Some(made), 2) => {
                    assert_eq!(made.unwrap().summary.number, expected + 1);
                    finished += 1;
                }
                (result, more) => panic!("{result:?}, {more} more"),
            }
            expected = next;
        }
        assert!(dropped_without_trace > 0, "{dropped_without_trace}");
        assert!(finished > 0, "{finished}");
        assert_eq!(assert_whole(&store).await, expected);
    }

    async fn an_import_that_is_dropped_leaves_all_or_nothing(backend) {
        let store = backend.open().await;
        let drafts = |mark: usize| (0..3).map(|number| service(&format!("{mark}-{number}"))).collect::<Vec<_>>();
        store.replace_all_drafts(drafts(0), at(1)).await.unwrap();
        let mut finished = 0;
        for polls in 1..60 {
            let result = cut_off(store.replace_all_drafts(drafts(polls), at(1)), polls).await;
            finished += usize::from(result.is_some());
            let marks: Vec<_> = store
                .all_drafts()
                .await
                .unwrap()
                .iter()
                .map(|draft| draft.name.as_str().split('-').next().unwrap().to_owned())
                .collect();
            let [first, second, third] = &marks[..] else { panic!("{marks:?}") };
            assert!(first == second && second == third, "{marks:?}");
        }
        assert!(finished > 0);
    }

    async fn a_process_that_is_killed_leaves_all_or_nothing(backend) {
        let store = backend.open().await;
        let mut last = 0;
        for _ in 0..4 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "interrupted::child_that_deploys_until_it_is_killed"])
                .args(["--ignored", "--nocapture", "--test-threads=1"])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let mut stdin = child.stdin.take().unwrap();
            writeln!(stdin, "{}", backend.url).unwrap();
            // Some deployments of this child are there, and it is in the middle of more.
            let mut watch = store.watch(Some(last));
            while last_seen(&mut watch).await < last + 3 {}
            child.kill().unwrap();
            child.wait().unwrap();
            // The next write waits until the database has found that the other is gone.
            let made = store.deploy(large("after")).await.unwrap();
            last = made.summary.number;
            assert_large_ones_are_whole(&store, last).await;
            if !backend.is_postgres() {
                assert_file_is_sound(&backend).await;
            }
        }
    }
}

async fn last_seen(watch: &mut portcullis_store::DeploymentWatch) -> i64 {
    timeout(PATIENCE, watch.changed())
        .await
        .expect("the child deploys")
}

async fn assert_large_ones_are_whole(store: &Store, last: i64) {
    for number in 1..=last {
        let found = store.deployment(number).await.unwrap().expect("no gap");
        assert_eq!(found.sources, large(&found.summary.note).sources);
    }
    assert_eq!(store.current_number().await.unwrap(), Some(last));
}

async fn assert_file_is_sound(backend: &Backend) {
    let found: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&mut backend.raw().await)
        .await
        .unwrap();
    assert_eq!(found, "ok");
}

/// So large that writing it takes many pages.
fn large(mark: &str) -> NewDeployment {
    let sources = (0..8)
        .map(|number| Source {
            path: number.to_string(),
            text: mark.repeat(4000),
        })
        .collect();
    NewDeployment {
        sources,
        ..deployment(mark)
    }
}

/// Not a test: what the test above kills. It ends by itself where nobody gives it a URL.
#[tokio::test]
#[ignore = "a child process of a_process_that_is_killed_leaves_all_or_nothing"]
async fn child_that_deploys_until_it_is_killed() {
    let mut url = String::new();
    std::io::stdin().lock().read_line(&mut url).unwrap();
    if url.trim().is_empty() {
        return;
    }
    let store = Store::open(url.trim(), &patient()).await.unwrap();
    loop {
        store.deploy(large("child")).await.unwrap();
    }
}
