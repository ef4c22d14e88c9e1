//! Many entries: a small thread's stack is enough, and time grows with their number only.

use crate::shared::Numbered;
use contextlib::{ExitStack, async_context, background, yield_resource};
use contextlib_tests::yields;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::runtime::{Builder, Runtime};

const MANY: usize = 100_000;

/// Knows whether entries are exited in reverse.
#[derive(Clone)]
struct Counter(Arc<AtomicUsize>);

impl Counter {
    fn new() -> Self {
        Counter(Arc::new(AtomicUsize::new(0)))
    }

    fn up(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst)
    }

    #[track_caller]
    fn down(&self, number: usize) {
        assert_eq!(self.0.fetch_sub(1, Ordering::SeqCst), number + 1);
    }

    fn open(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[async_context]
async fn counted(counter: Counter, waits: usize) -> usize {
    let mut number = counter.up();
    let _ = yield_resource!(number);
    yields(waits).await;
    counter.down(number);
}

/// Contexts, callbacks and exits, `many` in all.
async fn filled(counter: &Counter, many: usize, waits: usize) -> ExitStack<'static, Numbered> {
    let stack = ExitStack::new();
    for at in 0..many {
        match at % 4 {
            0 | 1 => {
                stack
                    .enter(counted(counter.clone(), waits))
                    .await
                    .expect("it can't fail");
            }
            2 => {
                let (counter, number) = (counter.clone(), counter.up());
                stack.callback(move || counter.down(number));
            }
            _ => {
                let (counter, number) = (counter.clone(), counter.up());
                stack.push(async move |_| {
                    yields(waits).await;
                    counter.down(number);
                });
            }
        }
    }
    stack
}

/// Runs `test` in a thread with a stack of 64 KiB, off a runtime, on which its rollbacks run in such threads too.
fn in_a_small_thread<F: Future<Output = ()> + Send + 'static>(test: F) {
    let runtime = small_runtime();
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .stack_size(64 * 1024)
        .spawn(move || {
            let _on = handle.enter();
            futures::executor::block_on(test);
        })
        .expect("a thread")
        .join()
        .expect("it went well");
}

fn small_runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(64 * 1024)
        .build()
        .expect("a runtime")
}

#[test]
fn many_entries_are_exited_on_a_small_stack() {
    in_a_small_thread(async {
        for waits in [0, 1] {
            let counter = Counter::new();
            let stack = filled(&counter, MANY, waits).await;
            assert_eq!((stack.len(), counter.open()), (MANY, MANY));
            stack.exit().await.expect("nothing fails");
            assert_eq!(counter.open(), 0);
        }
    });
}

#[test]
fn many_entries_are_dropped_on_a_small_stack() {
    in_a_small_thread(async {
        let counter = Counter::new();
        let stack = filled(&counter, MANY, 1).await;
        drop(stack);
        background::drain().await;
        assert_eq!(counter.open(), 0);
    });
}

#[test]
fn an_exit_that_is_dropped_half_way_leaves_many_entries() {
    in_a_small_thread(async {
        let counter = Counter::new();
        let stack = filled(&counter, MANY, 1).await;
        let mut exit = Box::pin(stack.exit());
        for _ in 0..1_001 {
            assert!(contextlib_tests::poll_once(exit.as_mut()).is_pending());
        }
        assert!((1..MANY).contains(&counter.open()));
        drop(exit);
        background::drain().await;
        assert_eq!(counter.open(), 0);
    });
}

/// Each callback adds the next one, while the stack is unwound.
#[test]
fn a_chain_of_callbacks_is_no_recursion() {
    fn add(stack: &ExitStack<'static, Numbered>, counter: Arc<AtomicUsize>, left: usize) {
        stack.callback_with(move |stack| {
            counter.fetch_add(1, Ordering::SeqCst);
            if left > 1 {
                add(stack, counter, left - 1);
            }
        });
    }
    in_a_small_thread(async {
        let counter = Arc::new(AtomicUsize::new(0));
        let stack = ExitStack::new();
        add(&stack, counter.clone(), MANY);
        stack.exit().await.expect("nothing fails");
        assert_eq!(counter.swap(0, Ordering::SeqCst), MANY);

        let stack = ExitStack::new();
        add(&stack, counter.clone(), MANY / 10);
        drop(stack);
        background::drain().await;
        assert_eq!(counter.load(Ordering::SeqCst), MANY / 10);
    });
}

/// Twenty times as many take twenty times as long, not four hundred; the machine may be busy, so that only something in between is asked for, and once in
/// ten times.
#[test]
fn rollbacks_take_linear_time() {
    let runtime = small_runtime();
    let rolled_back = |many: usize| {
        runtime.block_on(async {
            let counter = Counter::new();
            let stack = filled(&counter, many, 0).await;
            let start = Instant::now();
            drop(stack);
            background::drain().await;
            start.elapsed()
        })
    };
    let mut took: Vec<(Duration, Duration)> = Vec::new();
    while took.iter().all(|(few, many)| *many >= *few * 150) {
        assert!(took.len() < 10, "few, and twenty times as many: {took:?}");
        took.push((rolled_back(MANY / 100), rolled_back(MANY / 5)));
    }
}
