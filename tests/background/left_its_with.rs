//! Guards that have left the `with` they were entered in, as that of a connection that is opened with a time limit: they count as entered in what is around that.

use crate::shared::{
    Broken, Inner, Log, closed, gated, giving_back, poll_once, quick, settle, slow,
};
use contextlib::{
    AsyncContext, BoxContextManager, ExitStack, IntoContextManager, Rollback, async_context,
    background::{self, drain, lane},
    null_context,
    policy::{self, Boxed, Combine, Policy},
    within, yield_resource,
};
use futures::{FutureExt, future::BoxFuture, join};
use std::{future::pending, sync::Arc, thread, time::Duration};
use tokio::{
    sync::{Semaphore, oneshot},
    task::yield_now,
    time::timeout,
};

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
        Opened::OnAStack => {
            let stack = ExitStack::scope(async |stack| -> Result<_, Broken> {
                let _: &mut () = stack.enter(context).await?;
                Ok(stack.pop_all())
            });
            Box::new(stack.await.unwrap())
        }
        _ => Box::new(open_guard(opened, context).await),
    }
}

async fn open_guard(opened: Opened, context: Opening) -> Inner {
    match opened {
        Opened::Plainly => enter(context).await,
        Opened::InAWith => null_context(()).run(async |_| enter(context).await).await,
        Opened::InTwo => {
            let inner =
                async |_: &mut ()| null_context(()).run(async |_| enter(context).await).await;
            null_context(()).run(inner).await
        }
        Opened::Within => decorated(context).await,
        Opened::OnAStack => unreachable!("that is no guard"),
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
                Style::Guard => {
                    let _guard = poll_once(context.enter()).await;
                }
                Style::OnAStack => {
                    let stack = ExitStack::<Broken>::new();
                    let _entered = poll_once(stack.enter(context)).await;
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

/// A teardown, awaited or in the background, opens one and has another task drop it: what is around that context, be it only another part of a tuple, waits for it.
#[tokio::test]
async fn handed_over_in_a_teardown() {
    #[async_context]
    async fn hands_over(log: Log, opened: Opened, dropped: Dropped) -> Result<(), Broken> {
        let _ = yield_resource!();
        let inner = open(opened, inner(&log)).await;
        drop_them(dropped, (inner, Box::new(()))).await;
        yield_now().await;
    }
    let elsewhere = [
        Dropped::Here,
        Dropped::InATask,
        Dropped::InAWith,
        Dropped::InALane,
        Dropped::OnAThread,
        Dropped::WithATask,
    ];
    for opened in OPENED {
        for dropped in elsewhere {
            for around in 0..7 {
                let log = Log::default();
                let quick = quick(log.clone(), "outer");
                let handing = hands_over(log.clone(), opened, dropped);
                let well = async |_: &mut _| -> Result<(), Broken> { Ok(()) };
                let cut = async |_: &mut _| -> Result<(), Broken> { pending().await };
                match around {
                    0 => (quick, handing).with(well).await.unwrap(),
                    1 => assert!(poll_once((quick, handing).with(cut)).await.is_none()),
                    6 => assert!(poll_once((quick, handing).with(well)).await.is_none()),
                    2 => drop((quick, handing).enter().await.unwrap()),
                    3 => {
                        let guard = quick.enter().await.unwrap();
                        drop(handing.enter().await.unwrap());
                        guard.exit().await.unwrap();
                    }
                    4 => {
                        let body = async |_: &mut ()| -> Result<(), Broken> {
                            drop(handing.enter().await?);
                            Ok(())
                        };
                        quick.with(body).await.unwrap();
                    }
                    _ => {
                        let body = async |_: &mut ()| -> Result<(), Broken> {
                            handing.with(async |_| pending().await).await
                        };
                        assert!(poll_once(quick.with(body)).await.is_none());
                    }
                }
                drain().await;
                let said = log.said();
                let in_order = said.starts_with("+outer, +inner, -inner, -outer ");
                assert!(in_order, "{opened:?}, {dropped:?}, {around}: {said}");
            }
        }
    }
}

/// A setup that runs on in the background does so: its own teardown waits for it.
#[tokio::test]
async fn handed_over_in_a_setup_that_runs_on() {
    #[async_context(setup = finish)]
    async fn hands_over(log: Log, opened: Opened, dropped: Dropped) -> Result<(), Broken> {
        yield_now().await;
        let inner = open(opened, inner(&log)).await;
        drop_them(dropped, (inner, Box::new(()))).await;
        let _ = yield_resource!();
        log.say("-outer");
    }
    for opened in OPENED {
        for dropped in DROPPED {
            let log = Log::default();
            let handing = hands_over(log.clone(), opened, dropped);
            assert!(poll_once(handing.enter()).await.is_none());
            drain().await;
            let handing = hands_over(log.clone(), opened, dropped);
            let body = async |_: &mut ()| -> Result<(), Broken> { Ok(()) };
            assert!(poll_once(handing.with(body)).await.is_none());
            drain().await;
            assert_eq!(
                log.said(),
                "+inner, -inner, -outer, +inner, -inner, -outer",
                "{opened:?}, {dropped:?}"
            );
        }
    }
}

/// A rollback that is dropped before its end has done so: what is around it waits, in its place.
#[tokio::test]
async fn handed_over_in_a_rollback_that_is_lost() {
    enum LostLater {}

    impl<C> Policy<C> for LostLater
    where
        C: AsyncContext<Resource: Send> + Send + 'static,
    {
        type Storage = Boxed<C>;
        type Origin = ();

        fn origin() {}

        fn rollback(rollback: Rollback<C>, (): ()) {
            let begun = poll_once(rollback).now_or_never();
            assert_eq!(begun, Some(None));
        }
    }

    #[async_context(on_cancel = LostLater)]
    async fn hands_over(log: Log, opened: Opened) -> Result<(), Broken> {
        let _ = yield_resource!();
        let inner = open(opened, inner(&log)).await;
        thread::spawn(|| drop(inner)).join().unwrap();
        pending::<()>().await;
    }

    for opened in OPENED {
        let log = Log::default();
        let outer = quick(log.clone(), "outer").enter().await.unwrap();
        drop(hands_over(log.clone(), opened).enter().await.unwrap());
        outer.exit().await.unwrap();
        let body = async |_: &mut ()| -> Result<(), Broken> {
            let body = async |_: &mut ()| -> Result<(), Broken> { pending().await };
            let cut = poll_once(hands_over(log.clone(), opened).with(body));
            assert!(cut.await.is_none());
            Ok(())
        };
        quick(log.clone(), "outer").with(body).await.unwrap();
        let said = "+outer, +inner, -inner, -outer Completed";
        assert_eq!(log.said(), format!("{said}, {said}"), "{opened:?}");
    }
}

/// A tuple's rollback doesn't wait for what the task has entered since, which may need what it gives back.
#[tokio::test(start_paused = true)]
async fn what_is_entered_after_a_tuple_is_apart() {
    for opened in OPENED {
        let log = Log::default();
        let permits = Arc::new(Semaphore::new(1));
        let permit = permits.clone().try_acquire_owned().unwrap();
        let tuple = (giving_back(log.clone(), permit), slow(log.clone(), "inner"));
        drop(tuple.enter().await.unwrap());
        let needing = gated(log.clone(), "needing", permits);
        let needing = open(opened, needing.boxed()).await;
        thread::spawn(|| drop(needing)).join().unwrap();
        are_apart(&log).await;
    }
}

/// What is exited in a rollback waits for what is inside of an earlier one that is still running, though not for that one.
#[tokio::test]
async fn handed_over_in_an_earlier_rollback() {
    #[async_context]
    async fn exits(things: oneshot::Receiver<Inner>) -> Result<(), Broken> {
        let _ = yield_resource!();
        things.await.unwrap().exit().await?;
    }

    #[async_context]
    async fn hands_over(
        log: Log,
        opened: Opened,
        inner: Arc<Semaphore>,
        end: Arc<Semaphore>,
    ) -> Result<(), Broken> {
        let _ = yield_resource!();
        let inner = open(opened, gated(log.clone(), "inner", inner).boxed()).await;
        thread::spawn(|| drop(inner)).join().unwrap();
        end.acquire().await.unwrap().forget();
    }
    for opened in OPENED {
        let log = Log::default();
        let (inner_may_end, it_may_end) = (closed(), closed());
        let outer = enter(outer(&log)).await;
        let earlier = hands_over(
            log.clone(),
            opened,
            inner_may_end.clone(),
            it_may_end.clone(),
        );
        let earlier = earlier.enter().await.unwrap();
        let (give, things) = oneshot::channel();
        let later = exits(things).enter().await.unwrap();
        drop(earlier);
        settle().await;
        assert_eq!(log.said(), "+outer, +inner, ~inner", "{opened:?}");

        assert!(give.send(outer).is_ok());
        drop(later);
        settle().await;
        assert_eq!(log.said(), "+outer, +inner, ~inner", "{opened:?}");
        inner_may_end.add_permits(1);
        settle().await;
        assert_eq!(
            log.said(),
            "+outer, +inner, ~inner, -inner, -outer Completed",
            "{opened:?}"
        );
        it_may_end.add_permits(1);
        drain().await;
    }
}

/// The bodies, inside of each other, in which a guard and something else are entered one after the other, and come to their end, the inner one first.
#[derive(Clone, Copy, Debug)]
struct Depths {
    outer_entered: u32,
    inner_entered: u32,
    inner_dropped: u32,
    outer_dropped: u32,
    /// It is exited instead.
    exits: bool,
}

impl Depths {
    fn all() -> impl Iterator<Item = Self> {
        let from = |depth: u32| depth..4;
        from(0).flat_map(move |outer_entered| {
            from(outer_entered).flat_map(move |inner_entered| {
                from(inner_entered).flat_map(move |inner_dropped| {
                    from(inner_dropped).flat_map(move |outer_dropped| {
                        [false, true].map(|exits| Depths {
                            outer_entered,
                            inner_entered,
                            inner_dropped,
                            outer_dropped,
                            exits,
                        })
                    })
                })
            })
        })
    }
}

struct Nested {
    log: Log,
    first: Opened,
    second: Opened,
    outer: Option<Inner>,
    inner: Option<Kept>,
    depths: Depths,
}

impl Nested {
    /// What is to be done in the body of this depth, and in those inside of it.
    fn run(mut self, depth: u32) -> BoxFuture<'static, ()> {
        let Depths {
            outer_entered,
            inner_entered,
            inner_dropped,
            outer_dropped,
            exits,
        } = self.depths;
        let work = async move {
            if depth == outer_entered {
                self.outer = Some(open_guard(self.first, outer(&self.log)).await);
            }
            if depth == inner_entered {
                self.inner = Some(open(self.second, inner(&self.log)).await);
            }
            if depth == inner_dropped {
                self.inner = None;
            }
            if depth < outer_dropped {
                let deeper = async |_: &mut ()| self.run(depth + 1).await;
                return null_context(()).run(deeper).await;
            }
            match self.outer.take() {
                Some(outer) if exits => outer.exit().await.unwrap(),
                outer => drop(outer),
            }
        };
        work.boxed()
    }
}

async fn in_all_depths() {
    for first in OPENED
        .into_iter()
        .filter(|first| !matches!(first, Opened::OnAStack))
    {
        for second in OPENED {
            for depths in Depths::all() {
                let log = Log::default();
                let all = Nested {
                    log: log.clone(),
                    first,
                    second,
                    outer: None,
                    inner: None,
                    depths,
                };
                all.run(0).await;
                drain().await;
                let end = if depths.exits {
                    "Completed"
                } else {
                    "Cancelled"
                };
                let said = format!("+outer, +inner, -inner, -outer {end}");
                assert_eq!(log.said(), said, "{first:?}, {second:?}, {depths:?}");
            }
        }
    }
}

#[tokio::test]
async fn in_bodies_inside_of_each_other() {
    in_all_depths().await;
    lane(in_all_depths()).await;
    null_context(()).run(async |_| in_all_depths().await).await;
}

#[tokio::test]
async fn in_bodies_inside_of_each_other_in_a_rollback() {
    #[async_context]
    async fn runs_them(done: oneshot::Sender<()>) -> Result<(), Broken> {
        let _ = yield_resource!();
        in_all_depths().await;
        done.send(()).unwrap();
    }
    let (done, is_done) = oneshot::channel();
    drop(runs_them(done).enter().await.unwrap());
    is_done.await.unwrap();
}

/// Is set up a moment later, and takes so many turns for its teardown.
#[async_context]
async fn late(log: Log, name: &'static str, turns: u32) -> Result<(), Broken> {
    yield_now().await;
    log.say(format_args!("+{name}"));
    let exit = yield_resource!();
    for _ in 0..turns {
        yield_now().await;
    }
    log.say(format_args!("-{name} {exit:?}"));
}

/// A teardown that enters the outer one goes on in a rollback from there: opens the inner one, hands that over, and drops the outer one here or in a body.
#[tokio::test]
async fn entered_in_a_teardown_that_became_a_rollback() {
    #[async_context]
    async fn enters_both(log: Log, opened: (Opened, Opened), deep: bool) -> Result<(), Broken> {
        let _ = yield_resource!();
        let outer = open(opened.0, late(log.clone(), "outer", 0).boxed()).await;
        let inner = open(opened.1, inner(&log)).await;
        match deep {
            // Here it is pending in this rollback itself.
            true => drop(inner),
            false => thread::spawn(|| drop(inner)).join().unwrap(),
        }
        match deep {
            true => null_context(()).run(async |_| drop(outer)).await,
            false => drop(outer),
        }
    }
    for first in OPENED {
        for second in OPENED {
            for deep in [false, true] {
                let log = Log::default();
                let context = enters_both(log.clone(), (first, second), deep);
                let guard = context.enter().await.unwrap();
                assert!(poll_once(guard.exit()).await.is_none());
                drain().await;
                assert_eq!(
                    log.said(),
                    "+outer, +inner, -inner, -outer Cancelled",
                    "{first:?}, {second:?}, deep: {deep}"
                );
            }
        }
    }
}

/// A `with` that a teardown has begun goes on in the rollback that this became: it waits for what its body hands over there.
#[tokio::test]
async fn handed_over_in_a_with_that_a_rollback_goes_on_with() {
    #[async_context]
    async fn goes_on(log: Log, opened: Opened, style: u8) -> Result<(), Broken> {
        let _ = yield_resource!();
        let around = quick(log.clone(), "outer");
        let body = async || {
            yield_now().await;
            let inner = open(opened, inner(&log)).await;
            thread::spawn(|| drop(inner)).join().unwrap();
            Ok::<_, Broken>(())
        };
        match style {
            0 => around.with(async |_| body().await).await?,
            1 => {
                let both = (around, null_context(()));
                both.with(async |_| body().await).await?;
            }
            2 => {
                let inside = async |_: &mut ()| around.with(async |_| body().await).await;
                null_context(()).with(inside).await?;
            }
            _ => {
                let inside = async |_: &mut ()| {
                    let guard = around.enter().await?;
                    body().await?;
                    guard.exit().await
                };
                null_context(()).with(inside).await?;
            }
        }
    }
    for opened in OPENED {
        for style in 0..4 {
            let log = Log::default();
            let context = goes_on(log.clone(), opened, style);
            let guard = context.enter().await.unwrap();
            assert!(poll_once(guard.exit()).await.is_none());
            drain().await;
            assert_eq!(
                log.said(),
                "+outer, +inner, -inner, -outer Completed",
                "{opened:?}, {style}"
            );
        }
    }
}

/// A teardown in a lane that is over enters the inner one, and hands it over in its rollback: what is around the lane waits for it.
#[tokio::test]
async fn handed_over_after_its_lane_is_over() {
    #[async_context]
    async fn enters(log: Log, opened: Opened) -> Result<(), Broken> {
        let _ = yield_resource!();
        let inner = open(opened, late(log.clone(), "inner", 20).boxed()).await;
        thread::spawn(|| drop(inner)).join().unwrap();
    }
    for opened in OPENED {
        let log = Log::default();
        let outer = quick(log.clone(), "outer").enter().await.unwrap();
        let body = async |_: &mut ()| -> Result<(), Broken> { Ok(()) };
        let with = enters(log.clone(), opened).with(body);
        assert!(poll_once(lane(with)).await.is_none());
        outer.exit().await.unwrap();
        assert_eq!(
            log.said(),
            "+outer, +inner, -inner Cancelled, -outer Completed",
            "{opened:?}"
        );
    }
}

/// What is dropped in a body inside of the one where it was entered doesn't wait for what is beside that one, which may need what it gives back.
#[tokio::test(start_paused = true)]
async fn what_is_beside_its_body_is_apart() {
    for opened in OPENED {
        let log = Log::default();
        let (giving, needing) = giving_and_needing(&log);
        let beside = async {
            yield_now().await;
            drop(open(opened, needing).await);
        };
        let body = async |_: &mut ()| {
            let giving = open(opened, giving).await;
            while background::pending() == 0 {
                yield_now().await;
            }
            null_context(()).run(async |_| drop(giving)).await;
        };
        let both = async |_: &mut ()| join!(null_context(()).run(body), beside);
        null_context(()).run(both).await;
        are_apart(&log).await;
    }
}
