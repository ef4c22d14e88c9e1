//! A context with another error.

use crate::{
    AsyncContext, ContextManager, Definition,
    background::{Entered, Left},
    cold::catch,
    frame::{Body, Ending, ErrorOf, NotEntered, Sealed, Seed, hands_on},
    kind::{Fallible, Kind, RaiseAs},
    policy::{Policy, RollsBack},
    report,
};
use pin_project_lite::pin_project;
use std::{
    fmt::Debug,
    pin::Pin,
    task::{Context, Poll},
    thread,
};

pin_project! {
    /// A context whose errors `map` makes others of.
    //
    // The new error isn't a parameter: inside an `async` block the compiler forgets every `'static` in it, and then can't tell that it is what `F` returns.
    pub struct MapErr<C, F> {
        #[pin]
        context: C,
        map: Mapping<F>,
    }
}

/// Makes a new error, [`To`](ErrorMap::To), of a `From`.
pub trait ErrorMap<From> {
    type To: Debug;
    #[doc(hidden)]
    fn map(&self, error: From) -> Self::To;
}

impl<F, A, B> ErrorMap<A> for F
where
    F: Fn(A) -> B,
    B: Debug,
{
    type To = B;

    fn map(&self, error: A) -> B {
        self(error)
    }
}

/// A context whose errors are raised as an `E`.
pub(crate) type ErrInto<C, E> = MapErr<C, fn(ErrorOf<C>) -> E>;

impl<C: AsyncContext, P> ContextManager<C, P> {
    /// The same context with its error converted into `E`: for [`enter`](ContextManager::enter), or for contexts in one vector.
    ///
    /// [`with`](ContextManager::with) converts it anyway. Where there is no `From`, [`map_err`](ContextManager::map_err) takes a function.
    ///
    /// A guard with a `Box<dyn Error + Send + Sync>` as its error is *not general enough* to rustc where a task holds it: write `.err_into::<E>().boxed()`.
    ///
    /// ```
    /// use contextlib::{IntoContextManager, async_context, yield_resource};
    /// use std::{fmt, io};
    ///
    /// #[async_context]
    /// async fn file() -> Result<(), io::Error> {
    ///     let _ = yield_resource!();
    /// }
    ///
    /// #[async_context]
    /// async fn number() -> Result<(), fmt::Error> {
    ///     let _ = yield_resource!();
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # #[derive(Debug)]
    /// # enum AppError { Io(io::Error), Fmt(fmt::Error) }
    /// # impl From<io::Error> for AppError { fn from(error: io::Error) -> Self { AppError::Io(error) } }
    /// # impl From<fmt::Error> for AppError { fn from(error: fmt::Error) -> Self { AppError::Fmt(error) } }
    /// # async fn both() -> Result<(), AppError> {
    /// let both = (file(), number()).into_context_manager().err_into::<AppError>();
    /// let guard = both.enter().await?;
    /// guard.exit().await
    /// # }
    /// # both().await.unwrap();
    /// # Ok(())
    /// # }
    /// ```
    pub fn err_into<E>(self) -> ContextManager<ErrInto<C, E>, P>
    where
        C::Kind: RaiseAs<E>,
        E: Debug,
        P: Policy<ErrInto<C, E>>,
    {
        self.map_err(<C::Kind as RaiseAs<E>>::raise)
    }

