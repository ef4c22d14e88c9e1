//! Runtimes whose threads are blocked.

use contextlib_tests::Log;
use std::{
    io::{Write, stderr},
    process::exit,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};
use tokio::{runtime::Runtime, task::yield_now};

/// `test` is over soon, on a thread of its own.
pub(crate) fn in_time(test: impl FnOnce() + Send + 'static) {
    let (over, wait) = mpsc::channel::<()>();
    let test = thread::spawn(move || {
        let _over = over;
        test();
    });
    if wait.recv_timeout(Duration::from_secs(30)) == Err(RecvTimeoutError::Timeout) {
        // What hangs stays pending, which other tests would wait for.
        let _ = writeln!(stderr(), "`block` hangs: {:?}", thread::current().name());
        exit(1);
    }
    test.join().unwrap();
}

pub(crate) fn wait_for(runtime: &Runtime, log: &Log, said: &str, times: usize) {
    runtime.block_on(async {
        while log.count(said) < times {
            yield_now().await;
        }
    });
}
