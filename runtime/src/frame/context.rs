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
    message = "`{Self}` isn't an `AsyncContext`, which is what a `ContextManager` has inside",
    label = "not the type of a context function's frame, which has no name",
    note = "a context function returns a `ContextManager<impl AsyncContext<Resource = T>>`; a function that takes any context takes an `impl ContextOf<T, Error>`",
    note = "to have a type that can be written, box the context: `.boxed()` makes a `BoxContextManager<'_, T, Error>`, whose guard is a `BoxGuard<'_, T, Error>`"
)]
#[must_use = "a context does nothing until it is entered: use `.with(…)` or `.enter()`"]
pub trait AsyncContext: Sealed {
    /// What the context hands to its body.
    type Resource;
    /// Its error, and what it can do to its body's outcome: [`Fallible<E>`](crate::kind::Fallible) or
    /// [`Infallible`](crate::kind::Infallible).
    type Kind: Kind;

    /// What the context is made from, in the place where it is to stay: some of the values that it owns, and nothing else.
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

    /// The context's name and where it is defined.
    #[doc(hidden)]
    fn definition(self: Pin<&mut Self>) -> Definition;

    /// The span that the context was entered in.
    #[doc(hidden)]
    fn outer_span(self: Pin<&mut Self>) -> OuterSpan {
        OuterSpan::none()
    }

    /// Whether the yield point is, or may be, inside a future that the context makes. If it isn't, the body may as well be polled beside the context.
    #[doc(hidden)]
    fn polls_body(self: Pin<&mut Self>) -> bool {
        true
    }

    /// Runs the setup, up to the yield point, and puts the resource into `room`, which is empty before.
    //
    // The resource isn't returned: everything that hands it on would move it once more.
    #[doc(hidden)]
    fn poll_setup(
        self: Pin<&mut Self>,
        room: &mut Option<Self::Resource>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), NotEntered<<Self::Kind as Kind>::Error>>>;

    /// The caller is gone before the setup was over. `true` if something has been entered already: then the teardown is to be run, without a resource to put
    /// back. Else the frame may be dropped.
    #[doc(hidden)]
    fn interrupt(self: Pin<&mut Self>) -> bool {
        false
    }

    /// Tells the yield point that the next poll brings a body.
    #[doc(hidden)]
    fn begin_body(self: Pin<&mut Self>) {}

    /// Polls the body inside the yield point. Ready if the context ended without waiting for the body's end.
    #[doc(hidden)]
    fn poll_body(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut body: Body<'_, Self::Resource>,
    ) -> Poll<Result<(), <Self::Kind as Kind>::Error>> {
        // Whether the body is over now, its driver sees for itself.
        body.poll(cx);
        Poll::Pending
    }

    /// Takes the resource back from `room`, and says how the body ended.
    #[doc(hidden)]
    fn resume(self: Pin<&mut Self>, room: &mut Option<Self::Resource>, ending: Ending);

    /// Says how a body ended that was over in the very poll in which the context took its resource back. Returns the ending if the context has no use for it.
    #[doc(hidden)]
    fn resume_evicted(self: Pin<&mut Self>, ending: Ending) -> Option<Ending> {
        Some(ending)
    }

    /// The caller is gone after the context was told how the body ended. Of contexts put together, the one whose turn it is keeps what it was told; to those
    /// around it, their body is cancelled.
    #[doc(hidden)]
    fn abandon(self: Pin<&mut Self>) {}

    /// Runs the teardown.
    #[doc(hidden)]
    fn poll_teardown(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), <Self::Kind as Kind>::Error>>;

    /// Drops what is left of the frame, and returns the ending, as the teardown has left it.
    #[doc(hidden)]
    fn finish(self: Pin<&mut Self>) -> Option<Ending>;
}

/// Implements the named methods of [`AsyncContext`] by those of the one context inside, which the method `inner` gives, pinned.
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

/// A context's error.
pub(crate) type ErrorOf<C> = <<C as AsyncContext>::Kind as Kind>::Error;

/// A context of which only what it yields and returns is known. Code that needn't be fast takes this, and is compiled once for all such contexts.
pub(crate) type AnyContext<'f, T, K> = dyn AsyncContext<Resource = T, Kind = K> + 'f;

/// Why a setup has come to no resource.
#[doc(hidden)]
#[derive(Debug)]
pub enum NotEntered<E> {
    /// It failed.
    Failed(E),
    /// Of contexts put together: the setup of an inner one failed and an outer one swallowed that, or an outer one ended the setup of an inner one. Or the
    /// context dropped its yield point as soon as it had reached it.
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
    /// The error, for a style without a body that could be skipped.
    ///
    /// # Panics
    /// If the setup did, or was ended without an error.
    pub(crate) fn into_error(self, context: Definition) -> E {
        match self {
            NotEntered::Failed(error) | NotEntered::Skipped(Some(Swallowed::Error(error))) => error,
            NotEntered::Skipped(Some(Swallowed::Panic(payload))) => resume_unwind(payload),
            NotEntered::Skipped(None) => panic!(
                "{context} ended without an error before it had a resource to hand out, so there is nothing to enter: run it with `with`, which skips the body then"
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
