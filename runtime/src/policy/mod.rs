//! What becomes of a context whose caller is gone.
//!
//! The context's author chooses it with `#[async_context(on_cancel = …)]`. It is part of the context's type:
//!
//! | `on_cancel` | type | the teardown of a cancelled context | the frame must be |
//! |---|---|---|---|
//! | `spawn`, the default | [`Spawn`] | runs as a task on the runtime that the context was entered on | `Send + 'static` |
//! | `spawn_local` | [`SpawnLocal`] | runs as a task on the current `LocalSet` or `LocalRuntime` | `'static` |
//! | `block` | [`Block`] | runs inside `Drop`, which blocks its thread | anything |
//! | `drop` | [`Drop`] | doesn't run: the destructors of the frame's locals do | anything |
//! | a type of yours | that type | whatever its [`Policy::rollback`] does | what its bounds say |
//!
//! A context that is awaited to its end, whatever the body's outcome, never needs its policy.

#[cfg(feature = "tokio")]
mod blocking;
mod combine;
mod inherited;
#[cfg(feature = "tokio")]
mod on_tokio;
mod storage;

pub use combine::{Combine, Combined};
pub(crate) use inherited::RollsBack;
pub use inherited::{Inherited, RollsItselfBack};
#[cfg(feature = "tokio")]
pub use on_tokio::{Block, FinishSetup, Spawn, SpawnLocal};
pub use storage::{Boxed, Storage};

#[cfg(not(feature = "tokio"))]
pub use without_tokio::{Block, FinishSetup, Spawn, SpawnLocal};

pub use crate::background::Rollback;
use crate::{AsyncContext, background::Abandonment, frame::AnyFrame};

/// What becomes of a frame whose guard or `with` future was dropped.
///
/// Implement it to run rollbacks on an executor of yours:
///
/// ```
/// use contextlib::{AsyncContext, async_context, yield_resource, policy::{Boxed, Policy, Rollback}};
///
/// /// Rolls back on a thread of its own.
/// pub struct OnThread;
///
/// impl<C> Policy<C> for OnThread
/// where
///     C: AsyncContext<Resource: Send> + Send + 'static,
/// {
///     type Storage = Boxed<C>;
///     type Origin = ();
///
///     fn origin() {}
///
///     fn rollback(rollback: Rollback<C>, (): ()) {
///         std::thread::spawn(|| futures::executor::block_on(rollback));
///     }
/// }
///
/// #[async_context(on_cancel = OnThread)]
/// async fn numbered() -> u32 {
///     let mut number = 7;
///     let _ = yield_resource!(number);
/// }
/// ```
///
/// Only tokio's tasks are recognised as tasks. On another executor, what a task enters with a guard is ordered by thread: tasks on one thread wait
/// for each other's rollbacks, and a task that moves to another thread loses the order of its own. So wrap each spawned future that uses guards in
/// [`lane`](crate::background::lane): `spawner.spawn(lane(task))`. Bodies of closure and block style need no such care.
///
/// # One runtime for the rollbacks of several
///
/// A rollback of `spawn` is a task of the runtime that its context was entered on. A server with a runtime for each thread, such as actix-web's, shuts these down before `main` ends, and a
/// [`drain`](crate::background::drain) in `main` doesn't wait for them. This policy has them run on the runtime of `main`, which does:
///
/// ```
/// use contextlib::{AsyncContext, async_context, background::drain, yield_resource, policy::{Boxed, Policy, Rollback}};
/// use std::{sync::OnceLock, thread};
/// use tokio::runtime::{Builder, Handle};
///
/// static MAIN: OnceLock<Handle> = OnceLock::new();
///
/// pub struct OnMain;
///
/// impl<C: AsyncContext<Resource: Send> + Send + 'static> Policy<C> for OnMain {
///     type Storage = Boxed<C>;
///     type Origin = ();
///
///     fn origin() {}
///
///     fn rollback(rollback: Rollback<C>, (): ()) {
///         MAIN.get().expect("main has begun").spawn(rollback);
///     }
/// }
///
/// #[async_context(on_cancel = OnMain)]
/// async fn transaction() {
///     let _ = yield_resource!();
///     println!("rolled back");
/// }
///
/// #[tokio::main]
/// async fn main() -> std::io::Result<()> {
///     MAIN.get_or_init(Handle::current);
///     let worker = Builder::new_current_thread().build()?;
///     let worker = thread::spawn(move || worker.block_on(async { drop(transaction().enter().await) }));
///     worker.join().expect("it ends well");
///     drain().await;
///     Ok(())
/// }
/// ```
///
/// # What a rollback has of its caller's task
///
/// Nothing but the span: a `task_local!` that the caller was in the scope of isn't set in a rollback. The [origin](Policy::Origin) is what a policy keeps from the moment of entering:
///
/// ```
/// use contextlib::{AsyncContext, async_context, background::drain, yield_resource, policy::{Boxed, Policy, Rollback}};
///
/// tokio::task_local! { static REQUEST: u32; }
///
/// pub struct InRequest;
///
/// impl<C: AsyncContext<Resource: Send> + Send + 'static> Policy<C> for InRequest {
///     type Storage = Boxed<C>;
///     type Origin = Option<u32>;
///
///     fn origin() -> Option<u32> {
///         REQUEST.try_get().ok()
///     }
///
///     fn rollback(rollback: Rollback<C>, request: Option<u32>) {
///         match request {
///             Some(request) => tokio::spawn(REQUEST.scope(request, rollback)),
///             None => tokio::spawn(rollback),
///         };
///     }
/// }
///
/// #[async_context(on_cancel = InRequest)]
/// async fn audited() {
///     let _ = yield_resource!();
///     assert_eq!(REQUEST.get(), 7);
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// REQUEST.scope(7, async { drop(audited().enter().await) }).await;
/// drain().await;
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "this context can't be rolled back by the policy `{Self}`",
    label = "the frame of this context doesn't fit its `on_cancel` policy",
    note = "`spawn` needs a frame that is `Send + 'static`, `spawn_local` one that is `'static` (both need the feature `tokio`); `on_cancel = block` and `on_cancel = drop` take any"
)]
pub trait Policy<C: AsyncContext>: Sized {
    /// Where the frame lives while `with` runs: [`Boxed<C>`], so that it can be taken over. `C` itself allocates nothing. But then a `with` that is
    /// dropped drops the frame where it is, as [`Drop`] does, without a call of `rollback` or a report.
    type Storage: Storage<C>;
    /// What [`rollback`](Policy::rollback) has to know about the place where the context was entered, such as its runtime.
    type Origin;

