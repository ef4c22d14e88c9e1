//! Boxed contexts: for `dyn` traits, struct fields and recursion. They keep their policy, and run in every style.

use contextlib::{
    BoxContextManager, BoxGuard, InfallibleBoxContextManager, async_context, background,
    yield_resource,
};
use contextlib_tests::{BodyError, ContextError, Log};
use futures::executor::block_on;
use std::{cell::Cell, collections::HashMap, sync::Arc};

trait Store: Send + Sync {
    #[async_context(boxed)]
    async fn item(&self, name: &str) -> Result<String, ContextError>;

    #[async_context(boxed, on_cancel = drop)]
    async fn count(&self) -> usize;

    #[async_context(boxed, own(log = self.log()))]
    async fn provided(&self) -> u8 {
        let _ = yield_resource!(1);
        log.say("provided");
    }

    fn log(&self) -> Log;
}

struct Memory {
    items: HashMap<String, String>,
    log: Log,
}

impl Store for Memory {
    #[async_context(boxed, own(item = self.items.get(name).cloned(), log = self.log.clone()))]
    async fn item(&self, name: &str) -> Result<String, ContextError> {
        let mut item = item.ok_or(ContextError("no such item"))?;
        let exit = yield_resource!(item);
        tokio::task::yield_now().await;
        log.say(format!("{exit:?} {item}"));
    }

    #[async_context(boxed, on_cancel = drop)]
    async fn count(&self) -> usize {
        let _ = yield_resource!(self.items.len());
        self.log.say("counted");
    }

    fn log(&self) -> Log {
        self.log.clone()
    }
}

