//! Inner before outer, also of what is dropped with a rollback that its executor has dropped. Not with the other tests of order: a rollback that runs nobody
//! knows where is counted on every runtime.

use contextlib::{
    AsyncContext, BoxGuard, Rollback, async_context,
    background::{drain, lane},
    kind::Never,
    policy::{Boxed, Policy},
    yield_resource,
};
use futures::FutureExt;
use std::{
    cell::RefCell,
    convert::Infallible,
    future::pending as forever,
    pin::Pin,
    sync::{Arc, Mutex},
};
use tokio::{sync::Semaphore, task::yield_now};

type AnyRollback = Pin<Box<dyn Future<Output = ()> + Send>>;
type Log = Arc<Mutex<Vec<&'static str>>>;

thread_local! {
    /// The rollbacks of this test's `Kept` contexts, for it to poll and to drop.
    static KEPT: RefCell<Vec<AnyRollback>> = const { RefCell::new(Vec::new()) };
}

enum Kept {}

impl<C: AsyncContext<Resource: Send> + Send + 'static> Policy<C> for Kept {
    type Storage = Boxed<C>;
    type Origin = ();

    fn origin() {}

    fn rollback(rollback: Rollback<C>, (): ()) {
        KEPT.with_borrow_mut(|kept| kept.push(Box::pin(rollback)));
    }
}

fn kept() -> AnyRollback {
    KEPT.with_borrow_mut(Vec::pop)
        .expect("a rollback has begun")
}

#[async_context]
async fn says(log: Log, name: &'static str, pauses: usize) {
    let _ = yield_resource!();
    for _ in 0..pauses {
        yield_now().await;
    }
    log.lock().unwrap().push(name);
}

/// Its teardown enters two others, one inside the other, and waits for `go` between them.
#[async_context(on_cancel = Kept)]
async fn enters_two(log: Log, go: Arc<Semaphore>) {
    let _ = yield_resource!();
    let Ok(_outer) = says(log.clone(), "outer", 0).enter().await;
    go.acquire().await.unwrap().forget();
    let Ok(_inner) = says(log.clone(), "inner", 20).enter().await;
    log.lock().unwrap().push("both");
    forever::<Infallible>().await;
}

/// Its teardown has that one's in it.
#[async_context(on_cancel = Kept)]
async fn exits(context: BoxGuard<'static, (), Never>) -> Result<(), Never> {
    let _ = yield_resource!();
    context.exit().await?;
}

/// A teardown that was awaited, then part of a rollback, and then a rollback that is lost: what it has entered meanwhile, each in another lane, is in order.
#[tokio::test]
async fn is_in_order() {
    let (log, go) = (Log::default(), Arc::new(Semaphore::new(0)));
    let two = enters_two(log.clone(), go.clone()).err_into::<Never>();
    let Ok(two) = two.boxed().enter().await;
    let Ok(around) = exits(two).enter().await;
    assert_eq!(around.exit().now_or_never(), None);
    let mut around = kept();
    go.add_permits(1);
    assert_eq!(around.as_mut().now_or_never(), None);
    assert_eq!(*log.lock().unwrap(), ["both"]);
    drop(around);
    drop(kept());
    drain().await;
    assert_eq!(*log.lock().unwrap(), ["both", "inner", "outer"]);
}

/// Its teardown enters another one, and doesn't end.
#[async_context(on_cancel = Kept)]
async fn enters_one(log: Log) {
    let _ = yield_resource!();
    let Ok(_inner) = says(log.clone(), "inner", 20).enter().await;
    forever::<Infallible>().await;
}

/// A context that was entered in one lane and is dropped in another: what its lost rollback leaves comes before what is around it in either.
#[tokio::test]
async fn is_waited_for_where_it_was_dropped() {
    let log = Log::default();
    let Ok(outer) = says(log.clone(), "outer", 0).enter().await;
    let Ok(one) = lane(enters_one(log.clone()).enter()).await;
    drop(one);
    let mut rollback = kept();
    assert_eq!(rollback.as_mut().now_or_never(), None);
    drop(rollback);
    let Ok(()) = outer.exit().await;
    assert_eq!(*log.lock().unwrap(), ["inner", "outer"]);
}
