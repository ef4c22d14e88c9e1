//! Guards that have left the `with` they were entered in, as that of a connection that is opened with a time limit: they count as entered in what is around that.

mod anywhere;
mod apart;
mod bodies;
mod dropped_contexts;
mod rollbacks;

use crate::shared::{Broken, Inner, Log, gated, giving_back, quick, slow};
use contextlib::{
    BoxContextManager, ExitStack, async_context,
    background::{drain, lane},
    null_context, within, yield_resource,
};
use std::{future::pending, sync::Arc, thread, time::Duration};
use tokio::{sync::Semaphore, task::yield_now, time::timeout};

/// How something is entered and handed on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Opened {
    Plainly,
    InAWith,
    InTwo,
    Within,
    OnAStack,
}

pub(super) const OPENED: [Opened; 5] = [
    Opened::Plainly,
    Opened::InAWith,
    Opened::InTwo,
    Opened::Within,
    Opened::OnAStack,
];

pub(super) type Opening = BoxContextManager<'static, (), Broken>;

/// Whatever keeps what was entered.
pub(super) type Kept = Box<dyn Send>;

pub(super) async fn enter(context: Opening) -> Inner {
    context.enter().await.unwrap()
}

pub(super) async fn open(opened: Opened, context: Opening) -> Kept {
    match opened {
        Opened::OnAStack => {
            let stack = ExitStack::scope(async |stack| -> Result<_, Broken> {
                let _: &mut () = stack.enter(context).await?;
                Ok(stack.pop_all())
            });
            Box::new(stack.await.unwrap())
        }
        _ => Box::new(open_guard(opened, context).await),
    }
}

pub(super) async fn open_guard(opened: Opened, context: Opening) -> Inner {
    match opened {
        Opened::Plainly => enter(context).await,
        Opened::InAWith => null_context(()).run(async |_| enter(context).await).await,
        Opened::InTwo => {
            let inner =
                async |_: &mut ()| null_context(()).run(async |_| enter(context).await).await;
            null_context(()).run(inner).await
        }
        Opened::Within => decorated(context).await,
        Opened::OnAStack => unreachable!("that is no guard"),
    }
}

#[within(null_context(()))]
async fn decorated(context: Opening) -> Inner {
    enter(context).await
}

pub(super) fn outer(log: &Log) -> Opening {
    quick(log.clone(), "outer").boxed()
}

pub(super) fn inner(log: &Log) -> Opening {
    slow(log.clone(), "inner").boxed()
}

/// Where the two are dropped, the outer one first or last.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dropped {
    Here,
    InATask,
    InAWith,
    EachInAWith,
    InALane,
    InATeardown,
    InARollback,
    OnAThread,
    WithATask,
}

pub(super) const DROPPED: [Dropped; 9] = [
    Dropped::Here,
    Dropped::InATask,
    Dropped::InAWith,
    Dropped::EachInAWith,
    Dropped::InALane,
    Dropped::InATeardown,
    Dropped::InARollback,
    Dropped::OnAThread,
    Dropped::WithATask,
];

#[async_context]
async fn keeps(kept: (Kept, Kept)) -> Result<(), Broken> {
    let _ = yield_resource!();
    drop(kept);
}

pub(super) async fn drop_them(dropped: Dropped, kept: (Kept, Kept)) {
    match dropped {
        Dropped::Here => drop(kept),
        Dropped::InATask => tokio::spawn(async { drop(kept) }).await.unwrap(),
        Dropped::InAWith => null_context(()).run(async |_| drop(kept)).await,
        Dropped::EachInAWith => {
            null_context(()).run(async |_| drop(kept.0)).await;
            null_context(()).run(async |_| drop(kept.1)).await;
        }
        Dropped::InALane => lane(async { drop(kept) }).await,
        Dropped::InATeardown => {
            let body = async |_: &mut ()| -> Result<(), Broken> { Ok(()) };
            keeps(kept).with(body).await.unwrap();
        }
        Dropped::InARollback => drop(keeps(kept).enter().await.unwrap()),
        Dropped::OnAThread => thread::spawn(|| drop(kept)).join().unwrap(),
        Dropped::WithATask => {
            let task = tokio::spawn(async {
                let _kept = kept;
                pending::<()>().await;
            });
            yield_now().await;
            task.abort();
            assert!(task.await.is_err());
        }
    }
}

/// The one that was entered first gives back what the other one's teardown needs: a dead-lock, if it waited for that.
pub(super) fn giving_and_needing(log: &Log) -> (Opening, Opening) {
    let permits = Arc::new(Semaphore::new(1));
    let permit = permits.clone().try_acquire_owned().unwrap();
    let giving = giving_back(log.clone(), permit).boxed();
    let needing = gated(log.clone(), "needing", permits).boxed();
    (giving, needing)
}

pub(super) async fn are_apart(log: &Log) {
    let drained = timeout(Duration::from_secs(9), drain()).await;
    drained.expect("a dead-lock");
    let said = log.said();
    assert!(said.contains("-giving, "), "{said}");
    assert!(said.ends_with("-needing"), "{said}");
}

/// Is set up a moment later, and takes so many turns for its teardown.
#[async_context]
pub(super) async fn late(log: Log, name: &'static str, turns: u32) -> Result<(), Broken> {
    yield_now().await;
    log.say(format_args!("+{name}"));
    let exit = yield_resource!();
    for _ in 0..turns {
        yield_now().await;
    }
    log.say(format_args!("-{name} {exit:?}"));
}