    /// Called when a context is entered.
    fn origin() -> Self::Origin;

    /// Called when a context's guard was dropped before its end. Also called when its `with` future was dropped, if the [storage](Policy::Storage) is
    /// a box. For a setup that is cancelled it isn't called, unless there is something to tear down already: in a tuple, what was
    /// entered before.
    ///
    /// It shouldn't panic: a panic in it reaches whoever dropped the guard.
    fn rollback(rollback: Rollback<C>, origin: Self::Origin);

    /// Makes a [`Rollback`] of the frame for [`rollback`](Policy::rollback).
    //
    // The policies of this crate override it, to forget the frame's type at once: so the rest is compiled once, and not for each context.
    #[doc(hidden)]
    fn take_over(mut frame: Abandonment<C>, origin: Self::Origin) {
        let context = frame.context();
        // No runtime: it isn't known which one will run this. So it counts for each of them.
        frame.roll_back(None, origin, |raw, origin| {
            Self::rollback(Rollback::new(raw, context), origin);
        });
    }
}

/// `on_cancel = drop`: the frame is dropped where it is. Only the destructors of its locals run.
///
/// For contexts whose resource cleans up in its own `Drop`, as a database transaction of sqlx's does. `with` then allocates nothing.
pub enum Drop {}

impl<C: AsyncContext> Policy<C> for Drop {
    type Storage = C;
    type Origin = ();

    fn origin() {}

    fn rollback(rollback: Rollback<C>, (): ()) {
        rollback.discard();
    }

    fn take_over(frame: Abandonment<C>, (): ()) {
        discard(frame.into_any());
    }
}

fn discard(frame: Abandonment<dyn AnyFrame + '_>) {
    frame.roll_back(None, (), |raw, ()| raw.discard());
}

#[cfg(not(feature = "tokio"))]
mod without_tokio {
    /// `on_cancel = spawn`: needs the feature `tokio`.
    pub enum Spawn {}
    /// `on_cancel = spawn_local`: needs the feature `tokio`.
    pub enum SpawnLocal {}
    /// `on_cancel = block`: needs the feature `tokio`.
    pub enum Block {}
    /// `setup = finish`: needs the feature `tokio`.
    pub enum FinishSetup {}
}