    /// The same context with another error: `map` makes it of the context's own, the error of its setup or its teardown.
    ///
    /// For an error that has no `From`, or for one that says where it comes from. The teardown, and the contexts inside this one, see the body's
    /// error as it is. The policy stays what it was, also that of a [boxed](ContextManager::boxed) context. Mirrors `Result::map_err`.
    ///
    /// ```
    /// use contextlib::{async_context, yield_resource};
    /// use std::io;
    ///
    /// #[async_context]
    /// async fn file(name: &'static str) -> Result<&'static str, io::Error> {
    ///     let mut file = name;
    ///     let _ = yield_resource!(file);
    ///     if name.is_empty() {
    ///         return Err(io::ErrorKind::InvalidInput.into());
    ///     }
    /// }
    ///
    /// #[derive(Debug)]
    /// enum Error {
    ///     Source(io::Error),
    ///     Target(io::Error),
    /// }
    ///
    /// async fn copy(from: &'static str, to: &'static str) -> Result<(), Error> {
    ///     let contexts = (file(from).map_err(Error::Source), file(to).map_err(Error::Target));
    ///     contexts.with(async |_| Ok(())).await
    /// }
    /// # use contextlib::IntoContextManager;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// assert!(matches!(copy("a", "").await, Err(Error::Target(_))));
    /// # }
    /// ```
    pub fn map_err<E, F>(self, map: F) -> ContextManager<MapErr<C, F>, P>
    where
        F: Fn(ErrorOf<C>) -> E,
        E: Debug,
        P: Policy<MapErr<C, F>>,
    {
        ContextManager::new(Seed::new((self.into_seed().into_inner(), map)))
    }
}

impl<C: RollsBack, F> RollsBack for MapErr<C, F> {
    fn roll_back(self: Pin<&mut Self>, entered: Entered, left: Left) {
        self.inner().roll_back(entered, left);
    }
}

impl<C, F> MapErr<C, F> {
    fn inner(self: Pin<&mut Self>) -> Pin<&mut C> {
        self.project().context
    }
}

/// The user's closure. It is dropped with the rest of the frame: a panic of its destructor goes where those of the frame go, and never becomes a second one.
struct Mapping<F> {
    /// `None` once the frame is finished.
    closure: Option<F>,
    context: Definition,
}

impl<F> Mapping<F> {
    fn map<E>(&self, error: E) -> F::To
    where
        F: ErrorMap<E>,
    {
        let closure = self.closure.as_ref();
        let closure = closure.expect("a frame isn't polled after its end");
        closure.map(error)
    }
}

impl<F> Drop for Mapping<F> {
    fn drop(&mut self) {
        // `finish` has dropped the closure, unless the setup has failed or panicked.
        if self.closure.is_some() && thread::panicking() {
            let dropped = catch(&mut || drop(self.closure.take()));
            if let Err(payload) = dropped {
                report::panic_in_drop(self.context, payload);
            }
        }
    }
}

impl<C, F> Sealed for MapErr<C, F> {}

#[diagnostic::do_not_recommend]
impl<C, F> AsyncContext for MapErr<C, F>
where
    C: AsyncContext,
    F: ErrorMap<ErrorOf<C>>,
{
    type Resource = C::Resource;
    type Kind = Fallible<F::To, <C::Kind as Kind>::Suppression, <C::Kind as Kind>::Shape>;
    type Seed = (C::Seed, F);

    fn grow((seed, closure): Self::Seed) -> Self {
        let map = Mapping {
            closure: Some(closure),
            context: C::defined(&seed),
        };
        MapErr {
            context: C::grow(seed),
            map,
        }
    }

    fn defined((seed, _): &Self::Seed) -> Definition {
        C::defined(seed)
    }

    hands_on! { definition polls_body outer_span interrupt begin_body resume resume_evicted abandon }

    fn poll_setup(
        self: Pin<&mut Self>,
        room: &mut Option<C::Resource>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), NotEntered<F::To>>> {
        let this = self.project();
        let set_up = this.context.poll_setup(room, cx);
        set_up.map_err(|not_entered| not_entered.map(|error| this.map.map(error)))
    }

    fn poll_body(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        body: Body<'_, C::Resource>,
    ) -> Poll<Result<(), F::To>> {
        let this = self.project();
        let polled = this.context.poll_body(cx, body);
        polled.map_err(|error| this.map.map(error))
    }

    fn poll_teardown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), F::To>> {
        let this = self.project();
        let polled = this.context.poll_teardown(cx);
        polled.map_err(|error| this.map.map(error))
    }

    fn finish(self: Pin<&mut Self>) -> Option<Ending> {
        let this = self.project();
        drop(this.map.closure.take());
        this.context.finish()
    }
}
