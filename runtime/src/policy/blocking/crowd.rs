//! How many threads of a runtime are blocked at once, and how many would be too many.

use std::{
    cell::Cell,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tokio::runtime::{Handle, Id};

/// Those of the runtimes that have any.
static CROWDS: Mutex<Vec<Crowd>> = Mutex::new(Vec::new());

thread_local! {
    /// By what this thread is blocked.
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
    /// One that makes room, and is only to be dropped yet.
    OneTooMany,
    /// A rollback on a thread that the runtime doesn't miss.
    Outsider,
}

struct Crowd {
    runtime: Id,
    blocked: usize,
    /// With how many of them the runtime still has a thread to run on: learned from one too many.
    most: usize,
    /// When one gave up last.
    given_up: Option<Instant>,
}

/// One rollback that blocks its thread.
pub(super) struct InCrowd {
    runtime: Id,
    /// How many threads it blocks: none if it is inside of another one, or outside of the runtime.
    threads: usize,
    is_outside: bool,
    /// By what the thread was blocked before.
    around: Option<Blocked>,
}

/// It would leave the runtime without a thread to run on.
pub(super) struct Full;

impl InCrowd {
    /// On one of the runtime's threads, or inside of another one.
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
            // What it holds has no thread either.
            Some(By::OneTooMany) => Err(Full),
            Some(by) => Ok(InCrowd::new(runtime, 0, by)),
        }
    }

    /// On a thread that isn't one of the runtime's.
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

    /// Whether it is this one that gives up, of those that have seen ever `since` that nothing runs on the runtime. One at a time: its thread may be enough.
    //
    // Fewer than the workers can't hold all of them up.
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
        // Some of the threads may have been something else's, and be free again.
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
