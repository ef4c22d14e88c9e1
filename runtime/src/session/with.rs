//! Closure style: a context with its body, from the beginning of its setup to the end of its teardown.

use super::{BodyPlace, Running, Stage, poll_setup};
use crate::{
    AsyncContext, ExitKind,
    background::{Entered, InLane},
    frame::{ErrorOf, NotEntered},
    outcome::Refuse,
    report,
};
use std::{
    fmt::Debug,
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A context with its body, from the beginning of its setup: [`Running`], with the setup before it.
pub(crate) struct With<'s, 'a, D, X, V, B, Z>(pub(crate) Running<'s, 'a, D, X, V, B, Z>)
where
    D: AsyncContext + ?Sized,
    X: BodyPlace<'a, D::Resource, V, B> + ?Sized;

impl<'a, D, X, V, B, Z> Future for With<'_, 'a, D, X, V, B, Z>
where
    D: AsyncContext + ?Sized,
    X: BodyPlace<'a, D::Resource, V, B> + ?Sized,
    B: Debug + 'static,
    Z: Refuse<V, B, D::Kind>,
{
    type Output = Z::Output;

    // Small and inline: every wake-up of the body goes through here.
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.0.poll_open(cx));
        self.poll_apart(cx)
    }
}

impl<'a, D, X, V, B, Z> With<'_, 'a, D, X, V, B, Z>
where
    D: AsyncContext + ?Sized,
    X: BodyPlace<'a, D::Resource, V, B> + ?Sized,
    B: Debug + 'static,
    Z: Refuse<V, B, D::Kind>,
{
    /// Runs the setup, if that isn't over, and goes on with the body.
    #[inline(never)]
    fn poll_apart(&mut self, cx: &mut Context<'_>) -> Poll<Z::Output> {
        let lane = InLane::here();
        if let Stage::Setup = self.0.run.stage() {
            let Running { frame, run, .. } = &mut self.0;
            match ready!(poll_setup(frame.as_mut(), run.state(), &lane, cx)) {
                Ok(lent) => ready!(self.0.begin(lent, &lane, cx)),
                Err(not_entered) => {
                    lane.go_back();
                    return Poll::Ready(self.refuse(not_entered));
                }
            }
        }
        self.0.poll_rest(&lane, cx)
    }

    /// The setup has come to no resource, and the body won't run. Panics if the body does when it is dropped.
    #[cold]
    fn refuse(&mut self, not_entered: NotEntered<ErrorOf<D>>) -> Z::Output {
        let entered = self.0.run.entered();
        if let Err(payload) = self.0.run.dismiss() {
            report_unreturned(not_entered, entered);
            resume_unwind(payload);
        }
        Z::refuse(not_entered, entered)
    }
}

/// Reports the failure of a setup whose caller gets the panic of the body's drop instead.
fn report_unreturned<E: Debug>(not_entered: NotEntered<E>, entered: &Entered) {
    // The body hasn't run.
    let exit = ExitKind::Cancelled;
    match not_entered {
        NotEntered::Failed(error) => report::failed(entered, exit, error),
        NotEntered::Skipped(_) => report::drop_quietly(entered, exit, not_entered),
    }
}
