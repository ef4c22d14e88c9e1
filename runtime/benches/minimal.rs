//! What the promises take at the least: a context and its body by hand, for this one context and this one body.
//!
//! It is what a careful engineer would come to who needs all of this at once, and has to serve nobody else:
//!
//! - Setup and teardown are one function with a yield point in between. So it is polled twice, and the resource goes out and comes back.
//! - A panic of the body or of the teardown is caught, as it has to be for the teardown to run after the one, and for neither to get lost over the other.
//! - The context has a number, and the body a lane of its own, so that a rollback that the body leaves behind can be waited for.
//!
//! Only what happens where all is well is written out. There are no generic parts, no tables, no reports and no policy behind it: the rest ends in a panic.

use crate::work::{Broken, Work};
use std::{
    cell::Cell,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::{Pin, pin},
    sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed},
    task::{Context, Poll, ready},
};

/// Orders contexts: what is entered later is below.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// How many rollbacks are under way, in all lanes.
static PENDING: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The number of the context whose body runs: whose rollbacks those are that are started here.
    static LANE: Cell<u64> = const { Cell::new(0) };
}

/// Until it is dropped, what is entered on this thread belongs to the lane.
struct InLane(u64);

impl InLane {
    fn new(lane: u64) -> Self {
        InLane(LANE.replace(lane))
    }
}

impl Drop for InLane {
    fn drop(&mut self) {
        LANE.set(self.0);
    }
}

const EMPTY: u8 = 0;
const LENT: u8 = 1;
const COMPLETED: u8 = 2;
const FAILED: u8 = 3;

/// What the yield point shares with its driver. Atomics, since a future that keeps a reference to it is to be `Send`; the processor has no more to do for them.
struct Slot {
    state: AtomicU8,
    resource: AtomicU64,
}

impl Slot {
    fn put(&self, resource: u64, state: u8) {
        self.resource.store(resource, Relaxed);
        self.state.store(state, Relaxed);
    }

    fn take(&self) -> u64 {
        self.resource.load(Relaxed)
    }

    fn is_lent(&self) -> bool {
        self.state.load(Relaxed) == LENT
    }

    /// The yield point: pending until the body is over, and then how that ended.
    async fn lend(&self, resource: u64) -> u8 {
        self.put(resource, LENT);
        poll_fn(|_| match self.state.load(Relaxed) {
            LENT => Poll::Pending,
            ended => Poll::Ready(ended),
        })
        .await
    }
}

async fn context<W: Work>(work: W, slot: &Slot) -> Result<(), Broken> {
    let number = work.acquire().await?;
    let _exit = slot.lend(number).await;
    work.release(slot.take()).await
}

fn poll_caught<F: Future>(future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
    match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
        Ok(polled) => polled,
        Err(payload) => otherwise(payload),
    }
}

/// Here would be what happens after a panic.
#[cold]
fn otherwise<T>(payload: Box<dyn std::any::Any + Send>) -> Poll<T> {
    resume_unwind(payload)
}

/// Setup, body and teardown, as `with` under `on_cancel = drop` runs them.
pub async fn with_the_promises<W: Work>(work: W) -> Result<u64, Broken> {
    let lane = NUMBERS.fetch_add(1, Relaxed);
    let task = tokio::task::try_id();
    let slot = Slot {
        state: AtomicU8::new(EMPTY),
        resource: AtomicU64::new(0),
    };
    let mut context = pin!(context(work.clone(), &slot));
    poll_fn(|cx| match context.as_mut().poll(cx) {
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        Poll::Ready(Ok(())) => panic!("ended without yielding"),
        Poll::Pending if slot.is_lent() => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    })
    .await?;
    let mut number = slot.take();
    let value = {
        let mut body = pin!(work.work(&mut number));
        poll_fn(|cx| {
            let _lane = InLane::new(lane);
            poll_caught(body.as_mut(), cx)
        })
        .await
    };
    slot.put(number, if value.is_ok() { COMPLETED } else { FAILED });
    poll_fn(|cx| {
        if PENDING.load(Relaxed) != 0 {
            panic!("waits for the rollbacks below {lane} of {task:?}");
        }
        Poll::Ready(ready!(poll_caught(context.as_mut(), cx)))
    })
    .await?;
    value
}
