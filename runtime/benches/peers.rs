//! Other ways to the same end, each as its documentation has it. Every function does the [`Work`] it is given, so that the one function is timed and
//! [probed](crate::probe) alike.
//!
//! Where a peer hands the resource to body and cleanup in a way that no borrow checker lets both use it, it lies in a mutex; where a cleanup can't return an
//! error, the error is dropped. Both are what a user would have to do.

use crate::{
    contexts::name::{INLINE, INLINE_SUSPENDING},
    harness::{On, Row},
    row,
    work::{Broken, Work},
};
use async_dropper::{AsyncDrop, AsyncDropper};
use async_trait::async_trait;
use futures::StreamExt;
use genawaiter::{GeneratorState, sync::Gen};
use std::{
    pin::pin,
    sync::{Mutex, PoisonError},
};
use test_context::{AsyncTestContext, test_context};
use tokio_async_drop::tokio_async_drop;

/// Where body and cleanup both find the resource.
struct Shared(Mutex<Option<u64>>);

impl Shared {
    fn new(number: u64) -> Self {
        Shared(Mutex::new(Some(number)))
    }

    fn take(&self) -> u64 {
        let mut number = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        number.take().unwrap_or_default()
    }

    fn put(&self, number: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(number);
    }

    async fn worked_with<W: Work>(&self, work: &W) -> Result<u64, Broken> {
        let mut number = self.take();
        let end = work.work(&mut number).await;
        self.put(number);
        end
    }
}

/// Its guard, triggered when the body is over, which awaits the cleanup.
pub async fn guarden<W: Work>(work: W) -> Result<u64, Broken> {
    let number = work.acquire().await?;
    let releasing = work.clone();
    let mut guard = guarden::guard!(export(wrapped) [number = number, releasing = releasing] async move {
        releasing.release(number).await
    });
    let end = work.work(&mut guard.number).await;
    let released = guard.trigger().await;
    let value = end?;
    released?;
    Ok(value)
}

/// Its guard, left to its `Drop`: the shorter way to write it.
pub async fn guarden_dropped<W: Work>(work: W) -> Result<u64, Broken> {
    let number = work.acquire().await?;
    let releasing = work.clone();
    let mut guard = guarden::guard!(export(wrapped) [number = number, releasing = releasing] async move {
        let _ = releasing.release(number).await;
    });
    work.work(&mut guard.number).await
}

/// `try_finally(body, cleanup)`.
pub async fn cobalt<W: Work>(work: W) -> Result<u64, Broken> {
    let shared = std::panic::AssertUnwindSafe((Shared::new(work.acquire().await?), &work));
    let shared = &shared;
    cobalt_async::try_finally(
        move || async move { shared.0.0.worked_with(shared.0.1).await },
        move || async move { shared.0.1.release(shared.0.0.take()).await },
    )
    .await
}

/// Its macro for a scope with asynchronous cleanup.
pub async fn async_safe_defer<W: Work>(work: W) -> Result<u64, Broken> {
    let shared = Shared::new(work.acquire().await?);
    async_safe_defer::send_async_scope!(scope, {
        scope.defer(|| async {
            let _ = work.release(shared.take()).await;
        });
        shared.worked_with(&work).await
    })
    .await
}

/// A guard that spawns the cleanup when it is dropped: what many write by themselves.
pub async fn scopeguard<W: Work>(work: W) -> Result<u64, Broken> {
    let releasing = work.clone();
    let mut number = scopeguard::guard(work.acquire().await?, move |number| {
        tokio::spawn(async move { releasing.release(number).await });
    });
    work.work(&mut number).await
}

/// A stream of one item: what is after its `yield` is the cleanup.
pub async fn async_stream<W: Work>(work: W) -> Result<u64, Broken> {
    let streaming = &work;
    let mut stream = pin!(async_stream::try_stream! {
        let number = streaming.acquire().await?;
        yield number;
        streaming.release(number).await?;
    });
    let Some(number): Option<Result<u64, Broken>> = stream.next().await else {
        return Err(Broken(0));
    };
    let mut number = number?;
    let end = work.work(&mut number).await;
    let released = stream.next().await;
    let value = end?;
    if let Some(released) = released {
        released?;
    }
    Ok(value)
}

/// A generator of one item: what is after its `yield_` is the cleanup.
pub async fn genawaiter<W: Work>(work: W) -> Result<u64, Broken> {
    let yielding = &work;
    let mut generator = Gen::new(|co| async move {
        let number = yielding.acquire().await?;
        co.yield_(number).await;
        yielding.release(number).await
    });
    let mut number = match generator.async_resume().await {
        GeneratorState::Yielded(number) => number,
        GeneratorState::Complete(end) => return end.and(Err(Broken(0))),
    };
    let end = work.work(&mut number).await;
    let released = generator.async_resume().await;
    let value = end?;
    if let GeneratorState::Complete(released) = released {
        released?;
    }
    Ok(value)
}

