//! Contexts whose type can be named.

use crate::{
    AsyncContext, ContextManager, Guard,
    background::{Abandonment, Entered, Left},
    frame::{Body, Exclusive, Lodging, NotEntered, Sealed, Seed, hands_on, is_its_own_seed},
    kind::{Fallible, Infallible, Kind},
    policy::{Inherited, Policy, RollsBack},
    site::Definition,
    trace::OuterSpan,
};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// A context of the kind `K` that yields a `T`, whatever function made it: what [`boxed`](ContextManager::boxed) returns.
pub type BoxedManager<'a, T, K> = ContextManager<BoxContext<'a, T, K>, Inherited>;

/// A boxed context that can fail with `E`.
///
/// What `#[async_context(boxed)]` makes a function return. For struct fields, vectors of different contexts, recursion, and traits behind `dyn`:
///
/// ```
/// use contextlib::{BoxContextManager, async_context, yield_resource};
/// use std::io;
///
/// /// Enters itself until `depth` is down to nothing, and yields how many times it did.
/// #[async_context]
/// async fn nested(depth: u32) -> Result<u32, io::Error> {
///     if depth == 0 {
///         let _ = yield_resource!(0);
///     } else {
///         let inner: BoxContextManager<'static, u32, io::Error> = nested(depth - 1).boxed();
///         let inner = inner.enter().await?;
///         let _ = yield_resource!(*inner + 1);
///         inner.exit().await?;
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// let depth = nested(10).with(async |depth| -> io::Result<u32> { Ok(*depth) }).await?;
/// assert_eq!(depth, 10);
/// # Ok(())
/// # }
/// ```
pub type BoxContextManager<'a, T, E> = BoxedManager<'a, T, Fallible<E>>;

/// A boxed context that can't fail.
pub type InfallibleBoxContextManager<'a, T> = BoxedManager<'a, T, Infallible>;

/// The guard of a [`BoxContextManager`].
///
/// It is `Send`, and `Sync` if the resource is, so that an `Arc` of what holds it may go to any task.
pub type BoxGuard<'a, T, E> = Guard<BoxContext<'a, T, Fallible<E>>, Inherited>;

/// The guard of an [`InfallibleBoxContextManager`].
pub type InfallibleBoxGuard<'a, T> = Guard<BoxContext<'a, T, Infallible>, Inherited>;

impl<C: AsyncContext, P: Policy<C>> ContextManager<C, P> {
    /// Hides which context this is: the result's type says its resource, its [`Kind`] and how long what it borrows lives.
    ///
    /// The context keeps its policy, though its type no longer shows it. Only a tuple, which has one policy for all, asks for one again:
    /// [`combine`](crate::combine). The context has to be `Send`. Two allocations, one of which is that of the frame. Entering it, in whatever style,
    /// makes another.
    ///
    /// ```
    /// use contextlib::{InfallibleBoxContextManager, async_context, null_context, yield_resource};
    ///
    /// #[async_context]
    /// async fn greeting(name: &'static str) -> String {
    ///     let mut greeting = format!("hello, {name}");
    ///     let _ = yield_resource!(greeting);
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let contexts: Vec<InfallibleBoxContextManager<'static, String>> =
    ///     vec![greeting("world").boxed(), null_context(String::from("plain")).boxed()];
    /// let mut lengths = Vec::new();
    /// for context in contexts {
    ///     lengths.push(context.run(async |greeting| greeting.len()).await);
    /// }
    /// assert_eq!(lengths, [12, 5]);
    /// # }
    /// ```
    pub fn boxed<'a>(self) -> BoxedManager<'a, C::Resource, C::Kind>
    where
        C: Send + 'a,
        C::Resource: 'a,
        C::Kind: 'a,
        P: 'a,
        P::Origin: Send + 'a,
    {
        let seed = self.into_seed();
        let definition = seed.definition();
        let mut lodging = Lodging::new(seed);
        ContextManager::new(Seed::new(BoxContext {
            definition,
            polls_body: lodging.frame().polls_body(),
            erased: Some(Exclusive::new(Box::new(Erased::<C, P> {
                lodging,
                origin: None,
            }))),
        }))
    }
}

