//! Runs what there is, by the schedule, and then to its end.

use super::{
    lock,
    plan::{Bytes, Plan},
    queue::polled_here,
    runs::run,
    say,
    world::{Planned, World},
};
use contextlib::background;
use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
    thread,
};

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Task {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    flag: Arc<Flag>,
    polled: bool,
}

pub(super) struct Executor {
    world: Arc<World>,
    /// What runs the tree, and the rollbacks.
    main: Option<Task>,
    rollbacks: Vec<Task>,
    /// Every waker's inside.
    flags: Vec<Arc<Flag>>,
    pub(super) dropped: usize,
}

impl Executor {
    pub(super) fn new(world: Arc<World>, plan: Arc<Plan>) -> Self {
        let running = run(world.clone(), plan);
        let main = Box::pin(background::lane(async move {
            let _ = running.await;
        }));
        let mut executor = Executor {
            world,
            main: None,
            rollbacks: Vec::new(),
            flags: Vec::new(),
            dropped: 0,
        };
        executor.main = Some(executor.task(main));
        executor
    }

    fn task(&mut self, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Task {
        let flag = Arc::<Flag>::default();
        self.flags.push(flag.clone());
        Task {
            future,
            flag,
            polled: false,
        }
    }

    /// Takes over what has been queued.
    fn collect(&mut self) {
        let queued = std::mem::take(&mut *lock(&self.world.rollbacks));
        for rollback in queued {
            let task = self.task(rollback);
            self.rollbacks.push(task);
        }
    }

    pub(super) fn step(&mut self, operation: u8, bytes: &mut Bytes<'_>) {
        say(|| format!("step {}", operation % 16));
        match operation % 16 {
            0..4 => self.poll_main(false, false),
            4 => self.poll_main(true, false),
            5 => self.poll_main(true, true),
            6..10 => self.open_a_gate(usize::from(bytes.below(8))),
            10 => self.wake_for_nothing(usize::from(bytes.below(8))),
            11 | 12 => self.poll_rollback(usize::from(bytes.below(8)), operation >= 128),
            13 => self.poll_all(),
            14 => self.drop_main(),
            _ => {
                if bytes.below(4) == 3 {
                    self.drop_rollback(usize::from(bytes.below(8)));
                } else {
                    self.poll_main(false, false);
                }
            }
        }
        self.collect();
    }

    fn poll_main(&mut self, other_waker: bool, other_thread: bool) {
        let Some(mut task) = self.main.take() else {
            return;
        };
        if !self.poll(&mut task, other_waker, other_thread) {
            self.main = Some(task);
        }
    }

    fn poll_rollback(&mut self, which: usize, other_waker: bool) {
        if self.rollbacks.is_empty() {
            return;
        }
        let at = which % self.rollbacks.len();
        let mut task = self.rollbacks.remove(at);
        if !self.poll(&mut task, other_waker, false) {
            self.rollbacks.insert(at, task);
        }
    }

    fn poll_all(&mut self) {
        self.poll_main(false, false);
        for which in (0..self.rollbacks.len()).rev() {
            self.poll_rollback(which, false);
        }
    }

    /// Polls a task; says whether it is over.
    fn poll(&mut self, task: &mut Task, other_waker: bool, other_thread: bool) -> bool {
        if other_waker {
            task.flag = Arc::default();
            self.flags.push(task.flag.clone());
        }
        task.polled = true;
        task.flag.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(task.flag.clone());
        let world = self.world.clone();
        let future = task.future.as_mut();
        let poll = || polled_here(world, || future.poll(&mut Context::from_waker(&waker)));
        let polled = match other_thread {
            false => poll(),
            true => thread::scope(|scope| scope.spawn(poll).join().expect("panics are caught")),
        };
        match polled {
            Ok(polled) => polled.is_ready(),
            Err(payload) => {
                assert!(payload.is::<Planned>(), "a panic that nobody planned");
                true
            }
        }
    }

    fn open_a_gate(&self, which: usize) {
        let mut gates = lock(&self.world.gates);
        if gates.is_empty() {
            return;
        }
        let which = which % gates.len();
        gates[which].open = true;
        let waker = gates[which].waker.take();
        drop(gates);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wake_for_nothing(&self, which: usize) {
        let gates = lock(&self.world.gates);
        if gates.is_empty() {
            return;
        }
        let waker = gates[which % gates.len()].waker.clone();
        drop(gates);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn drop_main(&mut self) {
        if let Some(task) = self.main.take() {
            let dropped = polled_here(self.world.clone(), || drop(task));
            assert!(dropped.is_ok(), "a destructor panics");
        }
    }

    fn drop_rollback(&mut self, which: usize) {
        if self.rollbacks.is_empty() {
            return;
        }
        let at = which % self.rollbacks.len();
        let task = self.rollbacks.remove(at);
        self.dropped += 1;
        let dropped = polled_here(self.world.clone(), || drop(task));
        assert!(dropped.is_ok(), "a destructor panics");
    }

    /// Runs everything to its end, polling only what has been woken, and opening a gate only when nothing has.
    pub(super) fn finish(&mut self) {
        let woken = |task: &Task| !task.polled || task.flag.0.load(Ordering::SeqCst);
        loop {
            self.collect();
            if self.main.as_ref().is_some_and(woken) {
                self.poll_main(false, false);
            } else if let Some(which) = self.rollbacks.iter().position(woken) {
                self.poll_rollback(which, false);
            } else if self.main.is_none() && self.rollbacks.is_empty() {
                return;
            } else {
                let shut = lock(&self.world.gates).iter().position(|gate| !gate.open);
                let Some(shut) = shut else {
                    panic!(
                        "a wake was lost: {} rollbacks wait, and nothing comes",
                        self.rollbacks.len()
                    );
                };
                self.open_a_gate(shut);
            }
        }
    }

    pub(super) fn assert_no_waker_left(&self) {
        for flag in &self.flags {
            assert_eq!(Arc::strong_count(flag), 1, "a waker is left behind");
        }
    }
}