fn memory() -> (Arc<dyn Store>, Log) {
    let log = Log::new();
    let items = HashMap::from([("a".to_owned(), "item".to_owned())]);
    (
        Arc::new(Memory {
            items,
            log: log.clone(),
        }),
        log,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_dyn() {
    let (store, log) = memory();
    tokio::spawn(async move {
        let text = String::from("!");
        let with = store
            .item("a")
            .with(async |item| -> Result<usize, BodyError> {
                item.push_str(&text);
                tokio::task::yield_now().await;
                Ok(item.len())
            });
        assert_eq!(with.await, Ok(5));
        assert_eq!(store.count().run(async |count| *count).await, 1);
        assert_eq!(store.provided().run(async |one| *one).await, 1);
        let missing = store
            .item("b")
            .with(async |_| -> Result<(), BodyError> { Ok(()) });
        assert_eq!(
            missing.await,
            Err(BodyError::Context(ContextError("no such item")))
        );
        let guard: BoxGuard<'static, String, ContextError> = store.item("a").enter().await.unwrap();
        assert_eq!(
            guard.exit_with(Err::<(), _>(BodyError::Own("error"))).await,
            Err(BodyError::Own("error"))
        );
        // The policy came along: this one is rolled back in the background.
        drop(store.item("a").enter().await);
    })
    .await
    .unwrap();
    background::drain().await;
    let expected = [
        "Completed item!",
        "counted",
        "provided",
        "Failed(Own(\"error\")) item",
        "Cancelled item",
    ];
    assert_eq!(log.lines(), expected);
}

/// A context in a field, entered later.
struct Lazy<'a> {
    manager: Option<InfallibleBoxContextManager<'a, usize>>,
    guards: Vec<BoxGuard<'static, String, ContextError>>,
}

#[test]
fn in_fields() {
    let (store, log) = memory();
    let mut lazy = Lazy {
        manager: Some(store.count()),
        guards: Vec::new(),
    };
    for _ in 0..2 {
        lazy.guards.push(block_on(store.item("a").enter()).unwrap());
    }
    let count = lazy.manager.take().unwrap();
    assert_eq!(block_on(count.run(async |count| *count)), 1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for guard in lazy.guards {
        runtime.block_on(guard.exit()).unwrap();
    }
    assert_eq!(log.lines(), ["counted", "Completed item", "Completed item"]);
}

/// A context that enters itself, ten deep.
#[tokio::test]
async fn recursion() {
    #[async_context]
    async fn nested(depth: u32, log: Log) -> Result<u32, ContextError> {
        if depth == 0 {
            let _ = yield_resource!(0);
        } else {
            let inner: BoxContextManager<'static, u32, ContextError> =
                nested(depth - 1, log.clone()).boxed();
            let mut inner = inner.enter().await?;
            let _ = yield_resource!(*inner + 1);
            *inner += 1;
            inner.exit().await?;
        }
        log.say(depth.to_string());
    }
    let log = Log::new();
    assert_eq!(
        nested(10, log.clone())
            .with(async |depth| -> Result<u32, BodyError> { Ok(*depth) })
            .await,
        Ok(10)
    );
    let expected = Vec::from_iter((0..=10).map(|depth| depth.to_string()));
    assert_eq!(log.take(), expected);
    drop(nested(10, log.clone()).enter().await);
    background::drain().await;
    assert_eq!(
        log.lines(),
        expected,
        "an inner one before its outer one, in the background too"
    );
}

/// Not `Sync`, what with its cell; still its guard is shared, since its resource may be.
#[async_context(boxed)]
async fn counted(log: Log) -> Result<String, ContextError> {
    let times = Cell::new(0);
    let mut name = String::from("pool");
    let _ = yield_resource!(name);
    times.set(times.get() + 1);
    log.say(format!("{name} {}", times.get()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_is_shared_by_tasks() {
    struct App {
        pool: BoxGuard<'static, String, ContextError>,
    }
    let log = Log::new();
    let pool = counted(log.clone()).enter().await.unwrap();
    let app = Arc::new(App { pool });
    let sharing = app.clone();
    let length = tokio::spawn(async move { sharing.pool.len() });
    assert_eq!(length.await.unwrap(), 4);
    let app = Arc::into_inner(app).expect("the task is over");
    app.pool.exit().await.unwrap();
    assert_eq!(log.take(), ["pool 1"]);
}

trait Lends<'a> {
    fn lend(&self) -> &'a str;
}

impl<'a> Lends<'a> for &'a str {
    fn lend(&self) -> &'a str {
        self
    }
}

/// The lifetime is in the generics alone.
#[async_context(boxed, on_cancel = drop)]
async fn lent<'a, T: Lends<'a> + Send + 'a>(lends: T) -> &'a str {
    let _ = yield_resource!(lends.lend());
}

#[test]
fn of_a_lifetime_that_only_the_generics_name() {
    let text = String::from("text");
    assert_eq!(
        block_on(lent(text.as_str()).run(async |text| text.len())),
        4
    );
}

/// The policies that a context can have, each of which leaves another trace.
mod with_another_error {
    use super::*;
    use contextlib::{
        AsyncContext,
        policy::{Boxed, Policy, Rollback},
    };
    use contextlib_tests::poll_once;
    use std::{future::pending, pin::pin};
    use tokio::task::yield_now;

    /// Rolls back where it is dropped.
    struct AtOnce;

    impl<C: AsyncContext> Policy<C> for AtOnce {
        type Storage = Boxed<C>;
        type Origin = ();

        fn origin() {}

        fn rollback(rollback: Rollback<C>, (): ()) {
            block_on(rollback);
        }
    }

    macro_rules! contexts {
        ($($name:ident($($policy:tt)*))*) => {$(
            #[async_context(boxed, $($policy)*)]
            async fn $name(log: &Log) -> Result<(), ContextError> {
                log.say("set up");
                let _ = yield_resource!();
                log.say("torn down");
            }
        )*};
    }

    contexts! {
        dropped(on_cancel = drop)
        at_once(on_cancel = AtOnce)
        blocks(on_cancel = block)
    }

    #[async_context(boxed, setup = finish)]
    async fn finishes(log: Log) -> Result<(), ContextError> {
        yield_now().await;
        log.say("set up");
        let _ = yield_resource!();
        log.say("torn down");
    }

    /// Drops a body, or a setup, of each in turn: once with its own error, once with another one, once with a third one.
    macro_rules! traces {
        ($log:ident, $context:expr) => {{
            async fn cut(with: impl Future<Output = Result<(), BodyError>>) {
                let mut with = pin!(with);
                assert!(poll_once(with.as_mut()).is_pending());
            }
            let body = async |_: &mut ()| pending::<Result<(), BodyError>>().await;
            let mut traces = Vec::new();
            cut($context.with(body)).await;
            background::drain().await;
            traces.push($log.take());
            cut($context.err_into::<BodyError>().with(body)).await;
            background::drain().await;
            traces.push($log.take());
            let twice = $context.err_into::<BodyError>().map_err(BodyError::from);
            cut(twice.boxed().map_err(BodyError::from).with(body)).await;
            background::drain().await;
            traces.push($log.take());
            traces
        }};
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn they_keep_their_policy() {
        let log = Log::new();
        assert_eq!(traces!(log, dropped(&log)), [["set up"]; 3]);
        let torn_down = [["set up", "torn down"]; 3];
        assert_eq!(traces!(log, at_once(&log)), torn_down);
        assert_eq!(traces!(log, blocks(&log)), torn_down);
        assert_eq!(traces!(log, finishes(log.clone())), torn_down);
    }
}
