//! What tasks hand over to each other.

use crate::{
    contexts::{Failed, Life, Work, with_context},
    record::{Id, What, World},
};
use contextlib::ExitStack;
use contextlib_tests::Dice;
use futures::future::join;
use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard},
    task::Poll,
};
use tokio::task::yield_now;

/// Things that some task has put here, for any task to take.
#[derive(Clone, Default)]
pub(crate) struct Pool(Arc<Mutex<Vec<Item>>>);

/// More than these aren't kept.
const ROOM: usize = 24;

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Vec<Item>> {
        self.0.lock().expect("nothing panics with it locked")
    }

    /// Hands it over. What there is no room for then is dropped, inside `here`.
    pub(crate) fn put(&self, item: Item, here: Option<Id>) {
        item.hand_over();
        let dropped = {
            let mut items = self.lock();
            items.push(item);
            (items.len() > ROOM).then(|| items.swap_remove(0))
        };
        if let Some(item) = dropped {
            item.drop_in(here);
        }
    }

    /// Any of them: which one, is up to the order in which tasks have put them here.
    pub(crate) fn take(&self, dice: &mut Dice) -> Option<Item> {
        let mut items = self.lock();
        if items.is_empty() {
            return None;
        }
        let which = dice.below(items.len() as u64) as usize;
        Some(items.swap_remove(which))
    }

    /// Drops all that is here.
    pub(crate) fn clear(&self) {
        let items = mem::take(&mut *self.lock());
        drop(items);
    }
}

/// Something that owns contexts.
pub(crate) enum Item {
    /// A guard: the future of its exit, which hasn't begun.
    Guard(Owned<Work>),
    Stack(Owned<ExitStack<'static, Failed>>),
    /// What has begun in one task, and goes on in others; the region that it is, if it is one.
    Future(Owned<Work>),
}

impl Item {
    fn hand_over(&self) {
        match self {
            Item::Guard(future) | Item::Future(future) => future.hand_over(),
            Item::Stack(stack) => stack.hand_over(),
        }
    }

    /// Drops it inside `here`.
    pub(crate) fn drop_in(self, here: Option<Id>) {
        self.leaves_in(here);
    }

    fn leaves_in(&self, here: Option<Id>) {
        match self {
            Item::Guard(future) | Item::Future(future) => future.left.leaves_in(here),
            Item::Stack(stack) => stack.left.leaves_in(here),
        }
    }

    /// Exits it inside `here`; a future is polled a few times, and dropped.
    pub(crate) async fn exit_in(self, here: Option<Id>) -> Result<(), Failed> {
        self.leaves_in(here);
        match self {
            Item::Guard(guard) => guard.exit().await,
            Item::Stack(stack) => stack.exit().await,
            Item::Future(mut future) => {
                for _ in 0..3 {
                    if let Poll::Ready(ended) = futures::poll!(future.thing.as_mut()) {
                        return ended;
                    }
                    yield_now().await;
                }
                Ok(())
            }
        }
    }
}

/// What owns some contexts, and says when it lets go of them.
//
// Dropped in this order.
pub(crate) struct Owned<T> {
    leaving: Leaving,
    thing: T,
    left: Left,
}

impl<T> Owned<T> {
    pub(crate) fn new(world: &World, contexts: Vec<Id>, thing: T) -> Self {
        Owned {
            leaving: Leaving::new(world, contexts.clone()),
            thing,
            left: Left::new(world, contexts),
        }
    }

    /// It is about to be exited.
    fn leave(self) -> (Left, T) {
        (self.left, self.thing)
    }

    /// It isn't where it was any more.
    pub(crate) fn hand_over(&self) {
        for id in &self.left.contexts {
            self.left.world.note(*id, What::HandedOver);
        }
    }
}

impl Owned<Work> {
    pub(crate) async fn exit(self) -> Result<(), Failed> {
        let (_left, exit) = self.leave();
        exit.await
    }
}

impl Owned<ExitStack<'static, Failed>> {
    pub(crate) async fn exit(self) -> Result<(), Failed> {
        let (_left, stack) = self.leave();
        stack.exit().await
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Option<Id> {
        self.left.contexts.last().copied()
    }

    /// Enters another context.
    pub(crate) async fn enter(&mut self, life: Life) -> Result<(), Failed> {
        let marks = Mutex::new((&mut self.leaving, &mut self.left));
        enter(&self.thing, life, &marks).await
    }

    /// Enters two at once: the one whose setup is over first is the outer one.
    pub(crate) async fn enter_both(&mut self, one: Life, other: Life) -> Result<(), Failed> {
        let marks = Mutex::new((&mut self.leaving, &mut self.left));
        let enter = |life| enter(&self.thing, life, &marks);
        let (one, other) = join(enter(one), enter(other)).await;
        one.and(other)
    }

    /// Moves the entries to another stack.
    pub(crate) fn pop_all(mut self) -> Self {
        self.thing = self.thing.pop_all();
        self
    }

    /// Exits the entries, and keeps the stack.
    pub(crate) async fn close(self) -> Result<Self, Failed> {
        let (left, mut stack) = self.leave();
        stack.close().await?;
        Ok(Owned::new(&left.world, Vec::new(), stack))
    }
}

async fn enter(
    stack: &ExitStack<'static, Failed>,
    life: Life,
    marks: &Mutex<(&mut Leaving, &mut Left)>,
) -> Result<(), Failed> {
    let id = life.id();
    with_context!(life, |context| {
        stack.enter(context).await?;
    });
    let mut marks = marks.lock().expect("nothing panics with it locked");
    let (leaving, left) = &mut *marks;
    left.world.pushed(id, left.contexts.last().copied());
    leaving.add(id);
    left.contexts.push(id);
    Ok(())
}

/// Its drop says that an owner is about to let go of contexts.
pub(crate) struct Leaving {
    world: World,
    contexts: Vec<Id>,
}

impl Leaving {
    pub(crate) fn new(world: &World, contexts: Vec<Id>) -> Self {
        let world = world.clone();
        Leaving { world, contexts }
    }

    pub(crate) fn add(&mut self, context: Id) {
        self.contexts.push(context);
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        for id in &self.contexts {
            self.world.note(*id, What::Leaving);
        }
    }
}

/// Its drop says that an owner has let go of contexts.
pub(crate) struct Left {
    world: World,
    contexts: Vec<Id>,
}

impl Left {
    pub(crate) fn new(world: &World, contexts: Vec<Id>) -> Self {
        let world = world.clone();
        Left { world, contexts }
    }

    fn leaves_in(&self, here: Option<Id>) {
        for id in &self.contexts {
            self.world.leaves_in(*id, here);
        }
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        for id in &self.contexts {
            self.world.note(*id, What::Left);
        }
    }
}
