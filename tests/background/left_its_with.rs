//! Guards that have left the `with` they were entered in, as that of a connection that is opened with a time limit: they count as entered in what is around that.

use crate::shared::{Broken, Inner, Log, gated, giving_back, poll_once, quick, slow};
use contextlib::{
    AsyncContext, BoxContextManager, ExitStack, IntoContextManager, Rollback, async_context,
    background::{drain, lane},
    null_context,
    policy::{self, Boxed, Combine, Policy},
    within, yield_resource,
};
use futures::join;
use std::{future::pending, sync::Arc, thread, time::Duration};
use tokio::{sync::Semaphore, task::yield_now, time::timeout};

/// How something is entered and handed on.
#[derive(Clone, Copy, Debug)]
enum Opened {
    Plainly,
    InAWith,
    InTwo,
    Within,
    OnAStack,
}

const OPENED: [Opened; 5] = [
    Opened::Plainly,
    Opened::InAWith,
    Opened::InTwo,
    Opened::Within,
    Opened::OnAStack,
];

type Opening = BoxContextManager<'static, (), Broken>;

/// Whatever keeps what was entered.
type Kept = Box<dyn Send>;

async fn enter(context: Opening) -> Inner {
    context.enter().await.unwrap()
}

async fn open(opened: Opened, context: Opening) -> Kept {
    match opened {
        Opened::Plainly => Box::new(enter(context).await),
        Opened::InAWith => Box::new(null_context(()).run(async |_| enter(context).await).await),
        Opened::InTwo => {
            let outer = null_context(());
            let guard =
                outer.run(async |_| null_context(()).run(async |_| enter(context).await).await);
            Box::new(guard.await)
        }
        Opened::Within => Box::new(decorated(context).await),
        Opened::OnAStack => {
            let stack = ExitStack::scope(async |stack| -> Result<_, Broken> {
                let _: &mut () = stack.enter(context).await?;
                Ok(stack.pop_all())
            });
            Box::new(stack.await.unwrap())
        }
    }
}

#[within(null_context(()))]
async fn decorated(context: Opening) -> Inner {
    enter(context).await
}

fn outer(log: &Log) -> Opening {
    quick(log.clone(), "outer").boxed()
}

fn inner(log: &Log) -> Opening {
    slow(log.clone(), "inner").boxed()
}

/// Where the two are dropped, the outer one first or last.
#[derive(Clone, Copy, Debug)]
enum Dropped {
    Here,
    InATask,
    InAWith,
    EachInAWith,
    InALane,
    InATeardown,
    InARollback,
    OnAThread,
    WithATask,
}

const DROPPED: [Dropped; 9] = [
    Dropped::Here,
    Dropped::InATask,
    Dropped::InAWith,
    Dropped::EachInAWith,
    Dropped::InALane,
    Dropped::InATeardown,
    Dropped::InARollback,
    Dropped::OnAThread,
    Dropped::WithATask,
];

#[async_context]
async fn keeps(kept: (Kept, Kept)) -> Result<(), Broken> {
    let _ = yield_resource!();
    drop(kept);
}

async fn drop_them(dropped: Dropped, kept: (Kept, Kept)) {
    match dropped {
        Dropped::Here => drop(kept),
        Dropped::InATask => tokio::spawn(async { drop(kept) }).await.unwrap(),
        Dropped::InAWith => null_context(()).run(async |_| drop(kept)).await,
        Dropped::EachInAWith => {
            null_context(()).run(async |_| drop(kept.0)).await;
            null_context(()).run(async |_| drop(kept.1)).await;
        }
        Dropped::InALane => lane(async { drop(kept) }).await,
        Dropped::InATeardown => {
            let body = async |_: &mut ()| -> Result<(), Broken> { Ok(()) };
            keeps(kept).with(body).await.unwrap();
        }
        Dropped::InARollback => drop(keeps(kept).enter().await.unwrap()),
        Dropped::OnAThread => thread::spawn(|| drop(kept)).join().unwrap(),
        Dropped::WithATask => {
            let task = tokio::spawn(async {
                let _kept = kept;
                pending::<()>().await;
            });
            yield_now().await;
            task.abort();
            assert!(task.await.is_err());
        }
    }
}

