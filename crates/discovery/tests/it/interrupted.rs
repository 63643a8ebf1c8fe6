//! A binding or unbinding that fails at any step, with or without the step's effect, is finished by the same command,
//! and does nothing twice.

use portcullis_discovery::{
    AuthorizationKind, BindingState, Include, Protocol, Selection, apply, plan, plan_unbinding,
};

use crate::fake::{Failure, FakeApi, FakeAws, World, custom, fresh, lambda, of_kind, run, target};

const INCLUDE: Include = Include {
    options: false,
    authorized: true,
};

fn start() -> World {
    let rest = FakeApi::new("rest", Protocol::Rest, &["GET /a", "POST /a"])
        .with(lambda("old1", "old", "other"))
        .authorized("POST /a", custom("old1"))
        .deployed("prod");
    let chat = FakeApi::new("chat", Protocol::WebSocket, &["$connect"])
        .authorized("$connect", of_kind(AuthorizationKind::AwsIam))
        .deployed("prod");
    World::new(vec![rest, chat])
}

/// Binds, and keeps what was saved last, as a process that ends would.
async fn bind(aws: &FakeAws, state: &BindingState) -> (BindingState, bool) {
    let account = aws.read(&Selection::default()).await;
    let plan = plan(
        &account,
        &Selection::default(),
        INCLUDE,
        &target(),
        true,
        state,
    );
    carry_out(aws, &plan, state).await
}

async fn unbind(aws: &FakeAws, state: &BindingState) -> (BindingState, bool) {
    let account = aws.read(&Selection::default()).await;
    let plan = plan_unbinding(&account, &Selection::default(), true, state);
    carry_out(aws, &plan, state).await
}

async fn carry_out(
    aws: &FakeAws,
    plan: &portcullis_discovery::Plan,
    state: &BindingState,
) -> (BindingState, bool) {
    let mut saved = state.clone();
    let mut state = state.clone();
    let save = |state: &BindingState| {
        saved = state.clone();
        Ok(())
    };
    let done = apply(aws, plan, &mut state, save, |_, _| ()).await.is_ok();
    (saved, done)
}

/// Every way to fail once, until there are no more steps to fail at.
fn failures() -> impl Iterator<Item = Failure> {
    (1..40).flat_map(|number| [Failure::Before(number), Failure::After(number)])
}

#[test]
fn a_binding_is_finished() {
    let expected = run(async {
        let aws = FakeAws::new(start());
        let account = aws.read(&Selection::default()).await;
        let (_, done) = bind(&aws, &fresh(&account)).await;
        assert!(done);
        aws.world()
    });
    let mut interrupted = 0;
    for failure in failures() {
        run(async {
            let aws = FakeAws::failing(start(), failure);
            let account = aws.read(&Selection::default()).await;
            let (state, done) = bind(&aws, &fresh(&account)).await;
            interrupted += usize::from(!done);
            let aws = FakeAws::new(aws.world());
            let (state, done) = bind(&aws, &state).await;
            assert!(done, "{failure:?}");
            assert_eq!(normal(&aws.world()), normal(&expected), "{failure:?}");
            let (state, _) = bind(&aws, &state).await;
            let changes = aws.changes();
            let (_, _) = bind(&aws, &state).await;
            assert_eq!(aws.changes(), changes, "{failure:?}: nothing is left to do");
            let (state, done) = unbind(&aws, &state).await;
            assert!(done && state.apis.is_empty(), "{failure:?}");
            assert_eq!(aws.world(), start(), "{failure:?}: as it was before");
        });
    }
    assert!(interrupted > 20, "{interrupted} failures were met");
}

#[test]
fn an_unbinding_is_finished() {
    let mut interrupted = 0;
    for failure in failures() {
        run(async {
            let aws = FakeAws::new(start());
            let account = aws.read(&Selection::default()).await;
            let (state, _) = bind(&aws, &fresh(&account)).await;
            let aws = FakeAws::failing(aws.world(), failure);
            let (state, done) = unbind(&aws, &state).await;
            interrupted += usize::from(!done);
            let aws = FakeAws::new(aws.world());
            let (state, done) = unbind(&aws, &state).await;
            assert!(done && state.apis.is_empty(), "{failure:?}");
            assert_eq!(aws.world(), start(), "{failure:?}");
        });
    }
    assert!(interrupted > 16, "{interrupted} failures were met");
}

/// The id of an authorizer depends on how many were made.
fn normal(world: &World) -> String {
    format!("{world:#?}").replace("made2", "made1")
}
