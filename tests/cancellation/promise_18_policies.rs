//! What each policy does with a frame whose caller is gone, and what kinds of frames it takes.

use crate::runtimes::multi_thread;
use contextlib::{
    AsyncContext, ContextManager, Definition, async_context, background,
    policy::{self, Boxed, Policy, Rollback},
    yield_resource,
};
use contextlib_tests::{
    Census, Counted, Log, Reports, assert_nothing_pending, poll_once, quiet, yields,
};
use futures::executor::block_on;
use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    panic::Location,
    rc::Rc,
    sync::mpsc,
    thread,
};
use tokio::task::LocalSet;

#[tokio::test]
async fn spawn_is_the_default_and_a_background_task() {
    #[async_context]
    async fn context(log: Log) -> u8 {
        let mut number = 1;
        let exit = yield_resource!(number);
        yields(1).await;
        log.say(format!("{exit:?} {number}"));
    }
    fn is_the_default<C: contextlib::AsyncContext>(
        manager: ContextManager<C, policy::Spawn>,
    ) -> ContextManager<C> {
        manager
    }
    let log = Log::new();
    let Ok(mut guard) = is_the_default(context(log.clone())).enter().await;
    *guard += 1;
    drop(guard);
    assert!(log.lines().is_empty(), "not in `drop`");
    assert!(background::pending() >= 1);
    background::drain().await;
    assert_eq!(log.lines(), ["Cancelled 2"]);
}

/// The frame isn't `Send`, and neither is its resource.
#[async_context(on_cancel = spawn_local)]
async fn local(log: Rc<RefCell<Vec<u32>>>, census: Census) -> Rc<Cell<u32>> {
    let counted = census.value("local");
    let mut number = Rc::new(Cell::new(1));
    let other = number.clone();
    yields(1).await;
    let _ = yield_resource!(number);
    yields(1).await;
    log.borrow_mut().push(number.get() + other.get());
    counted.touch();
}

#[tokio::test]
async fn spawn_local_takes_frames_that_are_not_send() {
    let tasks = LocalSet::new();
    tasks
        .run_until(async {
            let (log, census) = (Rc::<RefCell<Vec<_>>>::default(), Census::new());
            let Ok(guard) = local(log.clone(), census.clone()).enter().await;
            guard.set(2);
            drop(guard);
            assert!(log.borrow().is_empty());
            background::drain().await;
            assert_eq!(*log.borrow(), [4]);

            let mut with = Box::pin(local(log.clone(), census.clone()).with_local(
                async |number| -> Result<(), Infallible> {
                    number.set(3);
                    std::future::pending().await
                },
            ));
            for _ in 0..3 {
                assert!(poll_once(with.as_mut()).is_pending());
            }
            drop(with);
            background::drain().await;
            assert_eq!(*log.borrow(), [4, 6]);
            census.assert_balanced("spawn_local");
        })
        .await;
}

#[test]
fn spawn_local_outside_of_a_local_set_is_reported() {
    let _quiet = quiet();
    let reports = Reports::keep();
    let (log, census) = (Rc::<RefCell<Vec<_>>>::default(), Census::new());
    let Ok(guard) = block_on(local(log.clone(), census.clone()).enter());
    drop(guard);
    assert_eq!(
        reports.take(),
        [
            "local lost its teardown: it was dropped outside of a `LocalSet` or `LocalRuntime` after cancelled"
        ]
    );
    multi_thread(1).block_on(async {
        let Ok(guard) = local(log.clone(), census.clone()).enter().await;
        drop(guard);
    });
    assert_eq!(reports.take().len(), 1);
    assert!(log.borrow().is_empty());
    census.assert_balanced("lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn block_takes_frames_that_borrow_and_returns_after_the_teardown() {
    #[async_context(on_cancel = block)]
    async fn context(numbers: &mut Vec<u32>) -> Cell<u32> {
        let mut last = Cell::new(1);
        let _ = yield_resource!(last);
        tokio::task::yield_now().await;
        numbers.push(last.get());
    }
    let mut numbers = Vec::new();
    let Ok(guard) = context(&mut numbers).enter().await;
    guard.set(7);
    drop(guard);
    assert_eq!(numbers, [7]);
}

/// Only the destructors run, in the reverse order of their variables, the resource where it lies.
#[async_context(on_cancel = drop)]
async fn dropped<'a>(log: &'a Log, census: &'a Census) -> Counted {
    struct Said<'a>(&'a Log, &'static str);
    impl Drop for Said<'_> {
        fn drop(&mut self) {
            self.0.say(self.1);
        }
    }
    let _first = Said(log, "first");
    let _second = Said(log, "second");
    let mut resource = census.value("resource");
    let _ = yield_resource!(resource);
    log.say("torn down");
}

#[test]
fn drop_runs_destructors_only() {
    let reports = Reports::keep();
    let (log, census) = (Log::new(), Census::new());
    let Ok(guard) = block_on(dropped(&log, &census).enter());
    drop(guard);
    assert_eq!(log.take(), ["second", "first"]);
    let mut with = Box::pin(
        dropped(&log, &census)
            .with(async |_| -> Result<(), Infallible> { std::future::pending().await }),
    );
    assert!(poll_once(with.as_mut()).is_pending());
    drop(with);
    assert_eq!(log.take(), ["second", "first"]);
    let Ok(guard) = block_on(dropped(&log, &census).enter());
    let Ok(()) = block_on(guard.exit());
    assert_eq!(log.take(), ["torn down", "second", "first"]);
    census.assert_balanced("drop");
    assert_eq!(reports.take(), [""; 0], "this is what its author chose");
    assert_nothing_pending();
}