/// A context of any type, in a box with its policy.
pub struct BoxContext<'a, T, K> {
    definition: Definition,
    polls_body: bool,
    // A trait object is invariant in the parameters of its trait: a short reference can't be written where the teardown expects a long one.
    erased: Option<Exclusive<Box<dyn Boxable<T, K> + Send + 'a>>>,
}

struct Erased<C: AsyncContext, P: Policy<C>> {
    lodging: Lodging<C>,
    /// What the policy knows of the place where the context was entered. `None` before that.
    origin: Option<P::Origin>,
}

trait Boxable<T, K> {
    /// The context is entered here: asks the policy for its origin.
    fn enter(&mut self);
    fn frame<'s>(&'s mut self) -> Pin<&'s mut (dyn AsyncContext<Resource = T, Kind = K> + 's)>;
    fn outer_span(&mut self) -> OuterSpan;
    fn roll_back(self: Box<Self>, entered: Entered, left: Left);
}

impl<C, P> Boxable<C::Resource, C::Kind> for Erased<C, P>
where
    C: AsyncContext,
    P: Policy<C>,
{
    fn enter(&mut self) {
        if self.origin.is_none() {
            self.origin = Some(P::origin());
        }
    }

    fn frame<'s>(
        &'s mut self,
    ) -> Pin<&'s mut (dyn AsyncContext<Resource = C::Resource, Kind = C::Kind> + 's)> {
        self.lodging.frame()
    }

    fn outer_span(&mut self) -> OuterSpan {
        self.lodging.frame().outer_span()
    }

    fn roll_back(self: Box<Self>, entered: Entered, left: Left) {
        let origin = self.origin.unwrap_or_else(P::origin);
        let mut frame = self.lodging.into_held(entered);
        frame.typed_parts().0.note_left(left);
        P::take_over(Abandonment::new(frame), origin);
    }
}

impl<'a, T, K: Kind> BoxContext<'a, T, K> {
    fn any(self: Pin<&mut Self>) -> &mut (dyn Boxable<T, K> + Send + 'a) {
        self.get_mut()
            .erased
            .as_mut()
            .expect("the frame is taken out only when its owner is gone")
            .get_mut()
            .as_mut()
    }

    fn inner(self: Pin<&mut Self>) -> Pin<&mut (dyn AsyncContext<Resource = T, Kind = K> + '_)> {
        self.any().frame()
    }
}

impl<T, K: Kind> RollsBack for BoxContext<'_, T, K> {
    fn roll_back(mut self: Pin<&mut Self>, entered: Entered, left: Left) {
        if let Some(erased) = self.erased.take() {
            erased.into_inner().roll_back(entered, left);
        }
    }
}

impl<T, K> Sealed for BoxContext<'_, T, K> {}

#[diagnostic::do_not_recommend]
impl<T, K: Kind> AsyncContext for BoxContext<'_, T, K> {
    type Resource = T;
    type Kind = K;

    is_its_own_seed!();
    hands_on! { interrupt begin_body resume resume_evicted abandon finish }

    fn definition(self: Pin<&mut Self>) -> Definition {
        self.definition
    }

    fn polls_body(self: Pin<&mut Self>) -> bool {
        self.polls_body
    }

    fn outer_span(mut self: Pin<&mut Self>) -> OuterSpan {
        match &mut self.erased {
            Some(erased) => erased.get_mut().outer_span(),
            None => OuterSpan::none(),
        }
    }

    fn poll_setup(
        mut self: Pin<&mut Self>,
        room: &mut Option<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), NotEntered<K::Error>>> {
        self.as_mut().any().enter();
        self.inner().poll_setup(room, cx)
    }

    fn poll_body(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        body: Body<'_, T>,
    ) -> Poll<Result<(), K::Error>> {
        self.inner().poll_body(cx, body)
    }

    fn poll_teardown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), K::Error>> {
        self.inner().poll_teardown(cx)
    }
}
