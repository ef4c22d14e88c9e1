//! The contexts that come with the library, where Python has no test for them. The others are in `conformance/`.

use contextlib::{
    Exit, IntoContextManager, async_context, async_with, background,
    contexts::{
        Timeout, closing_with, from_fn, move_on_after, null_context, suppress, suppress_if, timeout,
    },
    kind::Never,
    yield_resource,
};
use std::{
    fmt, io,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

type Log = Arc<Mutex<Vec<String>>>;

fn lines(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn from_fn_is_told_the_exit() {
    let log = Log::default();
    let context = || {
        let log = log.clone();
        from_fn(
            async || -> Result<String, io::Error> { Ok(String::from("resource")) },
            async move |resource: String, exit: Exit<'_>| {
                let how = format!("{resource} {exit:?}");
                tokio::task::yield_now().await;
                log.lock().unwrap().push(how);
                match exit.is_completed() {
                    true => Err(io::Error::other("teardown")),
                    false => Ok(()),
                }
            },
        )
    };
    let local = 1;
    let failed = context()
        .with(async |resource| -> Result<(), io::Error> {
            tokio::task::yield_now().await;
            resource.push('!');
            assert_eq!(local, 1);
            Ok(())
        })
        .await;
    assert_eq!(failed.unwrap_err().to_string(), "teardown");
    let failed = context()
        .with(async |_| -> Result<(), io::Error> { Err(io::Error::other("body")) })
        .await;
    assert_eq!(failed.unwrap_err().to_string(), "body");
    let task = context();
    tokio::spawn(async move { drop(task.enter().await.unwrap()) })
        .await
        .unwrap();
    background::drain().await;
    let lines = lines(&log);
    assert_eq!(lines[0], "resource! Completed");
    assert!(lines[1].starts_with("resource Failed("), "{}", lines[1]);
    assert_eq!(lines[2..], ["resource Cancelled"]);
}

#[tokio::test]
async fn closing_a_cancelled_body() {
    let log = Log::default();
    let sink = log.clone();
    let closed = closing_with(7, async move |number| -> Result<(), Never> {
        tokio::task::yield_now().await;
        sink.lock().unwrap().push(format!("closed {number}"));
        Ok(())
    });
    drop(closed.enter().await);
    background::drain().await;
    assert_eq!(lines(&log), ["closed 7"]);
}

/// What a closing that can't fail is in comes to a plain value; one that can, to a `Result`.
#[tokio::test]
async fn closing_that_can_fail_and_that_cannot() {
    let log = Log::default();
    let sink = log.clone();
    let closed = closing_with(7, async move |number| {
        sink.lock().unwrap().push(format!("closed {number}"));
    });
    assert_eq!(closed.run(async |number| *number + 1).await, 8);
    assert_eq!(lines(&log), ["closed 7"]);
    let fails = closing_with(7, async |_| Err::<(), _>(io::Error::other("stuck")));
    let failed = fails.with(async |number| io::Result::Ok(*number)).await;
    assert_eq!(failed.unwrap_err().to_string(), "stuck");
}

#[derive(Debug, PartialEq)]
enum App {
    Missing(&'static str),
    Other,
}

#[tokio::test]
async fn what_is_suppressed() {
    let run = async |error: App| {
        suppress_if(|error: &App| matches!(error, App::Missing(_)))
            .with(async |()| -> Result<u8, App> { Err(error) })
            .await
    };
    assert_eq!(run(App::Missing("file")).await, Ok(None));
    assert_eq!(run(App::Other).await, Err(App::Other));
    let all = suppress::<App>().with(async |()| -> Result<u8, App> { Err(App::Other) });
    assert_eq!(all.await, Ok(None));
    let fine = suppress::<App>().with(async |()| -> Result<u8, App> { Ok(1) });
    assert_eq!(fine.await, Ok(Some(1)));
    let another = suppress::<fmt::Error>().with(async |()| -> Result<u8, App> { Err(App::Other) });
    assert_eq!(another.await, Err(App::Other));
    // With a guard.
    let Ok(guard) = suppress::<App>().enter().await;
    assert_eq!(guard.exit_with(Err::<u8, _>(App::Other)).await, Ok(None));
    // Not a panic.
    let panics = suppress::<App>().with(async |()| -> Result<u8, App> { panic!("no error") });
    let panic = futures::FutureExt::catch_unwind(AssertUnwindSafe(panics)).await;
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"no error"));
}

/// They hold nothing that has to be torn down: with one of them a tuple is as its others are, and alone they allocate nothing but what a timer needs.
#[tokio::test]
async fn in_tuples_and_blocks() {
    #[async_context]
    async fn session(log: Log) -> Result<(), io::Error> {
        let exit = yield_resource!().kind();
        tokio::task::yield_now().await;
        log.lock().unwrap().push(format!("{exit:?}"));
    }
    let log = Log::default();
    let long = Duration::from_secs(3600);
    let value = (
        timeout(long),
        null_context(1),
        session(log.clone()),
        suppress::<io::Error>(),
    )
        .with(async |(timeout, one, (), ())| -> Result<u8, io::Error> {
            assert!(timeout.when().is_some());
            Ok(*one)
        })
        .await;
    assert_eq!(value.unwrap(), Some(1));
    let value = async_with!(
        _ = move_on_after(long),
        one = null_context(1),
        _ = session(log.clone()),
        async || -> Result<u8, io::Error> { Ok(*one) }
    )
    .await;
    assert_eq!(value.unwrap(), Some(1));
    assert_eq!(lines(&log), ["Completed", "Completed"]);
}

/// A deadline that has passed can't overtake what a context around it does to the body.
#[tokio::test(start_paused = true)]
async fn timeouts_in_spawned_tasks_and_select() {
    let task = tokio::spawn(async {
        let local = String::from("borrowed");
        timeout(Duration::from_secs(1))
            .with(async |_| -> Result<usize, io::Error> {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok(local.len())
            })
            .await
    });
    assert_eq!(task.await.unwrap().unwrap(), 8);
    let late = timeout(Duration::from_secs(10))
        .with(async |_| -> Result<(), io::Error> { std::future::pending().await });
    tokio::select! {
        _ = late => unreachable!(),
        () = tokio::time::sleep(Duration::from_secs(1)) => {}
    }
}

/// The one who writes it down may ask it for more.
#[test]
fn a_timeout_is_shown_to_somebody_who_uses_it() {
    struct Asks(Timeout, String);
    impl fmt::Write for Asks {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let (timeout, (send, receive)) = (self.0.clone(), mpsc::channel());
            // A thread of its own: what it dead-locks is no more than that.
            thread::spawn(move || send.send(timeout.when()));
            let when = receive.recv_timeout(Duration::from_secs(20));
            self.1.push_str(text);
            when.map(|_| ()).map_err(|_| fmt::Error)
        }
    }
    let timeout = timeout(None).timeout();
    let mut asks = Asks(timeout.clone(), String::new());
    fmt::write(&mut asks, format_args!("{timeout:?}")).expect("a dead-lock");
    assert_eq!(asks.1, "Timeout { when: None, stage: Finished }");
}
