//! Tuples of contexts.

use super::Nest;
use crate::{
    AsyncContext, ContextManager, Definition, IntoContextManager,
    frame::{Body, Ending, ErrorOf, NotEntered, Sealed, Seed, hands_on},
    policy::{Combine, Combined, Policy},
    protocol::AsyncContextManagerOrTuple,
};
use pin_project_lite::pin_project;
use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// A tuple of contexts: nested ones, whose resources make a flat tuple. `W` is how many there are, as a type: [`Flatten`].
    //
    // Not the tuple of the resources: inside an `async` block the compiler forgets every `'static` in it, and then can't tell that it is what `N` yields.
    pub struct Flat<N, W> {
        #[pin]
        nested: N,
        _width: PhantomData<fn() -> W>,
    }
}

impl<N, W> Flat<N, W> {
    fn seed(nested: Seed<N>) -> Seed<Self>
    where
        N: AsyncContext,
        W: Flatten<N::Resource>,
    {
        Seed::new(nested.into_inner())
    }
}

/// How many contexts there are in a tuple, as a type: makes a flat tuple of the pairs in pairs that nested contexts yield.
pub trait Flatten<Nested> {
    /// `(A, B, C)` for `((A, B), C)`.
    type Flat;
    #[doc(hidden)]
    fn flatten(nested: Nested) -> Self::Flat;
    #[doc(hidden)]
    fn nest(flat: Self::Flat) -> Nested;
}

/// A body that takes a flat tuple, as one that takes pairs in pairs.
struct Unflat<'b, N, W: Flatten<N>>(Body<'b, W::Flat>);

impl<N, W: Flatten<N>> crate::frame::BodyPoll<N> for Unflat<'_, N, W> {
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        self.0.poll(cx)
    }
    fn cancel(&mut self) {
        self.0.cancel();
    }
    fn evict(&mut self) -> Option<N> {
        self.0.evict().map(W::nest)
    }
    fn below(&self) -> crate::background::Below {
        self.0.below()
    }
    fn lingers(&self) -> bool {
        self.0.lingers()
    }
}

impl<N, W> Flat<N, W> {
    fn inner(self: Pin<&mut Self>) -> Pin<&mut N> {
        self.project().nested
    }
}

impl<N, W> Sealed for Flat<N, W> {}

#[diagnostic::do_not_recommend]
impl<N, W> AsyncContext for Flat<N, W>
where
    N: AsyncContext,
    W: Flatten<N::Resource>,
{
    type Resource = W::Flat;
    type Kind = N::Kind;
    type Seed = N::Seed;

    fn grow(seed: N::Seed) -> Self {
        Flat {
            nested: N::grow(seed),
            _width: PhantomData,
        }
    }

    fn defined(seed: &N::Seed) -> Definition {
        N::defined(seed)
    }

    hands_on! { definition polls_body outer_span interrupt begin_body resume_evicted abandon finish }

    fn poll_setup(
        self: Pin<&mut Self>,
        room: &mut Option<W::Flat>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), NotEntered<ErrorOf<N>>>> {
        let mut nested = None;
        let set_up = self.inner().poll_setup(&mut nested, cx);
        if let Some(nested) = nested {
            *room = Some(W::flatten(nested));
        }
        set_up
    }

    fn poll_body(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        body: Body<'_, W::Flat>,
    ) -> Poll<Result<(), ErrorOf<N>>> {
        let mut body = Unflat::<N::Resource, W>(body);
        self.inner().poll_body(cx, Body::local(&mut body))
    }

    fn resume(self: Pin<&mut Self>, room: &mut Option<W::Flat>, ending: Ending) {
        self.inner().resume(&mut room.take().map(W::nest), ending);
    }

    fn poll_teardown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ErrorOf<N>>> {
        self.inner().poll_teardown(cx)
    }
}

