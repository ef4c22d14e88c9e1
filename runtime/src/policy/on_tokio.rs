//! The policies that need tokio.

use super::{Boxed, Policy, blocking};
use crate::{
    AsyncContext, Rollback,
    background::{Abandonment, RawRollback, RuntimeId, current_runtime},
    frame::AnyFrame,
};
use std::panic::catch_unwind;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task,
};

/// `on_cancel = spawn`, the default: the teardown runs as a background task of the runtime that the context was entered on.
///
/// The frame has to be `Send + 'static`. A context entered off a runtime uses the one that it is dropped on. Where there is none, or the runtime has
/// been shut down, the teardown is reported as lost.
pub enum Spawn {}

impl<C> Policy<C> for Spawn
where
    C: AsyncContext<Resource: Send> + Send + 'static,
{
    type Storage = Boxed<C>;
    type Origin = Option<Handle>;

    #[inline]
    fn origin() -> Option<Handle> {
        here()
    }

    fn rollback(rollback: Rollback<C>, origin: Option<Handle>) {
        spawn(rollback.into_any(), origin);
    }

    fn take_over(frame: Abandonment<C>, origin: Option<Handle>) {
        spawn_rollback(frame.into_any(), origin);
    }
}

/// `setup = finish`: as [`Spawn`], but a setup whose caller is gone runs on in the background to its yield point, and is torn down.
///
/// For setups that acquire something on a remote side, which dropping their future wouldn't give back.
#[doc(alias = "shield")]
pub enum FinishSetup {}

impl<C> Policy<C> for FinishSetup
where
    C: AsyncContext<Resource: Send> + Send + 'static,
{
    type Storage = Boxed<C>;
    type Origin = Option<Handle>;

    fn origin() -> Option<Handle> {
        <Spawn as Policy<C>>::origin()
    }

    fn rollback(rollback: Rollback<C>, origin: Option<Handle>) {
        <Spawn as Policy<C>>::rollback(rollback, origin);
    }

    fn take_over(frame: Abandonment<C>, origin: Option<Handle>) {
        spawn_setup_and_rollback(frame.into_any(), origin);
    }
}

/// `on_cancel = spawn_local`: the teardown runs as a task of the current `LocalSet`, or of tokio's `LocalRuntime`.
///
/// The frame has to be `'static`, but not `Send`. Outside of both the teardown is reported as lost. There is no way to ask tokio for a `LocalSet`, so
/// this tries to spawn. The panic that says that there is no `LocalSet` is caught, after the panic hook has seen it. (With `panic = "abort"` it can't
/// be caught.)
///
/// The teardown goes on while its `LocalSet` is polled, and whatever waits for it waits as long. So before a `LocalSet` that was polled by `run_until`
/// is left, `set.run_until(background::drain())` ends what is pending there.
pub enum SpawnLocal {}

impl<C: AsyncContext + 'static> Policy<C> for SpawnLocal {
    type Storage = Boxed<C>;
    type Origin = ();

    fn origin() {}

    fn rollback(rollback: Rollback<C>, (): ()) {
        spawn_local(rollback.into_any(), ());
    }

    fn take_over(frame: Abandonment<C>, (): ()) {
        spawn_local_rollback(frame.into_any());
    }
}

/// `on_cancel = block`: the teardown is driven to its end inside `Drop`, which blocks its thread.
///
/// For contexts that borrow. It needs the threads of a multi-thread runtime. This is the runtime that the context is dropped on, or, if it is dropped
/// off a runtime, the one that it was entered on. In these cases the frame is dropped and its teardown reported as lost:
///
/// - on a current-thread runtime;
/// - inside a `LocalSet`;
/// - if the context was entered off a runtime, and is dropped off a runtime.
///
/// It never panics. Only inside a `LocalSet`, for which there is no way to ask tokio, the panic hook sees a panic, which is caught there. (With
/// `panic = "abort"` it can't be caught.)
///
/// While it blocks, its worker's other tasks move to a thread of the runtime's pool for blocking work. Where that pool has no thread left
/// (`max_blocking_threads`, 512 by default), nothing runs on the runtime any more. That is so, for example, when a thousand such contexts are
/// cancelled at once. If it goes on for five seconds, one of the contexts makes room: its frame is dropped and its teardown reported as lost. From
/// then on no more than the others block at once. Any further one is dropped and reported, too, until half of them are done.
///
/// Like any teardown, it waits for the rollbacks started below it. Some rollbacks can run only on the blocked thread: those of a `LocalSet` or of a
/// current-thread runtime there. It waits for these for ever, so keep such contexts out of one that blocks. (A `LocalSet` that is dropped off its
/// runtime can't be told from none. There, too, its rollbacks would run on the thread that is blocked.)
///
/// While its runtime is being shut down, and after that, a teardown still runs to its end if it needs nothing of the runtime. A teardown that waits
/// for the timer, for I/O or for a task may wait in vain: if nothing wakes it for a second, its frame is dropped and its teardown reported as lost.
/// What the same thread tears down after that, in the same shutdown, has a hundredth of a second.
pub enum Block {}