/// Opened one after the other, by one task or in one lane of it: however that was, and wherever they are dropped, the inner one is over before the outer one begins.
async fn all_ways() {
    for first in OPENED {
        for second in OPENED {
            for dropped in DROPPED {
                for outer_first in [false, true] {
                    let log = Log::default();
                    let outer = open(first, outer(&log)).await;
                    let inner = open(second, inner(&log)).await;
                    let kept = match outer_first {
                        true => (outer, inner),
                        false => (inner, outer),
                    };
                    drop_them(dropped, kept).await;
                    drain().await;
                    assert_eq!(
                        log.said(),
                        "+outer, +inner, -inner, -outer Cancelled",
                        "{first:?}, {second:?}, {dropped:?}, outer first: {outer_first}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn in_the_root_future() {
    all_ways().await;
}

#[tokio::test]
async fn in_a_task() {
    tokio::spawn(all_ways()).await.unwrap();
}

#[tokio::test]
async fn in_a_lane() {
    lane(all_ways()).await;
}

#[tokio::test]
async fn in_a_body() {
    null_context(()).run(async |_| all_ways().await).await;
}

#[tokio::test]
async fn in_a_setup() {
    #[async_context]
    async fn in_there() -> Result<(), Broken> {
        all_ways().await;
        let _ = yield_resource!();
        all_ways().await;
    }
    let body = async |_: &mut ()| -> Result<(), Broken> { Ok(()) };
    in_there().with(body).await.unwrap();
    in_there().enter().await.unwrap().exit().await.unwrap();
    drop(in_there().enter().await.unwrap());
    drain().await;
}

/// An outer one that is awaited waits for it, too.
#[tokio::test]
async fn before_an_exit() {
    for opened in OPENED {
        for dropped in DROPPED {
            let log = Log::default();
            let outer = null_context(())
                .run(async |_| enter(outer(&log)).await)
                .await;
            let inner = open(opened, inner(&log)).await;
            drop_them(dropped, (inner, Box::new(()))).await;
            outer.exit().await.unwrap();
            assert_eq!(
                log.said(),
                "+outer, +inner, -inner, -outer Completed",
                "{opened:?}, {dropped:?}"
            );
        }
    }
}

/// The inner one is dropped here, and then the outer one by another task; or the other way round.
#[tokio::test]
async fn one_here_and_one_elsewhere() {
    for first in OPENED {
        for second in OPENED {
            for inner_here in [true, false] {
                let log = Log::default();
                let outer = open(first, outer(&log)).await;
                let inner = open(second, inner(&log)).await;
                let in_a_task =
                    async |kept| tokio::spawn(async { drop::<Kept>(kept) }).await.unwrap();
                if inner_here {
                    drop(inner);
                    in_a_task(outer).await;
                } else {
                    in_a_task(inner).await;
                    drop(outer);
                }
                drain().await;
                assert_eq!(
                    log.said(),
                    "+outer, +inner, -inner, -outer Cancelled",
                    "{first:?}, {second:?}, inner here: {inner_here}"
                );
            }
        }
    }
}

/// The body of a `with` hands it over to another task. What is around that waits: the `with`, awaited or in the background, and a guard around a lane that is over.
#[tokio::test]
async fn handed_over_out_of_a_body_or_a_lane() {
    for opened in OPENED {
        let log = &Log::default();
        let hand_over = async || {
            let inner = open(opened, inner(log)).await;
            tokio::spawn(async { drop(inner) }).await.unwrap();
        };
        let said = |from: usize| log.lines()[from..].join(", ");
        let outer = || quick(log.clone(), "outer");

        let body = async |_: &mut ()| -> Result<(), Broken> {
            hand_over().await;
            Ok(())
        };
        outer().with(body).await.unwrap();
        assert_eq!(
            said(0),
            "+outer, +inner, -inner, -outer Completed",
            "{opened:?}"
        );

        let body = async |_: &mut ()| -> Result<(), Broken> {
            hand_over().await;
            pending().await
        };
        let limit = Duration::from_millis(1);
        assert!(timeout(limit, outer().with(body)).await.is_err());
        drain().await;
        assert_eq!(
            said(4),
            "+outer, +inner, -inner, -outer Cancelled",
            "{opened:?}"
        );

        let guard = outer().enter().await.unwrap();
        lane(hand_over()).await;
        guard.exit().await.unwrap();
        assert_eq!(
            said(8),
            "+outer, +inner, -inner, -outer Completed",
            "{opened:?}"
        );
    }
}

/// A setup that runs on when its future, which was begun in a body, is dropped by another task.
#[tokio::test]
async fn a_setup_that_runs_on_elsewhere() {
    #[async_context(setup = finish)]
    async fn late(log: Log) -> Result<(), Broken> {
        for _ in 0..20 {
            yield_now().await;
        }
        log.say("+inner");
        let _ = yield_resource!();
        log.say("-inner");
    }
    for opened in OPENED {
        let log = Log::default();
        let late = late(log.clone());
        let outer = open(opened, outer(&log)).await;
        let mut work = Box::pin(async move {
            let outer = outer;
            let _ = null_context(()).run(async |_| late.enter().await).await;
            drop(outer);
        });
        let begin = async |_: &mut ()| assert!(futures::poll!(work.as_mut()).is_pending());
        null_context(()).run(begin).await;
        tokio::spawn(async { drop(work) }).await.unwrap();
        drain().await;
        assert_eq!(
            log.said(),
            "+outer, +inner, -inner, -outer Cancelled",
            "{opened:?}"
        );
    }
}

/// The one that was entered first gives back what the other one's teardown needs: a dead-lock, if it waited for that.
fn giving_and_needing(log: &Log) -> (Opening, Opening) {
    let permits = Arc::new(Semaphore::new(1));
    let permit = permits.clone().try_acquire_owned().unwrap();
    let giving = giving_back(log.clone(), permit).boxed();
    let needing = gated(log.clone(), "needing", permits).boxed();
    (giving, needing)
}

async fn are_apart(log: &Log) {
    let drained = timeout(Duration::from_secs(9), drain()).await;
    drained.expect("a dead-lock");
    let said = log.said();
    assert!(said.contains("-giving, "), "{said}");
    assert!(said.ends_with("-needing"), "{said}");
}

/// Those of two tasks have nothing to do with each other, whoever drops them.
#[tokio::test(start_paused = true)]
async fn two_tasks_are_apart() {
    for opened in OPENED {
        for dropped in [
            Dropped::Here,
            Dropped::InATask,
            Dropped::InAWith,
            Dropped::OnAThread,
        ] {
            let log = Log::default();
            let (giving, needing) = giving_and_needing(&log);
            let giving = tokio::spawn(open(opened, giving)).await.unwrap();
            let needing = tokio::spawn(open(opened, needing)).await.unwrap();
            drop_them(dropped, (needing, giving)).await;
            are_apart(&log).await;
        }
    }
}

/// Opens something, and drops it when the other one has been opened, too.
async fn open_and_drop(opened: Opened, context: Opening) {
    let kept = open(opened, context).await;
    yield_now().await;
    drop(kept);
}

/// Nor have those of two lanes of one task, nor of two bodies that run side by side.
#[tokio::test(start_paused = true)]
async fn two_branches_are_apart() {
    for opened in OPENED {
        let log = Log::default();
        let (giving, needing) = giving_and_needing(&log);
        join!(
            lane(open_and_drop(opened, giving)),
            lane(open_and_drop(opened, needing)),
        );
        are_apart(&log).await;

        let log = Log::default();
        let (giving, needing) = giving_and_needing(&log);
        join!(
            null_context(()).run(async |_| open_and_drop(opened, giving).await),
            null_context(()).run(async |_| open_and_drop(opened, needing).await),
        );
        are_apart(&log).await;
    }
}

/// What becomes of a context that holds one.
enum Discarded {}

impl<C: AsyncContext> Policy<C> for Discarded {
    type Storage = Boxed<C>;
    type Origin = ();

    fn origin() {}

    fn rollback(rollback: Rollback<C>, (): ()) {
        rollback.discard();
    }
}

enum Lost {}

impl<C: AsyncContext> Policy<C> for Lost {
    type Storage = Boxed<C>;
    type Origin = ();

    fn origin() {}

    fn rollback(rollback: Rollback<C>, (): ()) {
        rollback.lose("a policy of this test's");
    }
}

impl Combine<policy::Drop> for Discarded {
    type Policy = Discarded;
}

impl Combine<policy::Drop> for Lost {
    type Policy = Lost;
}

/// A context function that has entered both, holds the outer one, and is dropped in its setup or around its body: of the inner one, a rollback is pending.
#[tokio::test]
async fn in_a_context_that_is_dropped() {
    #[derive(Clone, Copy, Debug)]
    struct Case {
        first: Opened,
        second: Opened,
        in_setup: bool,
        style: Style,
    }

    #[derive(Clone, Copy, Debug)]
    enum Style {
        With,
        Guard,
        Tuple,
        OnAStack,
    }

    macro_rules! holding {
        ($name:ident, $($argument:tt)*) => {
            #[async_context($($argument)*)]
            async fn $name(log: Log, case: Case) -> Result<(), Broken> {
                let _outer = open(case.first, outer(&log)).await;
                drop(open(case.second, inner(&log)).await);
                if case.in_setup {
                    pending::<()>().await;
                }
                let _ = yield_resource!();
            }
        };
    }
    holding!(spawned, on_cancel = spawn);
    holding!(dropped, on_cancel = drop);
    holding!(discarded, on_cancel = Discarded);
    holding!(lost, on_cancel = Lost);

    macro_rules! cut {
        ($holding:ident, $log:ident, $case:ident) => {{
            let context = $holding($log.clone(), $case);
            match $case.style {
                Style::With => {
                    let body = async |_: &mut ()| -> Result<(), Broken> { pending().await };
                    assert!(poll_once(context.with(body)).await.is_none());
                }
                Style::Tuple => {
                    let body = async |_: &mut _| -> Result<(), Broken> { pending().await };
                    assert!(
                        poll_once((context, null_context(())).with(body))
                            .await
                            .is_none()
                    );
                }
                Style::Guard => drop(poll_once(context.enter()).await),
                Style::OnAStack => {
                    let stack = ExitStack::<Broken>::new();
                    drop(poll_once(stack.enter(context)).await);
                }
            }
        }};
    }

    for first in OPENED {
        for second in OPENED {
            for in_setup in [true, false] {
                for style in [Style::With, Style::Guard, Style::Tuple, Style::OnAStack] {
                    let case = Case {
                        first,
                        second,
                        in_setup,
                        style,
                    };
                    for policy in ["spawn", "drop", "discarded", "lost"] {
                        let log = &Log::default();
                        match policy {
                            "spawn" => cut!(spawned, log, case),
                            "drop" => cut!(dropped, log, case),
                            "discarded" => cut!(discarded, log, case),
                            _ => cut!(lost, log, case),
                        }
                        drain().await;
                        assert_eq!(
                            log.said(),
                            "+outer, +inner, -inner, -outer Cancelled",
                            "{case:?}, {policy}"
                        );
                    }
                }
            }
        }
    }
}
