//! A report hook for one runtime.

use crate::{Broken, How, alone, ends, run};
use contextlib::{
    background::drain, report::RuntimeHook, set_report_hook, set_runtime_report_hook,
};
use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    thread,
};

/// What comes to a hook of this runtime.
fn listen() -> (RuntimeHook, Receiver<String>) {
    let (say, said) = channel();
    let hook = set_runtime_report_hook(move |report| {
        let _ = say.send(format!("{}", report.failure));
    });
    (hook, said)
}

fn taken(said: &Receiver<String>) -> Vec<String> {
    said.try_iter().collect()
}

/// A hook of the process that says which thread a report was made on, by name.
fn listen_everywhere() -> Arc<Mutex<Vec<String>>> {
    let said = Arc::<Mutex<Vec<String>>>::default();
    let heard = said.clone();
    set_report_hook(move |report| heard.lock().unwrap().push(format!("{}", report.failure)));
    said
}

async fn roll_back() {
    drop(ends(How::Failing).enter().await.unwrap());
    drain().await;
}

const ROLLED_BACK: [&str; 2] = ["was dropped without `exit`", "failed: Broken(\"teardown\")"];

#[test]
fn each_runtime_has_its_own() {
    let _turn = alone();
    let everywhere = listen_everywhere();
    let other = thread::spawn(|| {
        run(async {
            let (_hook, said) = listen();
            roll_back().await;
            taken(&said)
        })
    });
    let here = run(async {
        let (_hook, said) = listen();
        let both = ends(How::Failing).with(async |_| Err::<(), _>(Broken("body")));
        assert_eq!(both.await, Err(Broken("body")));
        taken(&said)
    });
    assert_eq!(here, ["failed: Broken(\"teardown\")"]);
    assert_eq!(other.join().unwrap(), ROLLED_BACK);
    assert_eq!(everywhere.lock().unwrap().len(), 0);
}

#[test]
fn on_every_thread_of_it() {
    let _turn = alone();
    let everywhere = listen_everywhere();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let said = runtime.block_on(async {
        let (_hook, said) = listen();
        tokio::spawn(roll_back()).await.unwrap();
        taken(&said)
    });
    assert_eq!(said, ROLLED_BACK);
    assert_eq!(everywhere.lock().unwrap().len(), 0);
}

#[test]
fn the_newest_one_until_it_is_dropped() {
    let _turn = alone();
    let everywhere = listen_everywhere();
    run(async {
        let (outer, heard_by_outer) = listen();
        let (inner, heard_by_inner) = listen();
        roll_back().await;
        assert_eq!(taken(&heard_by_inner), ROLLED_BACK);
        drop(inner);
        roll_back().await;
        assert_eq!(taken(&heard_by_outer), ROLLED_BACK);
        let (another, heard_by_another) = listen();
        drop(outer);
        roll_back().await;
        assert_eq!(taken(&heard_by_another), ROLLED_BACK);
        drop(another);
        assert_eq!(everywhere.lock().unwrap().len(), 0);
        roll_back().await;
        assert_eq!(*everywhere.lock().unwrap(), ROLLED_BACK);
        assert_eq!(taken(&heard_by_outer), [""; 0]);
        assert_eq!(taken(&heard_by_another), [""; 0]);
    });
}

/// A guard that a plain thread drops is reported there; its rollback on the runtime.
#[test]
fn off_the_runtime_it_is_the_one_of_the_process() {
    let _turn = alone();
    let everywhere = listen_everywhere();
    run(async {
        let (_hook, said) = listen();
        let guard = ends(How::Failing).enter().await.unwrap();
        thread::spawn(move || drop(guard)).join().unwrap();
        drain().await;
        assert_eq!(taken(&said), ROLLED_BACK[1..]);
        assert_eq!(*everywhere.lock().unwrap(), ROLLED_BACK[..1]);
    });
}

/// What a hook owns may set hooks, and drop them, when it is called and when it is dropped.
#[test]
fn a_hook_that_sets_others() {
    struct Sets(Option<RuntimeHook>);
    impl Drop for Sets {
        fn drop(&mut self) {
            drop(self.0.take());
            drop(set_runtime_report_hook(|_| {}));
        }
    }
    let _turn = alone();
    run(async {
        let inner = Mutex::new(Sets(Some(set_runtime_report_hook(|_| {}))));
        let hook = set_runtime_report_hook(move |_| {
            inner.lock().unwrap().0 = Some(set_runtime_report_hook(|_| {}));
        });
        roll_back().await;
        drop(hook);
        let (_hook, said) = listen();
        roll_back().await;
        assert_eq!(taken(&said), ROLLED_BACK);
    });
}

#[test]
fn outside_of_a_runtime_there_is_none() {
    let panicked = thread::spawn(|| drop(set_runtime_report_hook(|_| {}))).join();
    assert!(panicked.is_err());
}