/// Puts contexts together whose policies differ or are hidden: `combine((a, b)).on_cancel::<policy::Block>()`.
///
/// A tuple is a context by itself where one policy is known to do for all of it: the same for all, or one that [takes in](crate::policy::Combine) the
/// others. Elsewhere choose the policy here. This goes for a tuple with a [boxed](ContextManager::boxed) context, too, whose own policy isn't asked
/// then. What the policy asks for (`spawn`: that it is `Send + 'static`) is asked of the whole tuple. If rustc says in a task that a guard of the whole is
/// *not general enough*, put `.boxed()` behind the policy.
///
/// ```
/// use contextlib::{async_context, combine, policy, yield_resource};
///
/// #[async_context(on_cancel = block)]
/// async fn length(text: &str) -> usize {
///     let mut length = text.len();
///     let _ = yield_resource!(length);
/// }
///
/// #[async_context(on_cancel = drop)]
/// async fn doubled(number: u32) -> u32 {
///     let mut doubled = number * 2;
///     let _ = yield_resource!(doubled);
/// }
///
/// # #[tokio::main]
/// # async fn main() {
/// let text = String::from("text");
/// let both = combine((length(&text), doubled(4))).on_cancel::<policy::Drop>();
/// assert_eq!(both.run(async |(length, number)| (*length, *number)).await, (4, 8));
/// # }
/// ```
#[track_caller]
pub fn combine<T: ContextTuple>(contexts: T) -> Undecided<T::Context> {
    Undecided(contexts.into_seed())
}

/// A context whose policy is still to be chosen, with [`on_cancel`](Undecided::on_cancel).
#[must_use = "choose its policy with `.on_cancel::<P>()`"]
pub struct Undecided<C: AsyncContext>(Seed<C>);

impl<C: AsyncContext> fmt::Debug for Undecided<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Undecided")
            .field("context", &self.0.definition())
            .finish()
    }
}

impl<C: AsyncContext> Undecided<C> {
    pub(crate) fn new(context: Seed<C>) -> Self {
        Undecided(context)
    }

    /// The context, with `P` as what becomes of it when its caller is gone.
    ///
    /// ```
    /// use contextlib::{async_context, background, combine, policy, yield_resource};
    /// # use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    /// # static TOLD: AtomicU32 = AtomicU32::new(0);
    ///
    /// #[async_context]
    /// async fn number(mut number: u32) -> u32 {
    ///     let exit = yield_resource!(number);
    ///     println!("{number}: {exit:?}");
    /// #   assert!(exit.is_cancelled());
    /// #   TOLD.fetch_add(number, Relaxed);
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// // A box hides its context's policy. `Spawn` takes both, which are `Send + 'static`.
    /// let both = combine((number(1).boxed(), number(2))).on_cancel::<policy::Spawn>();
    /// drop(both.enter().await);
    /// background::drain().await; // 2: Cancelled, 1: Cancelled
    /// # assert_eq!(TOLD.load(Relaxed), 3);
    /// # }
    /// ```
    pub fn on_cancel<P: Policy<C>>(self) -> ContextManager<C, P> {
        ContextManager::new(self.0)
    }
}

/// A tuple of contexts, whatever their policies.
#[diagnostic::on_unimplemented(
    message = "`{Self}` isn't a tuple of contexts",
    label = "not a tuple of contexts",
    note = "`combine((a, b))` takes one tuple, of up to twelve contexts"
)]
pub trait ContextTuple {
    /// What is run.
    type Context: AsyncContext;
    #[doc(hidden)]
    #[track_caller]
    fn into_seed(self) -> Seed<Self::Context>;
}

/// `A, B, C` as pairs in pairs, `((A, B), C)`: a type, a pattern or an expression.
macro_rules! pairs {
    ($pairs:tt) => { $pairs };
    ($pairs:tt, $next:ident $(, $rest:ident)*) => { pairs!(($pairs, $next) $(, $rest)*) };
}

/// The type of the context that some make together: a [`Nest`] of nests.
macro_rules! nested {
    ($a:ident $(, $rest:ident)*) => { nested!(@ [$a::Context] $(, $rest)*) };
    (@ [$($nested:tt)*]) => { $($nested)* };
    (@ [$($nested:tt)*], $next:ident $(, $rest:ident)*) => {
        nested!(@ [Nest<$($nested)*, $next::Context>] $(, $rest)*)
    };
}

