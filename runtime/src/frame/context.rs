//! What drives a frame: setup, body, teardown.

use super::{Body, Ending};
use crate::{kind::Kind, site::Definition};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

mod sealed {
    pub trait Sealed {}
}
pub(crate) use sealed::Sealed;

/// A context function that has been called, or some contexts put together: what a [`ContextManager`](crate::ContextManager) runs.
///
/// Sealed: `#[async_context]` makes these, and [`AsyncContextManager`](crate::AsyncContextManager) is the trait to implement by hand.
/// Use it as a bound: `C: AsyncContext<Resource = Connection>`.
#[must_use = "a context does nothing until it is entered: use `.with(…)` or `.enter()`"]
pub trait AsyncContext: Sealed {
    /// What the context hands to its body.
    type Resource;
    /// Its error, and what it can do to its body's outcome: [`Fallible<E>`](crate::kind::Fallible) or
    /// [`Infallible`](crate::kind::Infallible).
    type Kind: Kind;

    /// Its name and where it is defined.
    #[doc(hidden)]
    fn definition(&self) -> Definition;

    /// Runs the setup, up to the yield point.
    #[doc(hidden)]
    fn poll_setup(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Resource, <Self::Kind as Kind>::Error>>;

    /// Tells the yield point that a body is there for the next poll.
    #[doc(hidden)]
    fn begin_body(self: Pin<&mut Self>);

    /// Polls the body inside the yield point; ready if the context ended without waiting for the body's end.
    #[doc(hidden)]
    fn poll_body(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        body: Body<'_>,
    ) -> Poll<Result<(), <Self::Kind as Kind>::Error>>;

    /// Puts the resource back and says how the body ended.
    #[doc(hidden)]
    fn resume(self: Pin<&mut Self>, resource: Self::Resource, ending: Ending);

    /// Runs the teardown.
    #[doc(hidden)]
    fn poll_teardown(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), <Self::Kind as Kind>::Error>>;

    /// Drops what is left of the frame, and gives the ending back, changed by the teardown or not.
    #[doc(hidden)]
    fn finish(self: Pin<&mut Self>) -> Option<Ending>;
}
