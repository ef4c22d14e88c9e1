//! The contexts: one for each policy. What their setups and teardowns do is the workload's affair.

use crate::record::{Id, Moment, Style, What, World};
use contextlib::{
    AsyncContext, BoxContextManager, IntoContextManager, async_context, contexts::Elapsed, policy,
    yield_resource,
};
use contextlib_tests::{Dice, Reports};
use futures::{
    executor::block_on,
    future::{Either, select},
};
use std::{
    cell::Cell,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    task::Poll,
    thread,
};
use tokio::runtime::Handle;

/// What fails here.
#[derive(Debug)]
pub(crate) struct Failed;

impl From<Elapsed> for Failed {
    fn from(_: Elapsed) -> Self {
        Failed
    }
}

/// The payload of the panics here.
pub(crate) struct Planned;

/// Not by the panic hook, which would print thousands of them.
pub(crate) fn panic_as_planned() -> ! {
    resume_unwind(Box::new(Planned))
}

/// Something to be done. Nothing is, before it is polled.
pub(crate) type Work = Pin<Box<dyn Future<Output = Result<(), Failed>> + Send>>;

/// A context's policy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Default,
    Spawn,
    Finish,
    Local,
    Block,
    Drop,
    OnThread,
}

impl Policy {
    /// Any of them but two; one that blocks only if `blocks`.
    pub(crate) fn any(dice: &mut Dice, blocks: bool) -> Self {
        match dice.below(10) {
            0..4 => Policy::Spawn,
            4 | 5 => Policy::Finish,
            6 if blocks => Policy::Block,
            7 => Policy::Drop,
            _ => Policy::Default,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Policy::Default => "plain",
            Policy::Spawn => "spawned",
            Policy::Finish => "finishing",
            Policy::Local => "local",
            Policy::Block => "blocking",
            Policy::Drop => "dropped",
            Policy::OnThread => "on a thread",
        }
    }
}

/// A policy of one's own: rolls back on a thread, which is no task's.
pub(crate) struct OnThread;

impl<C> policy::Policy<C> for OnThread
where
    C: AsyncContext<Resource: Send> + Send + 'static,
{
    type Storage = policy::Boxed<C>;
    type Origin = Option<Handle>;

    fn origin() -> Option<Handle> {
        Handle::try_current().ok()
    }

    fn rollback(rollback: policy::Rollback<C>, runtime: Option<Handle>) {
        thread::spawn(move || {
            let _inside = runtime.as_ref().map(Handle::enter);
            block_on(rollback);
        });
    }
}

/// What a context is made from. It lives in the context's frame, from before the setup to the end, and records what happens there.
pub(crate) struct Life {
    world: World,
    id: Id,
    policy: Policy,
    is_boxed: bool,
    has_begun: bool,
    is_set_up: bool,
    setup: Option<Work>,
    teardown: Option<Work>,
}

impl Life {
    /// A context that is going to be entered, inside `inside`.
    pub(crate) fn new(world: &World, policy: Policy, style: Style, inside: Option<Id>) -> Self {
        let id = world.context(policy, style, inside);
        Life {
            world: world.clone(),
            id,
            policy,
            is_boxed: false,
            has_begun: false,
            is_set_up: false,
            setup: None,
            teardown: None,
        }
    }

    /// What its setup and its teardown do.
    pub(crate) fn does(mut self, setup: Work, teardown: Work) -> Self {
        self.setup = Some(setup);
        self.teardown = Some(teardown);
        self
    }

    /// Hides its type, or doesn't.
    pub(crate) fn boxed(mut self, is_boxed: bool) -> Self {
        self.is_boxed = is_boxed;
        self
    }

    pub(crate) fn id(&self) -> Id {
        self.id
    }

    pub(crate) fn policy(&self) -> Policy {
        self.policy
    }

    /// Whether its type is hidden.
    pub(crate) fn is_boxed(&self) -> bool {
        self.is_boxed
    }

    async fn set_up(&mut self) -> Result<(), Failed> {
        self.has_begun = true;
        self.world.note(self.id, What::Entered);
        let ended = carry_out(&mut self.setup, None).await;
        self.is_set_up = matches!(ended, Ok(Ok(())));
        let what = match self.is_set_up {
            true => What::SetUp,
            false => What::SetupFails,
        };
        self.world.note(self.id, what);
        ended.unwrap_or_else(|payload| resume_unwind(payload))
    }

    async fn tear_down(&mut self) -> Result<(), Failed> {
        let entered = self.world.begin_teardown(self.id, INSIDE.get());
        let ended = carry_out(&mut self.teardown, Some(entered)).await;
        self.world.note(self.id, What::TeardownEnds);
        ended.unwrap_or_else(|payload| resume_unwind(payload))
    }
}

thread_local! {
    /// When the contexts were entered whose teardowns this thread is polling, each inside the one before: the last of these moments.
    static INSIDE: Cell<Option<Moment>> = const { Cell::new(None) };
}

