//! What differs between editions: which lifetimes an `impl Trait` captures, what a closure captures, when temporaries are dropped.

use crate::library::{async_context, async_with, background, yield_resource};
use futures::executor::block_on;
use std::{
    fmt::Display,
    sync::{Arc, Mutex},
};

type Log = Arc<Mutex<Vec<String>>>;

fn say(log: &Log, text: impl Into<String>) {
    log.lock().unwrap().push(text.into());
}

#[derive(Debug, PartialEq)]
struct Error;

/// Said when dropped.
struct Said(Log, &'static str);
impl Drop for Said {
    fn drop(&mut self) {
        say(&self.0, self.1);
    }
}

struct Service {
    name: String,
    log: Log,
}

struct View<'a>(&'a str);

impl Service {
    #[async_context(crate = crate::library, on_cancel = drop)]
    async fn view(&self, other: &str) -> Result<View<'_>, Error> {
        assert_eq!(other, "other");
        let mut view = View(&self.name);
        let _ = yield_resource!(view);
        say(&self.log, view.0);
    }

    #[async_context(crate = crate::library, on_cancel = block)]
    async fn longer(&mut self, by: &char) -> &mut String {
        let mut name = &mut self.name;
        let _ = yield_resource!(name);
        name.push(*by);
    }

    #[async_context(crate = crate::library, own(name = self.name.clone()))]
    async fn owned(&self, _unused: &str) -> impl Display + Send {
        let mut name = name;
        let _ = yield_resource!(name);
    }

    #[async_context(crate = crate::library)]
    async fn shared(self: Arc<Self>) -> usize {
        let _ = yield_resource!(self.name.len());
        say(&self.log, "shared");
    }
}

#[async_context(crate = crate::library, on_cancel = drop)]
async fn several<'a, 'b, T: Display>(
    first: &'a str,
    second: &'b str,
    third: T,
    each: impl Fn(&str) -> String,
) -> (&'a str, &'b str, String) {
    let mut all = (first, second, each(&third.to_string()));
    let _ = yield_resource!(all);
}

#[async_context(crate = crate::library)]
async fn patterns(
    log: Log,
    (first, _): (Said, Said),
    _: Said,
    mut number: u8,
    [a, .., b]: [u8; 3],
) -> u8 {
    number += a + b;
    let _ = yield_resource!(number);
    say(&log, "torn down");
    drop(first);
}

#[async_context(crate = crate::library)]
async fn nested(log: Log) -> std::io::Result<Vec<u8>> {
    let numbers = Vec::new();
    let (numbers, exit) = tokio::select! {
        back = async { yield_resource!(move numbers) } => back,
        () = std::future::pending() => return Ok(()),
    };
    match exit.error() {
        Some(error) => say(&log, format!("{:?} {:?}", error, numbers)),
        None => say(&log, format!("{:?} {:?}", exit, numbers)),
    }
}

/// The lock's guard is a temporary of the last expression.
#[async_context(crate = crate::library)]
async fn temporary_at_last(log: Log) -> Result<u8, Error> {
    let numbers = Mutex::new(vec![1]);
    let _ = yield_resource!(1);
    if numbers.lock().unwrap().is_empty() {
        return Err(Error);
    }
    say(&log, "temporary");
    Ok(())
}

trait Open {
    #[async_context(crate = crate::library)]
    async fn open(self, name: &'static str) -> Result<String, Error>;
}

impl Open for u8 {
    #[async_context(crate = crate::library)]
    async fn open(self, name: &'static str) -> Result<String, Error> {
        let mut text = format!("{}{}", name, self);
        let _ = yield_resource!(text);
    }
}

fn service() -> Service {
    Service {
        name: "service".to_owned(),
        log: Log::default(),
    }
}

#[test]
fn methods_and_lifetimes() {
    let mut service = service();
    let with = service
        .view("other")
        .with(async |view| -> Result<usize, Error> {
            view.0 = &view.0[1..];
            Ok(view.0.len())
        });
    assert_eq!(block_on(with), Ok(6));
    block_on(service.longer(&'!').run(async |name| name.push('?')));
    assert_eq!(service.name, "service?!");
    let manager = service.owned("");
    service.name.clear();
    assert_eq!(
        block_on(manager.run(async |name| name.to_string())),
        "service?!"
    );
    let log = service.log.clone();
    assert_eq!(
        block_on(Arc::new(service).shared().run(async |length| *length)),
        0
    );
    assert_eq!(*log.lock().unwrap(), ["ervice", "shared"]);
    let (first, second) = (String::from("1"), String::from("2"));
    let all = several(&first, &second, 3, |text| text.repeat(2)).run(async |all| all.2.clone());
    assert_eq!(block_on(all), "33");
    assert_eq!(
        block_on(
            7.open("a")
                .with(async |text| -> Result<String, Error> { Ok(text.clone()) })
        ),
        Ok("a7".to_owned())
    );
}

#[test]
fn arguments_are_kept_whole() {
    let log = Log::default();
    let said = |name| Said(log.clone(), name);
    let manager = patterns(
        log.clone(),
        (said("first"), said("second")),
        said("third"),
        1,
        [1, 0, 2],
    );
    assert!(log.lock().unwrap().is_empty());
    assert_eq!(block_on(manager.run(async |number| *number)), 4);
    assert_eq!(
        *log.lock().unwrap(),
        ["torn down", "first", "third", "second"]
    );
}

#[test]
fn nested_yields_and_temporaries() {
    let log = Log::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let with = nested(log.clone()).with(async |numbers| -> std::io::Result<()> {
        numbers.push(1);
        Ok(())
    });
    runtime.block_on(with).unwrap();
    let with = nested(log.clone())
        .with(async |_| -> Result<(), std::io::Error> { Err(std::io::ErrorKind::NotFound.into()) });
    runtime.block_on(with).unwrap_err();
    let with = temporary_at_last(log.clone()).with(async |_| -> Result<(), Error> { Ok(()) });
    assert_eq!(block_on(with), Ok(()));
    assert_eq!(
        *log.lock().unwrap(),
        ["Completed [1]", "Kind(NotFound) []", "temporary"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spawned_and_rolled_back() {
    let log = Log::default();
    let its = log.clone();
    let task = tokio::spawn(async move {
        let text = String::from("text");
        let with = temporary_at_last(its.clone()).with(async |number| -> Result<usize, Error> {
            tokio::task::yield_now().await;
            Ok(text.len() + usize::from(*number))
        });
        assert_eq!(with.await, Ok(5));
        let guard = temporary_at_last(its.clone()).enter().await.unwrap();
        drop(guard);
        let both = async_with!(
            first = 1.open("a"),
            second = 2.open(if first.is_empty() { "none" } else { "b" }),
            async || -> Result<String, Error> { Ok(format!("{}{}", first, second)) }
        );
        assert_eq!(both.await.unwrap(), "a1b2");
    });
    task.await.unwrap();
    background::drain().await;
    assert_eq!(*log.lock().unwrap(), ["temporary", "temporary"]);
}
