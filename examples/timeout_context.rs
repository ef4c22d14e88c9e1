//! Time limits as contexts: one written around a yield point, and the ones that come with the library.
//!
//! ```console
//! cargo run --example timeout_context
//! ```
//!
//! The Python it mirrors:
//!
//! ```python
//! @asynccontextmanager
//! async def timeout_context(seconds):
//!     try:
//!         async with asyncio.timeout(seconds):
//!             yield
//!     except TimeoutError:
//!         print(f"gave up after {seconds} s")
//!         raise
//!
//! async with timeout_context(0.05):
//!     await asyncio.sleep(1)
//! ```

#![forbid(unsafe_code)]

use contextlib::{
    IntoContextManager, async_context,
    contexts::{Elapsed, RescheduleError, move_on_after, timeout},
    yield_resource,
};
use std::{
    fmt,
    sync::LazyLock,
    time::{Duration, Instant},
};
use tokio::time::sleep;

const MS: Duration = Duration::from_millis(1);

/// What the body is polled in is what its context has put around the yield point: here, a timeout.
#[async_context]
async fn timeout_context(limit: Duration) -> Result<(), Elapsed> {
    say(format_args!("  at most {limit:?}"));
    let ended = tokio::time::timeout(limit, async { yield_resource!(move ()).1.kind() }).await;
    match ended {
        Ok(exit) => say(format_args!("  in time: {exit:?}")),
        Err(_) => {
            say(format_args!("  gave up after {limit:?}"));
            return Err(Elapsed);
        }
    }
}

/// Takes its time to open and to close.
#[async_context]
async fn session(name: &'static str, open: Duration, close: Duration) -> &'static str {
    sleep(open).await;
    say(format_args!("  {name} is open"));
    let mut yielded = name;
    let exit = yield_resource!(yielded).kind();
    sleep(close).await;
    say(format_args!("  {name} is closed: {exit:?}"));
}

/// Prints with the time since the beginning, in steps of ten milliseconds.
fn say(what: impl fmt::Display) {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    println!("{:>4} ms  {what}", START.elapsed().as_millis() / 10 * 10);
}

async fn work(name: &'static str, time: Duration) -> Result<&'static str, Elapsed> {
    say(format_args!("    {name} is working"));
    sleep(time).await;
    say(format_args!("    {name} is done"));
    Ok(name)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    say("written around the yield point");
    let done = timeout_context(50 * MS)
        .with(async |()| work("a quick one", 10 * MS).await)
        .await;
    assert_eq!(done, Ok("a quick one"));
    let late = timeout_context(50 * MS)
        .with(async |()| work("a slow one", 1000 * MS).await)
        .await;
    assert_eq!(late, Err(Elapsed));

    say("`timeout`, which knows its deadline and moves it");
    let moved = timeout(20 * MS)
        .with(async |timeout| {
            let later = timeout.when().expect("it has one") + 40 * MS;
            timeout.reschedule(later).expect("it is running");
            work("one that asks for more time", 40 * MS).await
        })
        .await;
    assert_eq!(moved, Ok("one that asks for more time"));

    say("around other contexts: it bounds their setup, the body and their teardown");
    let limit = timeout(30 * MS);
    let handle = limit.timeout();
    let late = (
        limit,
        session("the first", 10 * MS, 10 * MS),
        session("the second", 100 * MS, MS),
    )
        .with(async |_| work("nobody", MS).await)
        .await;
    assert_eq!((late, handle.expired()), (Err(Elapsed), true));
    assert_eq!(handle.reschedule(None), Err(RescheduleError::Expired));

    say("what is cleaned up after it isn't bounded by it any more");
    let late = (timeout(30 * MS), session("the third", MS, 50 * MS))
        .with(async |_| work("a slow one", 1000 * MS).await)
        .await;
    assert_eq!(late, Err(Elapsed));

    say("`move_on_after`, which ends its body without an error");
    let answer = move_on_after(20 * MS)
        .run(async |_| work("a slow one", 1000 * MS).await)
        .await;
    assert_eq!(answer, None);

    say("one inside another: the one that is due first reports");
    let outer = timeout(500 * MS)
        .with(async |_| {
            let inner = timeout(20 * MS)
                .with(async |_| work("a slow one", 1000 * MS).await)
                .await;
            say(format_args!("  the inner one: {inner:?}"));
            work("one after it", 10 * MS).await
        })
        .await;
    say(format_args!("  the outer one: {outer:?}"));
    assert_eq!(outer, Ok("one after it"));
}
