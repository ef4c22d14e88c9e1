//! Inner before outer, also of what is dropped with a rollback that its executor has dropped. Not with the other tests of order: a rollback that runs nobody
//! knows where is counted on every runtime.

use contextlib::{
    AsyncContext, BoxGuard, Rollback, async_context,
    background::drain,
    kind::Never,
    policy::{Boxed, Policy},
    yield_resource,
};
use futures::FutureExt;
use std::{
    convert::Infallible,
    future::pending as forever,
    pin::Pin,
    sync::{Arc, Mutex},
};
use tokio::{sync::Semaphore, task::yield_now};

type AnyRollback = Pin<Box<dyn Future<Output = ()> + Send>>;
type Log = Arc<Mutex<Vec<&'static str>>>;

/// The rollbacks of `Kept` contexts, for the test to poll and to drop.
static KEPT: Mutex<Vec<AnyRollback>> = Mutex::new(Vec::new());

enum Kept {}

impl<C: AsyncContext<Resource: Send> + Send + 'static> Policy<C> for Kept {
    type Storage = Boxed<C>;
    type Origin = ();

    fn origin() {}

    fn rollback(rollback: Rollback<C>, (): ()) {
        KEPT.lock().unwrap().push(Box::pin(rollback));
    }
}

fn kept() -> AnyRollback {
    KEPT.lock().unwrap().pop().expect("a rollback has begun")
}

#[async_context]
async fn says(log: Log, name: &'static str, pauses: usize) {
    let _ = yield_resource!();
    for _ in 0..pauses {
        yield_now().await;
    }
    log.lock().unwrap().push(name);
}

/// Its teardown enters two others, one inside of the other, and waits for `go` between them.
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
