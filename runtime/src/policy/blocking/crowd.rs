//! How many of a runtime's threads are blocked at once, and how many would be too many.

use std::{
    cell::Cell,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tokio::runtime::{Handle, Id};

/// The crowd of each runtime that has one.
static CROWDS: Mutex<Vec<Crowd>> = Mutex::new(Vec::new());

thread_local! {
    /// What this thread is blocked by.
    static BLOCKED: Cell<Option<Blocked>> = const { Cell::new(None) };
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Blocked {
    runtime: Id,
    by: By,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    /// A rollback, on one of the runtime's threads.
    One,
    /// A rollback that makes room: it has given up, and is being dropped.
    OneTooMany,
    /// A rollback on a thread that isn't the runtime's.
    Outsider,
}

/// The threads of a runtime that are blocked at once.
struct Crowd {
    runtime: Id,
    blocked: usize,
    /// With how many blocked threads the runtime still has one to run on. It is learned when there is one too many.
    most: usize,
    /// When the last rollback gave up.
    given_up: Option<Instant>,
}

/// One rollback that blocks its thread.
pub(super) struct InCrowd {
    runtime: Id,
    /// How many of the runtime's threads it blocks: none if it is inside another rollback, or on a thread that isn't the runtime's.
    threads: usize,
    is_outside: bool,
    /// What the thread was blocked by before.
    around: Option<Blocked>,
}

/// One more would leave the runtime without a thread to run on.
pub(super) struct Full;

impl InCrowd {
    /// A rollback on one of the runtime's threads, perhaps inside another one there.
    pub(super) fn join(runtime: Id) -> Result<Self, Full> {
        let around = BLOCKED.get().filter(|around| around.runtime == runtime);
        match around.map(|around| around.by) {
            None => {
                let mut crowds = lock();
                let crowd = of(&mut crowds, runtime);
                if crowd.blocked >= crowd.most {
                    return Err(Full);
                }
                crowd.blocked += 1;
                Ok(InCrowd::new(runtime, 1, By::One))
            }
            // The rollback around this one is being dropped for want of a thread. There is none for what it holds, either.
            Some(By::OneTooMany) => Err(Full),
            Some(by) => Ok(InCrowd::new(runtime, 0, by)),
        }
    }

    /// A rollback on a thread that isn't one of the runtime's.
    pub(super) fn outside(runtime: Id) -> Self {
        InCrowd::new(runtime, 0, By::Outsider)
    }

    fn new(runtime: Id, threads: usize, by: By) -> Self {
        InCrowd {
            runtime,
            threads,
            is_outside: by == By::Outsider,
            around: BLOCKED.replace(Some(Blocked { runtime, by })),
        }
    }

    /// Nothing has run on the runtime `since` then: whether this rollback is the one that gives up. One at a time does: its thread may be enough.
    //
    // Nobody does while fewer are blocked than there are workers, since then they aren't what holds up the runtime.
    pub(super) fn gives_up(&self, runtime: &Handle, since: Instant) -> bool {
        if self.is_outside {
            return false;
        }
        let workers = runtime.metrics().num_workers();
        let mut crowds = lock();
        let crowd = of(&mut crowds, self.runtime);
        let gives_up =
            crowd.blocked >= workers && crowd.given_up.is_none_or(|before| before < since);
        if gives_up {
            crowd.given_up = Some(Instant::now());
            crowd.most = crowd.blocked - 1;
            BLOCKED.set(Some(Blocked {
                runtime: self.runtime,
                by: By::OneTooMany,
            }));
        }
        gives_up
    }
}

impl Drop for InCrowd {
    fn drop(&mut self) {
        BLOCKED.set(self.around);
        let mut crowds = lock();
        let crowd = of(&mut crowds, self.runtime);
        crowd.blocked -= self.threads;
        // What `most` was learned from may have changed: other work that took threads of the pool may be over. So it is forgotten when half of them are gone.
        if crowd.blocked <= crowd.most / 2 {
            crowd.most = usize::MAX;
        }
        crowds.retain(|crowd| crowd.blocked > 0);
    }
}

fn of(crowds: &mut Vec<Crowd>, runtime: Id) -> &mut Crowd {
    let known = crowds.iter().position(|crowd| crowd.runtime == runtime);
    let place = known.unwrap_or_else(|| {
        crowds.push(Crowd {
            runtime,
            blocked: 0,
            most: usize::MAX,
            given_up: None,
        });
        crowds.len() - 1
    });
    &mut crowds[place]
}

fn lock() -> MutexGuard<'static, Vec<Crowd>> {
    CROWDS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use tokio::runtime::{Builder, Runtime};

    fn two_workers() -> Runtime {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).build().unwrap()
    }

    fn join_elsewhere(runtime: Id) -> Result<InCrowd, Full> {
        let joined = thread::spawn(move || InCrowd::join(runtime));
        joined.join().unwrap()
    }

    fn leave_elsewhere(one: InCrowd) {
        thread::spawn(move || drop(one)).join().unwrap();
    }

    #[test]
    fn one_at_a_time_gives_up_and_no_more_join_then() {
        let runtime = two_workers();
        let id = runtime.handle().id();
        let join = || join_elsewhere(id);
        let gives_up = |one: &InCrowd, since| one.gives_up(runtime.handle(), since);
        let began = Instant::now();
        let one = join().ok().unwrap();
        assert!(!gives_up(&one, began), "there is another worker");
        let mut others = Vec::from_iter((1..5).map(|_| join().ok().unwrap()));
        assert!(gives_up(&one, began));
        assert!(!gives_up(&others[0], began), "one may be enough");
        assert!(join().is_err());
        leave_elsewhere(one);
        assert!(join().is_err(), "that would be as many again");
        // It wasn't enough.
        let other = others.pop().unwrap();
        assert!(gives_up(&other, Instant::now()));
        leave_elsewhere(other);
        assert!(join().is_err());
        // Another runtime has threads of its own.
        let other = join_elsewhere(two_workers().handle().id());
        leave_elsewhere(other.ok().unwrap());
        // Two are room for one, and for more where they were most of them.
        leave_elsewhere(others.pop().unwrap());
        leave_elsewhere(join().ok().unwrap());
        leave_elsewhere(others.pop().unwrap());
        others.extend((0..10).map(|_| join().ok().unwrap()));
        others.into_iter().for_each(leave_elsewhere);
    }

    #[test]
    fn an_outsider_takes_no_thread_and_need_not_give_up() {
        let runtime = two_workers();
        let id = runtime.handle().id();
        let outside = InCrowd::outside(id);
        let inside = InCrowd::join(id).ok().unwrap();
        let others = [(); 2].map(|()| join_elsewhere(id).ok().unwrap());
        for one in [&inside, &outside] {
            assert!(!one.gives_up(runtime.handle(), Instant::now()));
        }
        assert!(others[0].gives_up(runtime.handle(), Instant::now()));
        drop(inside);
        drop(outside);
        assert_eq!(BLOCKED.get(), None);
        others.into_iter().for_each(leave_elsewhere);
    }

    #[test]
    fn what_is_inside_of_another_takes_no_thread() {
        let runtime = two_workers();
        let id = runtime.handle().id();
        let other = join_elsewhere(id).ok().unwrap();
        let outer = InCrowd::join(id).ok().unwrap();
        drop(InCrowd::join(id).ok().unwrap());
        thread::scope(|scope| {
            let too_many = scope.spawn(|| {
                let one = InCrowd::join(id).ok().unwrap();
                assert!(one.gives_up(runtime.handle(), Instant::now()));
                assert!(InCrowd::join(id).is_err(), "what it has dropped");
                one
            });
            let too_many = too_many.join().unwrap();
            assert!(join_elsewhere(id).is_err(), "it is still there");
            drop(InCrowd::join(id).ok().unwrap());
            leave_elsewhere(too_many);
        });
        let inner = InCrowd::join(id).ok().unwrap();
        assert!(inner.gives_up(runtime.handle(), Instant::now()));
        assert!(InCrowd::join(id).is_err(), "what that one has dropped");
        drop(inner);
        drop(InCrowd::join(id).ok().unwrap());
        drop(outer);
        assert_eq!(BLOCKED.get(), None);
        leave_elsewhere(other);
        assert!(lock().iter().all(|crowd| crowd.runtime != id));
    }
}
