//! Closure style: a context with its body, from the beginning of its setup to the end of its teardown.

use super::{
    ErrorOf, Polled, Running, Stage, State, poll_setup,
    run::{Borrower, Run},
};
use crate::{
    AsyncContext, ExitKind,
    background::Entered,
    frame::NotEntered,
    outcome::Refuse,
    report::{self, Failure},
    teardown::Keep,
};
use std::{
    fmt::Debug,
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A context with its body. The types are those of a [`Running`], which it becomes after the setup.
pub(crate) struct With<'s, 'a, D, X, V, B, Z>
where
    D: AsyncContext + ?Sized,
    X: Borrower<'a, D::Resource, V, B> + ?Sized,
{
    running: Running<'s, 'a, D, X, V, B, Z>,
}

impl<'s, 'a, D, X, V, B, Z> With<'s, 'a, D, X, V, B, Z>
where
    D: AsyncContext + ?Sized,
    X: Borrower<'a, D::Resource, V, B> + ?Sized,
{
    /// Before the setup. `threads` says where the yield point may poll the body, `keep` what the teardown sees of its error.
    pub(crate) fn new(
        frame: Pin<&'s mut D>,
        state: &'s mut State<'a, D::Resource>,
        body: Pin<&'s mut X>,
        threads: Polled<Run<'s, 'a, D::Resource, X, V, B>>,
        keep: Keep<B>,
    ) -> Self {
        With {
            running: Running::new(frame, state, body, threads, keep),
        }
    }
}

impl<'a, D, X, V, B, Z> Future for With<'_, 'a, D, X, V, B, Z>
where
    D: AsyncContext + ?Sized,
    X: Borrower<'a, D::Resource, V, B> + ?Sized,
    B: Debug + 'static,
    Z: Refuse<V, B, D::Kind>,
{
    type Output = Z::Output;

    // What every wake-up of the body goes through, and no more.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Stage::Setup = self.running.run.stage() {
            return self.poll_first(cx);
        }
        let returned = ready!(self.running.poll_open(cx));
        self.running.poll_rest(returned, cx)
    }
}

impl<'a, D, X, V, B, Z> With<'_, 'a, D, X, V, B, Z>
where
    D: AsyncContext + ?Sized,
    X: Borrower<'a, D::Resource, V, B> + ?Sized,
    B: Debug + 'static,
    Z: Refuse<V, B, D::Kind>,
{
    /// The setup, and what there is to do next.
    #[inline(never)]
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<Z::Output> {
        if let Err(not_entered) = ready!(self.poll_setup(cx)) {
            return Poll::Ready(self.refuse(not_entered));
        }
        let returned = ready!(self.running.poll_open(cx));
        self.running.poll_rest(returned, cx)
    }

    /// Runs the setup, and lends the body its resource.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll_setup(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), NotEntered<ErrorOf<D>>>> {
        let Running { frame, run, .. } = &mut self.running;
        Poll::Ready(match ready!(poll_setup(frame.as_mut(), run.state(), cx)) {
            Ok(lent) => {
                run.lend(lent);
                self.running.begin();
                Ok(())
            }
            Err(not_entered) => Err(not_entered),
        })
    }

    /// The setup has come to no resource: the body won't run. Panics if the body does so when it is dropped.
    #[cold]
    fn refuse(&mut self, not_entered: NotEntered<ErrorOf<D>>) -> Z::Output {
        let entered = self.running.run.entered();
        if let Err(payload) = self.running.run.dismiss() {
            report_unreturned(not_entered, entered);
            resume_unwind(payload);
        }
        Z::refuse(not_entered, entered)
    }
}

/// Reports the failure of a setup whose caller gets a panic instead.
fn report_unreturned<E: Debug>(not_entered: NotEntered<E>, entered: &Entered) {
    // The body hasn't run.
    let exit = ExitKind::Cancelled;
    if let NotEntered::Failed(error) = &not_entered {
        report::failure(entered, exit, Failure::Error(error));
    }
    report::drop_quietly(entered, exit, not_entered);
}
