//! This library's own rows, and the same by hand.

use crate::{
    harness::Row,
    minimal::with_the_promises,
    row,
    work::{Broken, Large, READY, SUSPENDING, Work, suspend_times},
};
use contextlib::{
    ExitStack, InfallibleBoxContextManager, IntoContextManager, async_context, async_with,
    background, contexts::Elapsed, timeout, yield_resource,
};
use std::{hint::black_box, panic::AssertUnwindSafe, pin::Pin, time::Duration};

use futures::FutureExt;

/// What a careful engineer writes where setup, body and teardown stand in one function: the teardown is awaited also if the body fails.
pub async fn inline<R: Send + 'static, W: Work<R>>(work: W) -> Result<u64, Broken> {
    let mut resource = work.acquire().await?;
    let end = work.work(&mut resource).await;
    let released = work.release(resource).await;
    let value = end?;
    released?;
    Ok(value)
}

/// The same, where the teardown is awaited after a panic too.
pub async fn inline_catching<W: Work>(work: W) -> Result<u64, Broken> {
    let mut number = work.acquire().await?;
    let end = AssertUnwindSafe(work.work(&mut number))
        .catch_unwind()
        .await;
    let released = work.release(number).await;
    match end {
        Ok(end) => {
            let value = end?;
            released?;
            Ok(value)
        }
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

/// In a box of its own, as whatever may outlive its caller has to be.
pub fn boxed<R: Send + 'static, W: Work<R>>(
    work: W,
) -> Pin<Box<dyn Future<Output = Result<u64, Broken>> + Send>> {
    Box::pin(inline(work))
}

/// Setup and teardown of a background task's own.
#[async_context]
pub async fn spawning<R: Send + 'static, W: Work<R>>(work: W) -> Result<R, Broken> {
    let mut resource = work.acquire().await?;
    let _ = yield_resource!(resource);
    work.release(resource).await?;
}

/// The cheapest policy.
#[async_context(on_cancel = drop)]
pub async fn dropping<R: Send + 'static, W: Work<R>>(work: W) -> Result<R, Broken> {
    let mut resource = work.acquire().await?;
    let _ = yield_resource!(resource);
    work.release(resource).await?;
}

/// A context that can't fail.
#[async_context(on_cancel = drop)]
async fn infallible() -> u64 {
    let mut number = black_box(1);
    let _ = yield_resource!(number);
    black_box(number);
}

/// One that an exit stack holds.
#[async_context]
async fn entry() -> u64 {
    let mut number = black_box(1);
    let _ = yield_resource!(number);
    black_box(number);
}

/// One of a type with a name.
#[async_context(boxed)]
async fn named() -> u64 {
    let mut number = black_box(1);
    let _ = yield_resource!(number);
    black_box(number);
}

/// `with`, whose teardown is a background task if nobody is left to await it.
pub async fn with_spawning<R: Send + 'static, W: Work<R>>(work: W) -> Result<u64, Broken> {
    let context = spawning(work.clone());
    context
        .with(async |resource| work.work(resource).await)
        .await
}

/// `with` under `on_cancel = drop`.
pub async fn with_dropping<R: Send + 'static, W: Work<R>>(work: W) -> Result<u64, Broken> {
    let context = dropping(work.clone());
    context
        .with(async |resource| work.work(resource).await)
        .await
}

/// `enter` and `exit_with`.
pub async fn guard_spawning<R: Send + 'static, W: Work<R>>(work: W) -> Result<u64, Broken> {
    let mut resource = spawning(work.clone()).enter().await?;
    let end = work.work(&mut resource).await;
    resource.exit_with(end).await
}

/// `enter` and `exit_with` under `on_cancel = drop`.
pub async fn guard_dropping<R: Send + 'static, W: Work<R>>(work: W) -> Result<u64, Broken> {
    let mut resource = dropping(work.clone()).enter().await?;
    let end = work.work(&mut resource).await;
    resource.exit_with(end).await
}

/// `enter`, and a guard that `?` drops, which rolls it back.
pub async fn guard_question_mark<W: Work>(work: W) -> Result<u64, Broken> {
    let mut number = spawning(work.clone()).enter().await?;
    let value = work.work(&mut number).await?;
    number.exit().await?;
    Ok(value)
}

/// The policy that may borrow, and blocks.
#[async_context(on_cancel = block)]
async fn blocking<W: Work>(work: &W) -> Result<u64, Broken> {
    let mut number = work.acquire().await?;
    let _ = yield_resource!(number);
    work.release(number).await?;
}

/// `with` under `on_cancel = block`.
pub async fn with_blocking<W: Work>(work: W) -> Result<u64, Broken> {
    let context = blocking(&work);
    context.with(async |number| work.work(number).await).await
}