/// Rolls back on a thread of its own, which knows nothing of tokio.
enum OnThread {}

/// What a policy gets to know of the context.
struct Known {
    definition: Definition,
    entered: &'static Location<'static>,
    shown: String,
}

thread_local! {
    static TALLY: RefCell<Option<mpsc::Sender<Known>>> = const { RefCell::new(None) };
}

impl<C> Policy<C> for OnThread
where
    C: AsyncContext<Resource: Send> + Send + 'static,
{
    type Storage = Boxed<C>;
    type Origin = &'static str;

    fn origin() -> &'static str {
        "where it was entered"
    }

    fn rollback(rollback: Rollback<C>, origin: &'static str) {
        assert_eq!(origin, "where it was entered");
        let done = TALLY.with_borrow_mut(Option::take).unwrap();
        let known = Known {
            definition: rollback.definition(),
            entered: rollback.entered(),
            shown: format!("{rollback:?}"),
        };
        thread::spawn(move || {
            done.send(known).unwrap();
            block_on(rollback);
            drop(done);
        });
    }
}

#[async_context(on_cancel = OnThread)]
async fn custom(log: Log, census: Census) -> Result<Counted, &'static str> {
    let mut resource = census.value("resource");
    let exit = yield_resource!(resource);
    yields(2).await;
    log.say(format!("{exit:?}"));
    resource.touch();
    Err("teardown")
}

#[track_caller]
fn assert_known(known: &Known, line: u32) {
    assert_eq!(known.definition.name(), "custom");
    assert_eq!(known.definition.location().file(), file!());
    assert_eq!(
        (known.entered.file(), known.entered.line()),
        (file!(), line)
    );
    let Known {
        definition,
        entered,
        shown,
    } = known;
    assert_eq!(
        *shown,
        format!("Rollback {{ context: {definition:?}, entered: {entered:?} }}")
    );
}

#[test]
fn a_policy_of_ones_own_runs_it_anywhere() {
    let reports = Reports::keep();
    let (log, census) = (Log::new(), Census::new());
    let line = line!() + 1;
    let guard = block_on(custom(log.clone(), census.clone()).enter()).unwrap();
    let (done, ended) = mpsc::channel();
    TALLY.set(Some(done));
    drop(guard);
    assert_known(&ended.recv().unwrap(), line);
    assert!(ended.recv().is_err(), "it is over");
    assert_eq!(log.take(), ["Cancelled"]);
    assert_eq!(
        reports.take(),
        ["custom failed: \"teardown\" after cancelled"]
    );

    let line = line!() + 2;
    let mut with = Box::pin(
        custom(log.clone(), census.clone()).with(async |_| -> Result<(), &str> { Err("body") }),
    );
    assert!(poll_once(with.as_mut()).is_pending());
    let (done, ended) = mpsc::channel();
    TALLY.set(Some(done));
    drop(with);
    assert_known(&ended.recv().unwrap(), line);
    assert!(ended.recv().is_err(), "it is over");
    assert_eq!(log.take(), ["Failed(\"body\")"]);
    assert_eq!(
        reports.take(),
        [
            "custom failed: \"teardown\" after failed",
            "custom's body failed: \"body\" after failed"
        ]
    );
    census.assert_balanced("a policy of one's own");
}

/// A policy that does nothing with what it gets.
enum Careless {}
impl<C: AsyncContext> Policy<C> for Careless {
    type Storage = Boxed<C>;
    type Origin = ();
    fn origin() {}
    fn rollback(rollback: Rollback<C>, (): ()) {
        drop(rollback);
    }
}

#[async_context(on_cancel = Careless)]
async fn careless(census: Census) -> Counted {
    let mut resource = census.value("resource");
    let _ = yield_resource!(resource);
    resource.touch();
}

#[test]
fn a_policy_that_drops_the_rollback_loses_it_loudly() {
    let reports = Reports::keep();
    let census = Census::new();
    let Ok(guard) = block_on(careless(census.clone()).enter());
    drop(guard);
    assert_eq!(reports.take().len(), 1);
    census.assert_balanced("careless");
    assert_nothing_pending();
}

/// A policy whose frames lie in the `with` future.
enum Inline {}
impl<C: AsyncContext> Policy<C> for Inline {
    type Storage = C;
    type Origin = ();
    fn origin() {}
    fn rollback(rollback: Rollback<C>, (): ()) {
        // Of guards, whose frames are in a box.
        rollback.lose("by its policy");
    }
}

#[test]
fn a_policy_of_ones_own_without_a_box() {
    #[async_context(on_cancel = Inline)]
    async fn inline(census: &Census) -> Counted {
        let local = census.value("local");
        let mut resource = census.value("resource");
        let _ = yield_resource!(resource);
        local.touch();
    }
    let reports = Reports::keep();
    let census = Census::new();
    let Ok(guard) = block_on(inline(&census).enter());
    drop(guard);
    assert_eq!(
        reports.take(),
        ["inline lost its teardown: by its policy after cancelled"]
    );
    let mut with = Box::pin(
        inline(&census).with(async |_| -> Result<(), Infallible> { std::future::pending().await }),
    );
    assert!(poll_once(with.as_mut()).is_pending());
    drop(with);
    assert_eq!(reports.take(), [""; 0]);
    block_on(inline(&census).run(async |resource| resource.touch()));
    census.assert_balanced("inline");
}
