//! What drives a frame: setup, body, teardown.

use super::{Body, Ending, Payload};
use crate::{kind::Kind, site::Definition, trace::OuterSpan};
use std::{
    panic::resume_unwind,
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no `AsyncContext`, which is what a `ContextManager` has inside",
    label = "not a context function's own type, which has no name",
    note = "what a context function returns is a `ContextManager<impl AsyncContext<Resource = T>>`; what takes any context, takes an `impl ContextOf<T, Error>`",
    note = "a manager or a guard that yields a `T` has a type to write if it is boxed: `.boxed()` makes a `BoxContextManager<'_, T, Error>`, whose guard is a `BoxGuard<'_, T, Error>`"
)]
#[must_use = "a context does nothing until it is entered: use `.with(…)` or `.enter()`"]
pub trait AsyncContext: Sealed {
    /// What the context hands to its body.
    type Resource;
    /// Its error, and what it can do to its body's outcome: [`Fallible<E>`](crate::kind::Fallible) or
    /// [`Infallible`](crate::kind::Infallible).
    type Kind: Kind;

    /// What it is made from, where it is to stay: some of what it owns, and nothing else.
    #[doc(hidden)]
    type Seed
    where
        Self: Sized;

    #[doc(hidden)]
    fn grow(seed: Self::Seed) -> Self
    where
        Self: Sized;

    #[doc(hidden)]
    fn defined(seed: &Self::Seed) -> Definition
    where
        Self: Sized;

    /// Its name and where it is defined.
    #[doc(hidden)]
    fn definition(self: Pin<&mut Self>) -> Definition;

    /// The span that it was entered in.
    #[doc(hidden)]
    fn outer_span(self: Pin<&mut Self>) -> OuterSpan {
        OuterSpan::none()
    }

    /// Whether its yield point is, or may be, inside of a future of its own. If it isn't, the body may as well be polled without it.
    #[doc(hidden)]
    fn polls_body(self: Pin<&mut Self>) -> bool {
        true
    }

    /// Runs the setup, up to the yield point, and puts the resource into `room`, in which there is nothing before.
    //
    // Not returned: it would be moved once for everything that hands it on.
    #[doc(hidden)]
    fn poll_setup(
        self: Pin<&mut Self>,
        room: &mut Option<Self::Resource>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), NotEntered<<Self::Kind as Kind>::Error>>>;

    /// The caller is gone before the setup was over. `true` if something has been entered already: then the teardown is to be run, with no
    /// resource to put back. Else what there is of the frame may be dropped.
    #[doc(hidden)]
    fn interrupt(self: Pin<&mut Self>) -> bool {
        false
    }

    /// Tells the yield point that a body is there for the next poll.
    #[doc(hidden)]
    fn begin_body(self: Pin<&mut Self>) {}

    /// Polls the body inside the yield point; ready if the context ended without waiting for the body's end.
    #[doc(hidden)]
    fn poll_body(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut body: Body<'_, Self::Resource>,
    ) -> Poll<Result<(), <Self::Kind as Kind>::Error>> {
        // Its driver knows when the body is over.
        body.poll(cx);
        Poll::Pending
    }

    /// Takes the resource back, which is in `room`, and says how the body ended.
    #[doc(hidden)]
    fn resume(self: Pin<&mut Self>, room: &mut Option<Self::Resource>, ending: Ending);

    /// Says how the body ended whose resource the context has taken back already, when the body was over in that same poll. Gives it back if
    /// it has no use for it.
    #[doc(hidden)]
    fn resume_evicted(self: Pin<&mut Self>, ending: Ending) -> Option<Ending> {
        Some(ending)
    }

    /// The caller is gone after it was said how the body ended: so it is to a context whose teardown has begun, or is the next one; to those around that, their body is cancelled.
    #[doc(hidden)]
    fn abandon(self: Pin<&mut Self>) {}

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

/// What a context that is around one other leaves to that one: to its `inner`, a method that gives its pinned frame.
macro_rules! hands_on {
    ($($method:ident)*) => {
        $($crate::frame::hands_on! { @ $method })*
    };
    (@ definition) => {
        fn definition(self: std::pin::Pin<&mut Self>) -> $crate::Definition {
            self.inner().definition()
        }
    };
    (@ polls_body) => {
        fn polls_body(self: std::pin::Pin<&mut Self>) -> bool {
            self.inner().polls_body()
        }
    };
    (@ outer_span) => {
        fn outer_span(self: std::pin::Pin<&mut Self>) -> $crate::trace::OuterSpan {
            self.inner().outer_span()
        }
    };
    (@ interrupt) => {
        fn interrupt(self: std::pin::Pin<&mut Self>) -> bool {
            self.inner().interrupt()
        }
    };
    (@ begin_body) => {
        fn begin_body(self: std::pin::Pin<&mut Self>) {
            self.inner().begin_body();
        }
    };
    (@ resume) => {
        fn resume(
            self: std::pin::Pin<&mut Self>,
            room: &mut Option<Self::Resource>,
            ending: $crate::frame::Ending,
        ) {
            self.inner().resume(room, ending);
        }
    };
    (@ abandon) => {
        fn abandon(self: std::pin::Pin<&mut Self>) {
            self.inner().abandon();
        }
    };
    (@ resume_evicted) => {
        fn resume_evicted(
            self: std::pin::Pin<&mut Self>,
            ending: $crate::frame::Ending,
        ) -> Option<$crate::frame::Ending> {
            self.inner().resume_evicted(ending)
        }
    };
    (@ finish) => {
        fn finish(self: std::pin::Pin<&mut Self>) -> Option<$crate::frame::Ending> {
            self.inner().finish()
        }
    };
}
pub(crate) use hands_on;

/// A context of which only what it yields and returns is known. What isn't in a hurry takes this, and is compiled once for all of these.
pub(crate) type AnyContext<'f, T, K> = dyn AsyncContext<Resource = T, Kind = K> + 'f;

/// Why a setup has come to no resource.
#[doc(hidden)]
#[derive(Debug)]
pub enum NotEntered<E> {
    /// It failed.
    Failed(E),
    /// Of contexts put together: an inner one's setup failed and an outer one swallowed that, or ended it. Or the context dropped its yield point as
    /// soon as it had reached it.
    Skipped(Option<Swallowed<E>>),
}

/// A failure of a setup that another context swallowed.
#[doc(hidden)]
#[derive(Debug)]
pub enum Swallowed<E> {
    Error(E),
    Panic(Payload),
}

impl<E> NotEntered<E> {
    /// The error, where there is no body that could be skipped.
    ///
    /// # Panics
    /// If the setup did; or if it was ended without an error.
    pub(crate) fn into_error(self, context: Definition) -> E {
        match self {
            NotEntered::Failed(error) | NotEntered::Skipped(Some(Swallowed::Error(error))) => error,
            NotEntered::Skipped(Some(Swallowed::Panic(payload))) => resume_unwind(payload),
            NotEntered::Skipped(None) => panic!(
                "{context} ended before it had a resource to hand out, without an error, so there is nothing to enter: run it with `with`, which skips the body then"
            ),
        }
    }

    pub(crate) fn map<F>(self, f: impl FnOnce(E) -> F) -> NotEntered<F> {
        match self {
            NotEntered::Failed(error) => NotEntered::Failed(f(error)),
            NotEntered::Skipped(swallowed) => {
                NotEntered::Skipped(swallowed.map(|swallowed| match swallowed {
                    Swallowed::Error(error) => Swallowed::Error(f(error)),
                    Swallowed::Panic(payload) => Swallowed::Panic(payload),
                }))
            }
        }
    }
}