async fn inline_failing() -> Result<u64, Broken> {
    let number = READY.acquire().await?;
    let end: Result<u64, Broken> = Err(Broken(black_box(1)));
    let released = READY.release(number).await;
    let value = end?;
    released?;
    Ok(value)
}

async fn inline_nested() -> Result<u64, Broken> {
    let outer = READY.acquire().await?;
    let end = inline(READY).await;
    let released = READY.release(outer).await;
    let value = end?;
    released?;
    Ok(value)
}

async fn two_in_a_block() -> Result<u64, Broken> {
    async_with!(
        outer = dropping(READY),
        inner = dropping(READY),
        async || -> Result<u64, Broken> {
            *outer += 1;
            READY.work(inner).await
        }
    )
    .await
}

/// A teardown that somebody else has to finish: by hand it is a task.
async fn spawned_teardown() -> Result<(), Broken> {
    let number = READY.acquire().await?;
    let task = tokio::spawn(async move { READY.release(number).await });
    let Ok(released) = task.await else {
        return Ok(());
    };
    released
}

async fn rolled_back() -> Result<(), Broken> {
    drop(spawning(READY).enter().await?);
    background::drain().await;
    Ok(())
}

const POLLS: u32 = 100;

async fn polled() -> Result<u64, Broken> {
    let number = READY.acquire().await?;
    suspend_times(POLLS).await;
    READY.release(number).await?;
    Ok(number)
}

async fn polled_through_a_context() -> Result<u64, Broken> {
    let context = dropping(READY);
    context
        .with(async |number| {
            suspend_times(POLLS).await;
            Ok(*number)
        })
        .await
}

async fn polled_through_a_box() -> Result<u64, Broken> {
    let context = spawning(READY);
    context
        .with(async |number| {
            suspend_times(POLLS).await;
            Ok(*number)
        })
        .await
}

const LONG: Duration = Duration::from_secs(3600);

const ENTRIES: u32 = 100;

async fn stack() -> Result<(), Broken> {
    let stack = ExitStack::<Broken>::new();
    for _ in 0..ENTRIES {
        *stack.enter(entry()).await? += 1;
    }
    stack.exit().await
}

async fn list_of_guards() -> Result<(), Broken> {
    let mut guards = Vec::new();
    for _ in 0..ENTRIES {
        let mut guard = entry().enter().await?;
        *guard += 1;
        guards.push(guard);
    }
    while let Some(guard) = guards.pop() {
        guard.exit().await?;
    }
    Ok(())
}

async fn callbacks() -> Result<(), Broken> {
    let stack = ExitStack::<Broken>::new();
    for at in 0..ENTRIES {
        stack.callback(move || {
            black_box(at);
        });
    }
    stack.exit().await
}

/// The names that other tables mention.
pub mod name {
    /// The measure of all.
    pub const INLINE: &str = "by hand, inline";
    /// With three suspensions.
    pub const INLINE_SUSPENDING: &str = "by hand, inline, suspending";
    /// In a box.
    pub const BOXED: &str = "by hand, a boxed future";
    /// In a box, with three suspensions.
    pub const BOXED_SUSPENDING: &str = "by hand, a boxed future, suspending";
    /// With a resource of some size.
    pub const INLINE_LARGE: &str = "by hand, inline, 256 bytes";
    /// In a box, with a resource of some size.
    pub const BOXED_LARGE: &str = "by hand, a boxed future, 256 bytes";
}

use name::{BOXED, BOXED_LARGE, BOXED_SUSPENDING, INLINE, INLINE_LARGE, INLINE_SUSPENDING};

