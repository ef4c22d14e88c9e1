//! Contexts as decorators: what runs around a function stands above it, and its callers don't see it.
//!
//! ```console
//! cargo run --example decorator
//! ```
//!
//! The Python it mirrors:
//!
//! ```python
//! class Mirror:
//!     @logged("fetch")
//!     async def fetch(self, path):
//!         async with asyncio.timeout(0.25), self.slots:
//!             ...
//!
//! @optional
//! async def warm_up(mirror):
//!     ...
//! ```

#![forbid(unsafe_code)]

use contextlib::{async_context, within, yield_resource};
use std::{
    fmt,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{error::Elapsed, sleep, timeout},
};

/// Says when a call begins, and how it ends.
#[async_context]
async fn logged(call: String) {
    println!("  > {call}");
    let exit = yield_resource!();
    println!("  < {call}: {exit:?}");
}

/// Ends the call after a while.
#[async_context]
async fn at_most(limit: Duration) -> Result<(), FetchError> {
    let _ = timeout(limit, async { yield_resource!() }).await?;
}

/// One of a few places, for as long as the call lasts.
#[async_context]
async fn slot(slots: Arc<Semaphore>) -> Result<OwnedSemaphorePermit, FetchError> {
    let mut permit = slots
        .acquire_owned()
        .await
        .map_err(|_| FetchError::Closed)?;
    let _ = yield_resource!(permit);
}

/// A call that may fail: nobody hears of it.
#[async_context(suppress)]
async fn optional() {
    yield_resource!().suppress();
}

struct Mirror {
    name: &'static str,
    slots: Arc<Semaphore>,
    fetched: AtomicUsize,
}

impl Mirror {
    /// Three decorators. They use the arguments, `self` among them; their errors become those of the function.
    #[within(
        logged(format!("{}/{path}", self.name)),
        at_most(Duration::from_millis(250)),
        slot(self.slots.clone())
    )]
    async fn fetch(&self, path: &str) -> Result<usize, FetchError> {
        if path.contains("slow") {
            sleep(Duration::from_secs(60)).await;
        }
        sleep(Duration::from_millis(5)).await;
        if path.contains("missing") {
            return Err(FetchError::NotFound);
        }
        self.fetched.fetch_add(1, Ordering::Relaxed);
        Ok(path.len())
    }
}

/// A decorator that swallows the function's error: it returns `Ok(())` then.
#[within(optional())]
async fn warm_up(mirror: &Mirror) -> Result<(), FetchError> {
    mirror.fetch("missing/front-page").await?;
    mirror.fetch("never reached").await?;
    Ok(())
}

/// A decorator that injects an argument: callers don't pass `permit`.
#[within(permit = slot(slots))]
async fn how_many_are_free(
    slots: Arc<Semaphore>,
    permit: &mut OwnedSemaphorePermit,
) -> Result<usize, FetchError> {
    Ok(permit.semaphore().available_permits())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mirror = Mirror {
        name: "mirror",
        slots: Arc::new(Semaphore::new(2)),
        fetched: AtomicUsize::new(0),
    };

    println!("Five calls at once, of which two have a slot at a time:");
    let (a, b, c, d, e) = tokio::join!(
        mirror.fetch("a"),
        mirror.fetch("slow"),
        mirror.fetch("missing"),
        mirror.fetch("b"),
        mirror.fetch("c"),
    );
    let ends = [&a, &b, &c, &d, &e].map(|end| match end {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.to_string(),
    });
    println!("they end in: {}\n", ends.join(", "));

    println!("A call that is optional:");
    let warmed_up = warm_up(&mirror).await;
    println!("it ends in {warmed_up:?}\n");

    let while_it_runs = how_many_are_free(mirror.slots.clone()).await;
    println!(
        "Slots free inside one: {while_it_runs:?}, and after it: {}",
        mirror.slots.available_permits()
    );
    let fetched = mirror.fetched.into_inner();
    println!("Fetched: {fetched}");
    if fetched == 3 && warmed_up.is_ok() && mirror.slots.available_permits() == 2 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[derive(Debug)]
enum FetchError {
    TooSlow,
    NotFound,
    Closed,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FetchError::TooSlow => "too slow",
            FetchError::NotFound => "not found",
            FetchError::Closed => "closed",
        })
    }
}

impl From<Elapsed> for FetchError {
    fn from(_: Elapsed) -> Self {
        FetchError::TooSlow
    }
}
