//! The same work for every row: something is acquired, worked with, and released, and each of the three may await.

use contextlib::kind::Never;
use std::{
    fmt,
    future::{Future, poll_fn},
    hint::black_box,
    task::Poll,
};

/// What is done with a resource, an `R`; each candidate does it in its own way. Copied and shared at will, so that no candidate has to clone anything dear.
pub trait Work<R = u64>: Clone + Send + Sync + 'static {
    /// The setup.
    fn acquire(&self) -> impl Future<Output = Result<R, Broken>> + Send;
    /// The body.
    fn work(&self, resource: &mut R) -> impl Future<Output = Result<u64, Broken>> + Send;
    /// The teardown.
    fn release(&self, resource: R) -> impl Future<Output = Result<(), Broken>> + Send;
    /// What is to be done now, for those that can't be told.
    fn current() -> Self;
}

/// All three are next to nothing, so that what is measured is what is around them. With `SUSPENDS`, each is pending once.
#[derive(Clone, Copy, Debug)]
pub struct Nothing<const SUSPENDS: bool>;

/// Never pending.
pub const READY: Nothing<false> = Nothing;
/// Pending three times: in the setup, the body and the teardown.
pub const SUSPENDING: Nothing<true> = Nothing;

impl<const SUSPENDS: bool> Work for Nothing<SUSPENDS> {
    async fn acquire(&self) -> Result<u64, Broken> {
        if SUSPENDS {
            suspend().await;
        }
        Ok(black_box(1))
    }

    async fn work(&self, number: &mut u64) -> Result<u64, Broken> {
        if SUSPENDS {
            suspend().await;
        }
        *number += 1;
        Ok(black_box(*number))
    }

    async fn release(&self, number: u64) -> Result<(), Broken> {
        if SUSPENDS {
            suspend().await;
        }
        black_box(number);
        Ok(())
    }

    fn current() -> Self {
        Nothing
    }
}

/// As [`READY`], with a resource of some size, as connections and transactions have: what is measured is how often it is moved.
#[derive(Clone, Copy, Debug)]
pub struct Large;

/// 256 bytes.
pub struct Buffer([u64; 32]);

impl Work<Buffer> for Large {
    async fn acquire(&self) -> Result<Buffer, Broken> {
        Ok(Buffer(black_box([1; 32])))
    }

    async fn work(&self, buffer: &mut Buffer) -> Result<u64, Broken> {
        buffer.0[7] += 1;
        Ok(black_box(buffer.0[7]))
    }

    async fn release(&self, buffer: Buffer) -> Result<(), Broken> {
        black_box(&buffer.0);
        Ok(())
    }

    fn current() -> Self {
        Large
    }
}

/// Pending once.
pub fn suspend() -> impl Future<Output = ()> + Send {
    let mut suspended = false;
    poll_fn(move |cx| {
        if suspended {
            return Poll::Ready(());
        }
        suspended = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// Pending so many times.
pub fn suspend_times(mut times: u32) -> impl Future<Output = ()> + Send {
    poll_fn(move |cx| {
        if times == 0 {
            return Poll::Ready(());
        }
        times -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// An error that takes up room.
#[derive(Debug)]
pub struct Broken(
    /// Some room.
    pub u64,
);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken: {}", self.0)
    }
}

impl std::error::Error for Broken {}

impl From<Never> for Broken {
    fn from(never: Never) -> Self {
        match never {}
    }
}
