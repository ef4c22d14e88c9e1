//! Futures polled by hand.

use std::{
    cell::RefCell,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Once,
    task::{Context, Poll, Waker},
    thread,
};

/// One poll, with a waker that does nothing.
pub fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Is pending so often before it is ready; polled again whether woken or not.
pub fn yields(times: usize) -> Yields {
    Yields(times)
}

/// What [`yields`] makes.
#[derive(Debug)]
pub struct Yields(usize);

impl Future for Yields {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.0.checked_sub(1) {
            None => Poll::Ready(()),
            Some(left) => {
                self.0 = left;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

/// What became of a future that was polled at most so often.
pub enum DropAt<O> {
    /// It came to its end.
    Ended(thread::Result<O>),
    /// It was dropped before that.
    Dropped,
}

/// Polls `future` at most `polls` times, and drops it.
pub async fn drop_at<F: Future>(polls: usize, future: F) -> DropAt<F::Output> {
    let mut future = Box::pin(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(DropAt::Dropped);
        }
        left -= 1;
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Ok(Poll::Ready(output)) => Poll::Ready(DropAt::Ended(Ok(output))),
            Err(payload) => Poll::Ready(DropAt::Ended(Err(payload))),
        }
    })
    .await
}

thread_local! {
    /// The last panic that was kept off standard error, while they are.
    static QUIET: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps the panics of this thread off standard error while `f` runs, but for the one that ends it: for tests in which hundreds of bodies panic.
pub fn quietly<R>(f: impl FnOnce() -> R) -> R {
    let _quiet = quiet();
    f()
}

/// What the last panic said that was kept off standard error, and where.
pub fn last_kept() -> String {
    QUIET.with_borrow(|quiet| quiet.clone().unwrap_or_default())
}

/// Keeps the panics of this thread off standard error until the returned value is dropped; then shows that one which drops it.
pub fn quiet() -> impl Drop {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let kept = QUIET.try_with(|quiet| {
                quiet
                    .borrow_mut()
                    .as_mut()
                    .map(|last| *last = panic.to_string())
                    .is_some()
            });
            if kept != Ok(true) {
                usual(panic);
            }
        }));
    });
    struct Quiet(Option<String>);
    impl Drop for Quiet {
        fn drop(&mut self) {
            let last = QUIET.replace(self.0.take());
            if thread::panicking() {
                eprintln!("{}", last.unwrap_or_default());
            }
        }
    }
    Quiet(QUIET.replace(Some(String::new())))
}