/// What `.ci/run bench` keeps an eye on.
pub fn rows() -> Vec<Row> {
    let mut rows = by_hand();
    rows.extend(styles());
    rows.extend(of_some_size());
    rows.extend([
        row!("by hand, the body fails", beside INLINE, inline_failing()),
        row!("`with`, `drop`, the body fails", beside "by hand, the body fails", dropping(READY).with(async |_| -> Result<u64, Broken> { Err(Broken(black_box(1))) })),
        row!("`with`, `spawn`, the body fails", beside "by hand, the body fails", spawning(READY).with(async |_| -> Result<u64, Broken> { Err(Broken(black_box(1))) })),
        row!("`run`, `drop`", beside INLINE, infallible().run(async |number| black_box(*number))),
        row!("`outcome`, `drop`", beside INLINE, dropping(READY).outcome(async |number| READY.work(number).await)),
        row!("`with_local`, `drop`", beside INLINE, dropping(READY).with_local(async |number| READY.work(number).await)),
        row!("boxed manager, `run`", beside BOXED, {
            let named: InfallibleBoxContextManager<'static, u64> = named();
            named.run(async |number| black_box(*number))
        }),
        row!("by hand, one in another", beside INLINE, inline_nested()),
        row!("`with` in `with`, `drop`", beside "by hand, one in another", dropping(READY).with(async |outer| {
            *outer += 1;
            with_dropping(READY).await
        })),
        row!("`async_with!` of two, `drop`", beside "by hand, one in another", two_in_a_block()),
        row!("tuple of two, `drop`", beside "by hand, one in another", (dropping(READY), dropping(READY)).with(async |(outer, inner)| {
            *outer += 1;
            READY.work(inner).await
        })),
        row!("by hand, the teardown is a task", beside "by hand, the teardown is a task", spawned_teardown()),
        row!("guard dropped, rolled back, drained", beside "by hand, the teardown is a task", rolled_back()),
        row!("`tokio::time::timeout` around the body", beside "`tokio::time::timeout` around the body", tokio::time::timeout(LONG, inline(READY))),
        row!("`timeout(…).with`", beside "`tokio::time::timeout` around the body", timeout(LONG).with(async |_| inline(READY).await.map_err(Timeout::Body))),
        row!("a poll of the body, by hand", beside "a poll of the body, by hand", polled()).parts(POLLS),
        row!("a poll of the body, through `with`, `drop`", beside "a poll of the body, by hand", polled_through_a_context()).parts(POLLS),
        row!("a poll of the body, through `with`, `spawn`", beside "a poll of the body, by hand", polled_through_a_box()).parts(POLLS),
        row!("an entry of a list of guards", beside "an entry of a list of guards", list_of_guards()).parts(ENTRIES),
        row!("an entry of an `ExitStack`", beside "an entry of a list of guards", stack()).parts(ENTRIES),
        row!("a callback of an `ExitStack`", beside "an entry of a list of guards", callbacks()).parts(ENTRIES),
    ]);
    rows
}

/// An error of the body or of the time limit.
#[derive(Debug)]
pub enum Timeout {
    /// The time is over.
    Elapsed,
    /// The body's own.
    Body(Broken),
}

impl From<Elapsed> for Timeout {
    fn from(_: Elapsed) -> Self {
        Timeout::Elapsed
    }
}

/// What is compared with.
pub fn by_hand() -> Vec<Row> {
    vec![
        row!(INLINE, beside INLINE, inline(READY)),
        row!("by hand, inline, catching panics", beside INLINE, inline_catching(READY)),
        row!("by hand, inline, with the promises", beside INLINE, with_the_promises(READY)),
        row!(BOXED, beside INLINE, boxed(READY)),
        row!(INLINE_SUSPENDING, beside INLINE_SUSPENDING, inline(SUSPENDING)),
        row!("by hand, inline, catching panics, suspending", beside INLINE_SUSPENDING, inline_catching(SUSPENDING)),
        row!("by hand, inline, with the promises, suspending", beside INLINE_SUSPENDING, with_the_promises(SUSPENDING)),
        row!(BOXED_SUSPENDING, beside INLINE_SUSPENDING, boxed(SUSPENDING)),
    ]
}

/// The same work in this library's two styles.
pub fn styles() -> Vec<Row> {
    vec![
        row!("`with`, `drop`", beside INLINE, with_dropping(READY)),
        row!("`with`, `spawn`", beside INLINE, with_spawning(READY)),
        row!("`enter` and `exit_with`, `drop`", beside BOXED, guard_dropping(READY)),
        row!("`enter` and `exit_with`, `spawn`", beside BOXED, guard_spawning(READY)),
        row!("`with`, `drop`, suspending", beside INLINE_SUSPENDING, with_dropping(SUSPENDING)),
        row!("`with`, `spawn`, suspending", beside INLINE_SUSPENDING, with_spawning(SUSPENDING)),
        row!("`enter` and `exit_with`, `drop`, suspending", beside BOXED_SUSPENDING, guard_dropping(SUSPENDING)),
        row!("`enter` and `exit_with`, `spawn`, suspending", beside BOXED_SUSPENDING, guard_spawning(SUSPENDING)),
    ]
}

/// Both styles, and the same by hand, with a resource of some size.
fn of_some_size() -> Vec<Row> {
    vec![
        row!(INLINE_LARGE, beside INLINE_LARGE, inline(Large)),
        row!(BOXED_LARGE, beside INLINE_LARGE, boxed(Large)),
        row!("`with`, `drop`, 256 bytes", beside INLINE_LARGE, with_dropping(Large)),
        row!("`with`, `spawn`, 256 bytes", beside INLINE_LARGE, with_spawning(Large)),
        row!("`enter` and `exit_with`, `spawn`, 256 bytes", beside BOXED_LARGE, guard_spawning(Large)),
    ]
}
