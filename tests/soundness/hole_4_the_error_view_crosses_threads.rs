//! An error that is `Send` and not `Sync`, looked at by several threads at once.

use contextlib::{Exit, async_context, yield_resource};
use contextlib_tests::{ContextError, Log};
use futures::executor::block_on;
use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Its `Debug` changes it, without any lock of its own.
#[derive(Default)]
struct Counts {
    formatted: Cell<usize>,
    text: RefCell<String>,
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.formatted.get();
        self.text.borrow_mut().push('x');
        self.formatted.set(before + 1);
        f.write_str("counted")
    }
}

impl From<ContextError> for Counts {
    fn from(_: ContextError) -> Self {
        Counts::default()
    }
}

const THREADS: usize = 3;
const TIMES: usize = 2000;

#[async_context(on_cancel = drop)]
async fn looked_at_by_many(log: &Log) -> Result<(), ContextError> {
    let exit = yield_resource!();
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                for _ in 0..TIMES {
                    assert_eq!(format!("{exit:?}"), "Failed(counted)");
                }
            });
        }
    });
    log.say("looked at");
    Ok(())
}

#[test]
fn its_debug_runs_on_one_thread_at_a_time() {
    let log = Log::new();
    let with =
        looked_at_by_many(&log).with(async |()| -> Result<(), Counts> { Err(Counts::default()) });
    let error = block_on(with).unwrap_err();
    assert_eq!(error.formatted.get(), THREADS * TIMES);
    assert_eq!(error.text.borrow().len(), THREADS * TIMES);
}

/// An error that can't leave its thread at all.
#[derive(Debug)]
struct Local(Rc<Cell<usize>>);
impl From<ContextError> for Local {
    fn from(_: ContextError) -> Self {
        unreachable!()
    }
}

#[test]
fn of_a_local_error_the_context_has_a_text() {
    #[async_context(on_cancel = drop)]
    async fn context(log: &Log) -> Result<(), ContextError> {
        let exit = yield_resource!();
        thread::scope(|scope| scope.spawn(|| log.say(format!("{exit:?}"))).join()).unwrap();
        let Exit::Failed(error) = exit else {
            unreachable!()
        };
        assert!(!error.is::<String>() && error.downcast_ref::<ContextError>().is_none());
        Ok(())
    }
    let log = Log::new();
    let rc = Rc::new(Cell::new(7));
    let with = context(&log).with_local(async |()| -> Result<(), Local> { Err(Local(rc.clone())) });
    let error = block_on(with).unwrap_err();
    assert!(Rc::ptr_eq(&error.0, &rc));
    assert_eq!(Rc::strong_count(&rc), 2);
    assert_eq!(log.lines(), ["Failed(Local(Cell { value: 7 }))"]);
}

#[test]
fn a_debug_that_panics_leaves_the_view_usable() {
    struct Once(AtomicUsize);
    impl fmt::Debug for Once {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            if self.0.fetch_add(1, Ordering::Relaxed) == 0 {
                panic!("the first time");
            }
            f.write_str("the second time")
        }
    }
    impl From<ContextError> for Once {
        fn from(_: ContextError) -> Self {
            unreachable!()
        }
    }
    #[async_context(on_cancel = drop)]
    async fn context(log: &Log) -> Result<(), ContextError> {
        let exit = yield_resource!();
        let first = thread::scope(|scope| scope.spawn(|| format!("{exit:?}")).join());
        assert!(first.is_err());
        log.say(format!("{exit:?}"));
        Ok(())
    }
    let log = Log::new();
    let with =
        context(&log).with(async |()| -> Result<(), Once> { Err(Once(AtomicUsize::new(0))) });
    assert!(block_on(with).is_err());
    assert_eq!(log.lines(), ["Failed(the second time)"]);
}