/// The policy that some have together, by [`Combined`].
macro_rules! policy {
    ($a:ident $(, $rest:ident)*) => { policy!(@ [$a::Policy] $(, $rest)*) };
    (@ [$($policy:tt)*]) => { $($policy)* };
    (@ [$($policy:tt)*], $next:ident $(, $rest:ident)*) => {
        policy!(@ [Combined<$($policy)*, $next::Policy>] $(, $rest)*)
    };
}

/// How many there are, as a type.
macro_rules! width {
    ($($a:ident),*) => { [(); [$(stringify!($a)),*].len()] };
}

macro_rules! tuple {
    ($a:ident $A:ident $(, $m:ident $M:ident)*) => {
        impl<$A $(, $M)*> Flatten<pairs!($A $(, $M)*)> for width!($a $(, $m)*) {
            type Flat = ($A, $($M,)*);

            fn flatten(pairs!($a $(, $m)*): pairs!($A $(, $M)*)) -> Self::Flat {
                ($a, $($m,)*)
            }

            fn nest(($a, $($m,)*): Self::Flat) -> pairs!($A $(, $M)*) {
                pairs!($a $(, $m)*)
            }
        }

        impl<$A, $($M),*> ContextTuple for ($A, $($M,)*)
        where
            $A: IntoContextManager,
            // `Send + 'static`: the outer contexts are told the errors of the inner ones.
            $($M: IntoContextManager, ErrorOf<$M::Context>: Send + 'static,)*
        {
            type Context = Flat<nested!($A $(, $M)*), width!($a $(, $m)*)>;

            fn into_seed(self) -> Seed<Self::Context> {
                let ($a, $($m,)*) = self;
                let nested = $a.into_context_manager().into_seed();
                $(
                    let inner = $m.into_context_manager().into_seed();
                    let nested = Nest::seed(Definition::here(|| "tuple"), nested, inner);
                )*
                Flat::seed(nested)
            }
        }

        tuple!(@manager [$a $A $(, $m $M)*] [$A] [$($M)*] []);
    };
    (@manager $all:tt [$($outer:ident),*] [$next:ident $($rest:ident)*] [$($bounds:tt)*]) => {
        tuple!(
            @manager $all [$($outer,)* $next] [$($rest)*]
            [$($bounds)* policy!($($outer),*): Combine<$next::Policy>,]
        );
    };
    (@manager [$a:ident $A:ident $(, $m:ident $M:ident)*] $outer:tt [] [$($bounds:tt)*]) => {
        #[diagnostic::do_not_recommend]
        impl<$A, $($M),*> AsyncContextManagerOrTuple for ($A, $($M,)*)
        where
            $A: IntoContextManager,
            $($M: IntoContextManager, ErrorOf<$M::Context>: Send + 'static,)*
            $($bounds)*
            policy!($A $(, $M)*): Policy<<Self as ContextTuple>::Context>,
        {
            type Context = <Self as ContextTuple>::Context;
            type Policy = policy!($A $(, $M)*);

            fn manager(self) -> ContextManager<Self::Context, Self::Policy> {
                ContextManager::new(self.into_seed())
            }
        }
    };
}

tuple!(a A);
tuple!(a A, b B);
tuple!(a A, b B, c C);
tuple!(a A, b B, c C, d D);
tuple!(a A, b B, c C, d D, e E);
tuple!(a A, b B, c C, d D, e E, f F);
tuple!(a A, b B, c C, d D, e E, f F, g G);
tuple!(a A, b B, c C, d D, e E, f F, g G, h H);
tuple!(a A, b B, c C, d D, e E, f F, g G, h H, i I);
tuple!(a A, b B, c C, d D, e E, f F, g G, h H, i I, j J);
tuple!(a A, b B, c C, d D, e E, f F, g G, h H, i I, j J, k K);
tuple!(a A, b B, c C, d D, e E, f F, g G, h H, i I, j J, k K, l L);