impl<C: AsyncContext> Policy<C> for Block {
    type Storage = Boxed<C>;
    type Origin = Option<Handle>;

    #[inline]
    fn origin() -> Option<Handle> {
        here()
    }

    fn rollback(rollback: Rollback<C>, origin: Option<Handle>) {
        block(rollback.into_any(), origin);
    }

    fn take_over(frame: Abandonment<C>, origin: Option<Handle>) {
        block_rollback(frame.into_any(), origin);
    }
}

// What the policies do. It doesn't know the contexts' types, and so is compiled once, here, and not for each context.

// Inline: every context that is entered comes through here.
#[inline]
fn here() -> Option<Handle> {
    Handle::try_current().ok()
}

#[inline(never)]
fn current() -> Option<Handle> {
    Handle::try_current().ok()
}

/// The runtime whose [`drain`](crate::background::drain) waits for a rollback that is spawned.
fn runtime_of(origin: &Option<Handle>) -> RuntimeId {
    match origin {
        Some(runtime) => Some(runtime.id()),
        None => current_runtime(),
    }
}

fn spawn_rollback(frame: Abandonment<dyn AnyFrame + Send>, origin: Option<Handle>) {
    frame.roll_back(runtime_of(&origin), origin, spawn);
}

fn spawn_setup_and_rollback(frame: Abandonment<dyn AnyFrame + Send>, origin: Option<Handle>) {
    frame.finish_then_roll_back(runtime_of(&origin), origin, spawn);
}

fn spawn_local_rollback(frame: Abandonment<dyn AnyFrame>) {
    frame.roll_back(current_runtime(), (), spawn_local);
}

fn block_rollback(frame: Abandonment<dyn AnyFrame + '_>, origin: Option<Handle>) {
    let runtime = current_runtime().or_else(|| origin.as_ref().map(Handle::id));
    frame.roll_back(runtime, origin, block);
}

#[inline(always)]
fn spawn(rollback: RawRollback<dyn AnyFrame + Send>, origin: Option<Handle>) {
    match origin.or_else(current) {
        Some(runtime) => {
            runtime.spawn(rollback);
        }
        None => rollback.lose(
            "it was entered and dropped outside of a tokio runtime, so there is nothing to run it on",
        ),
    }
}

#[inline(never)]
fn spawn_local(rollback: RawRollback<dyn AnyFrame>, (): ()) {
    // Without a `LocalSet`, `spawn_local` panics. There is no other way to ask whether there is one.
    let spawned = catch_unwind(|| {
        task::spawn_local(async {});
    });
    match spawned {
        Ok(()) => {
            task::spawn_local(rollback);
        }
        Err(_) => rollback.lose("it was dropped outside of a `LocalSet` or `LocalRuntime`"),
    }
}

#[inline(never)]
fn block(rollback: RawRollback<dyn AnyFrame + '_>, origin: Option<Handle>) {
    let current = match Handle::try_current() {
        Err(error) if error.is_thread_local_destroyed() => {
            return rollback.lose("its policy is `block`, which can't work while its thread ends");
        }
        current => current.ok(),
    };
    match (current, origin) {
        (Some(runtime), _) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => {
            blocking::in_place(rollback, &runtime);
        }
        (Some(_), _) => {
            rollback.lose("its policy is `block`, which can't work on a current-thread runtime");
        }
        (None, Some(runtime)) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => {
            blocking::from_outside(rollback, &runtime);
        }
        (None, _) => rollback
            .lose("its policy is `block`, which can't work outside of a multi-thread runtime"),
    }
}