/// A resource whose cleanup is its `async_drop`.
struct Dropped<W> {
    held: Option<(W, u64)>,
}

impl<W> Default for Dropped<W> {
    fn default() -> Self {
        Dropped { held: None }
    }
}

#[async_trait]
impl<W: Work> AsyncDrop for Dropped<W> {
    async fn async_drop(&mut self) {
        if let Some((work, number)) = self.held.take() {
            let _ = work.release(number).await;
        }
    }
}

/// Its wrapper blocks the thread until a task has run `async_drop`.
pub async fn async_dropper<W: Work>(work: W) -> Result<u64, Broken> {
    let number = work.acquire().await?;
    let mut dropper = AsyncDropper::new(Dropped {
        held: Some((work.clone(), number)),
    });
    match &mut dropper.inner_mut().held {
        Some((_, number)) => work.work(number).await,
        None => Err(Broken(0)),
    }
}

/// A resource that awaits in its `Drop`.
struct BlockingDrop<W: Work> {
    work: W,
    number: u64,
}

impl<W: Work> Drop for BlockingDrop<W> {
    fn drop(&mut self) {
        tokio_async_drop!({
            let _ = self.work.release(self.number).await;
        });
    }
}

/// Its macro blocks the thread.
pub async fn tokio_async_drop<W: Work>(work: W) -> Result<u64, Broken> {
    let mut held = BlockingDrop {
        number: work.acquire().await?,
        work: work.clone(),
    };
    work.work(&mut held.number).await
}

/// An effect of acquiring, using and releasing. The body sees the resource through `&`, so it works with a copy.
pub async fn stillwater<W: Work>(work: W) -> Result<u64, Broken> {
    use stillwater::effect::{Effect, bracket::bracket, constructors::from_async};

    let (acquiring, releasing) = (work.clone(), work.clone());
    bracket(
        from_async(move |_: &()| async move { acquiring.acquire().await }),
        move |number: u64| async move { releasing.release(number).await },
        move |number: &u64| {
            let mut number = *number;
            from_async(move |_: &()| async move { work.work(&mut number).await })
        },
    )
    .run(&())
    .await
}

/// A fixture. Its setup has no arguments, and can't fail.
struct Fixture<W> {
    work: W,
    number: u64,
}

impl<W: Work> AsyncTestContext for Fixture<W> {
    async fn setup() -> Self {
        let work = W::current();
        let number = work.acquire().await.unwrap_or_default();
        Fixture { work, number }
    }

    async fn teardown(self) {
        let _ = self.work.release(self.number).await;
    }
}

#[test_context(Fixture<W>)]
async fn inside_fixture<W: Work>(fixture: &mut Fixture<W>) -> Result<u64, Broken> {
    let Fixture { work, number } = fixture;
    work.work(number).await
}

/// Its fixture for tests.
pub async fn test_context<W: Work>(_: W) -> Result<u64, Broken> {
    inside_fixture::<W>().await
}

/// Lets the tasks run that a row has left behind.
async fn left_behind(yields: u32) {
    for _ in 0..yields {
        tokio::task::yield_now().await;
    }
}

macro_rules! rows {
    ($($name:literal, $way:ident, $on:ident;)*) => {
        vec![$(
            Row { on: On::$on, ..row!($name, beside INLINE, $way(crate::work::READY)) },
            Row { on: On::$on, ..row!(concat!($name, ", suspending"), beside INLINE_SUSPENDING, $way(crate::work::SUSPENDING)) },
        )*]
    };
}

/// Each, ready and suspending.
pub fn rows() -> Vec<Row> {
    let mut rows = rows![
        "guarden 0.4.4", guarden, CurrentThread;
        "cobalt-async 0.4.0 `try_finally`", cobalt, CurrentThread;
        "async-safe-defer 0.2.0", async_safe_defer, CurrentThread;
        "async-stream 0.3.6 as a generator", async_stream, CurrentThread;
        "genawaiter 0.99.1", genawaiter, CurrentThread;
        "stillwater 1.0.0 `bracket`", stillwater, CurrentThread;
        "test-context 0.5.8", test_context, CurrentThread;
        "async-dropper 0.3.1, blocks", async_dropper, MultiThread;
        "tokio-async-drop 0.1.0, blocks", tokio_async_drop, MultiThread;
    ];
    rows.push(row!("scopeguard 1.2.0 and a task", beside INLINE, async {
        let end = scopeguard(crate::work::READY).await;
        left_behind(1).await;
        end
    }));
    rows.push(
        row!("scopeguard 1.2.0 and a task, suspending", beside INLINE_SUSPENDING, async {
            let end = scopeguard(crate::work::SUSPENDING).await;
            left_behind(2).await;
            end
        }),
    );
    rows
}