/// Polls it `inside` of a teardown.
async fn carry_out(
    work: &mut Option<Work>,
    inside: Option<Moment>,
) -> thread::Result<Result<(), Failed>> {
    let Some(work) = work else {
        return Ok(Ok(()));
    };
    let work = poll_fn(|cx| {
        let polled = within(inside, || {
            catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)))
        });
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(ended)) => Poll::Ready(Ok(ended)),
            Err(payload) => Poll::Ready(Err(payload)),
        }
    });
    work.await
}

/// Runs `run` in the teardown of a context that was entered then.
fn within<R>(entered: Option<Moment>, run: impl FnOnce() -> R) -> R {
    let around = INSIDE.get();
    INSIDE.set(around.max(entered));
    let ran = run();
    INSIDE.set(around);
    ran
}

impl Drop for Life {
    fn drop(&mut self) {
        // What they hold belongs to the frame, and is dropped in a rollback if that is lost.
        within(Some(self.world.order(self.id)), || {
            self.setup = None;
            self.teardown = None;
        });
        if self.has_begun {
            self.world.note(self.id, What::Over);
        }
    }
}

macro_rules! context {
    ($name:ident $(, $($attribute:tt)*)?) => {
        #[async_context($($($attribute)*)?)]
        pub(crate) async fn $name(mut life: Life) -> Result<Id, Failed> {
            life.set_up().await?;
            let mut id = life.id;
            let _ = yield_resource!(id);
            life.tear_down().await?;
        }
    };
}

context!(plain);
context!(spawned, on_cancel = spawn);
context!(finishing, on_cancel = spawn, setup = finish);
context!(local, on_cancel = spawn_local);
context!(blocking, on_cancel = block);
context!(dropped, on_cancel = drop);
context!(on_thread, on_cancel = OnThread);

/// Drops its body when its patience is over. Its yield point is within a part of it.
#[async_context]
pub(crate) async fn impatient(mut life: Life, part: Life, patience: Work) -> Result<(), Failed> {
    let within = plain(part).with(async |_| -> Result<(), Failed> {
        life.set_up().await?;
        let body = async { yield_resource!(move ()).1.kind() };
        match select(Box::pin(body), patience).await {
            Either::Left(_) => Ok(()),
            Either::Right(_) => {
                life.world.note(life.id, What::BodyDropped);
                Err(Failed)
            }
        }
    });
    let ended = within.await;
    if life.is_set_up {
        life.tear_down().await?;
    }
    ended?;
}

/// Has `$context` be this life's in `$use`, whatever its type is.
macro_rules! with_context {
    ($life:expr, |$context:ident| $use:expr) => {{
        let life = $life;
        if life.is_boxed() {
            let $context = $crate::contexts::boxed(life);
            $use
        } else {
            $crate::contexts::with_unboxed!(life, |$context| $use)
        }
    }};
}
pub(crate) use with_context;

macro_rules! with_unboxed {
    ($life:expr, |$context:ident| $use:expr) => {{
        let life = $life;
        match life.policy() {
            $crate::contexts::Policy::Default => {
                let $context = $crate::contexts::plain(life);
                $use
            }
            $crate::contexts::Policy::Spawn => {
                let $context = $crate::contexts::spawned(life);
                $use
            }
            $crate::contexts::Policy::Finish => {
                let $context = $crate::contexts::finishing(life);
                $use
            }
            $crate::contexts::Policy::Local => {
                let $context = $crate::contexts::local(life);
                $use
            }
            $crate::contexts::Policy::Block => {
                let $context = $crate::contexts::blocking(life);
                $use
            }
            $crate::contexts::Policy::Drop => {
                let $context = $crate::contexts::dropped(life);
                $use
            }
            $crate::contexts::Policy::OnThread => {
                let $context = $crate::contexts::on_thread(life);
                $use
            }
        }
    }};
}
pub(crate) use with_unboxed;

pub(crate) fn boxed(life: Life) -> BoxContextManager<'static, Id, Failed> {
    with_unboxed!(life, |context| context.boxed())
}

/// Runs a body within two in one frame.
pub(crate) async fn within_both(outer: Life, inner: Life, body: Work) -> Result<(), Failed> {
    let both = (spawned(outer), plain(inner)).into_context_manager();
    both.with(async |_| body.await).await
}

/// The guard of two in one frame: the future of its exit.
pub(crate) async fn enter_both(outer: Life, inner: Life) -> Result<Work, Failed> {
    let both = (spawned(outer), plain(inner)).err_into::<Failed>();
    let guard = both.enter().await?;
    Ok(Box::pin(async move { guard.exit().await }))
}

/// What is reported of them.
pub(crate) fn reports() -> Reports {
    Reports::keep()
}

/// Enters a context: here, or in a `with` that is over then, as where that takes a time limit. What is left of it is here.
macro_rules! entered {
    ($context:expr, $in_a_with:expr) => {
        match $in_a_with {
            true => {
                let around = contextlib::null_context(());
                around.with_local(async |_| $context.enter().await).await
            }
            false => $context.enter().await,
        }
    };
}
pub(crate) use entered;
