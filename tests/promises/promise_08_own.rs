//! `own(…)`: captures evaluated at the call, so that a context outlives what it was called on.

use contextlib::{AsyncContext, ContextManager, async_context, background, yield_resource};
use contextlib_tests::{Census, ContextError, Counted, Log, yields};
use futures::executor::block_on;
use std::{borrow::Cow, path::Path, sync::Arc};

struct Store {
    name: String,
    log: Log,
    census: Census,
}

impl Store {
    #[async_context(own(name = self.name.clone(), log = self.log.clone(), census = self.census.clone()))]
    async fn lease(
        &self,
        _suffix: &str,
        times: usize,
        kept: Counted,
    ) -> Result<Counted, ContextError> {
        log.say(format!("{name} {times}"));
        let mut resource = census.value("resource");
        yields(1).await;
        let exit = yield_resource!(resource);
        yields(1).await;
        kept.touch();
        log.say(format!("{name} {exit:?}"));
    }

    #[async_context(own(mut line = format!("{prefix}-{}", self.name), length = line.len(), log = self.log.clone()))]
    async fn in_order(&mut self, prefix: &str) -> String {
        let _ = yield_resource!(line);
        log.say(format!("{line} {length}"));
    }

    #[async_context(own(twice = number * 2, number = twice.to_string()), on_cancel = spawn_local)]
    async fn shadowing(&self, number: u32) -> (u32, String) {
        let _ = yield_resource!((twice, number));
    }

    #[async_context(own(name = name))]
    async fn of_a_static(name: &'static str) -> &'static str {
        let mut lent = name;
        let _ = yield_resource!(lent);
    }

    #[async_context(own(store = self.clone()))]
    async fn of_an_arc(self: &Arc<Self>) -> usize {
        let _ = yield_resource!(store.name.len());
    }
}

fn is_static<C: AsyncContext + Send + 'static>(manager: ContextManager<C>) -> ContextManager<C> {
    manager
}

fn store() -> Store {
    Store {
        name: "store".to_owned(),
        log: Log::new(),
        census: Census::new(),
    }
}

#[tokio::test]
async fn a_method_that_borrows_makes_a_context_that_does_not() {
    let (log, census, manager) = {
        let store = store();
        let suffix = String::from("a suffix");
        let kept = store.census.value("kept");
        let manager = is_static(store.lease(&suffix, 2, kept));
        (store.log.clone(), store.census.clone(), manager)
    };
    assert!(
        log.lines().is_empty(),
        "the captures are evaluated, the body isn't"
    );
    assert_eq!(census.alive(), ["kept"]);
    let guard = tokio::spawn(manager.enter()).await.unwrap().unwrap();
    drop(guard);
    background::drain().await;
    assert_eq!(log.lines(), ["store 2", "store Cancelled"]);
    census.assert_balanced("owned");
}

#[test]
fn the_captures_are_evaluated_in_order_at_the_call() {
    let mut store = store();
    let log = store.log.clone();
    let manager = {
        let prefix = String::from("a");
        store.in_order(&prefix)
    };
    store.name.clear();
    block_on(manager.run(async |line| line.push('!')));
    assert_eq!(log.lines(), ["a-store! 7"]);
    let manager = { self::store().shadowing(4) };
    assert_eq!(
        block_on(manager.run(async |pair| pair.clone())),
        (8, "8".to_owned())
    );
    let manager = { is_static(Arc::new(self::store()).of_an_arc()) };
    assert_eq!(block_on(manager.run(async |length| *length)), 5);
}

/// As the errors of a context that borrows advise, by the argument's type.
#[test]
fn what_owns_instead_of_a_borrow() {
    #[async_context(own(
        label = label.map(str::to_owned), path = path.map(ToOwned::to_owned), text = text.into_owned(), bytes = bytes.to_owned(), store = store.clone()
    ))]
    async fn context(
        label: Option<&str>,
        path: Option<&Path>,
        text: Cow<'_, str>,
        bytes: &[u8],
        store: &Arc<Store>,
    ) -> String {
        let length = bytes.len();
        let name = &store.name;
        let _ = yield_resource!(format!("{label:?} {path:?} {text} {length} {name}"));
    }
    let manager = {
        let text = String::from("text");
        let path = Some(Path::new(&text));
        is_static(context(
            Some(&text),
            path,
            Cow::from(&text),
            text.as_bytes(),
            &Arc::new(store()),
        ))
    };
    assert_eq!(
        block_on(manager.run(async |text| text.clone())),
        r#"Some("text") Some("text") text 4 store"#
    );
}

/// An empty `own()` captures nothing that borrows.
#[test]
fn nothing_but_the_arguments_that_are_owned() {
    #[async_context(own())]
    async fn context(_text: &str, number: u8) -> u8 {
        let _ = yield_resource!(number + 1);
    }
    let manager = {
        let text = String::from("text");
        is_static(context(&text, 1))
    };
    assert_eq!(block_on(manager.run(async |number| *number)), 2);
}

/// Under another name; also where a body has a use for both, since the first is copied.
#[test]
fn arguments_that_are_taken() {
    #[async_context(own(mut mine = bytes, start = first))]
    async fn context(bytes: Vec<u8>, first: u8, kept: Counted) -> Vec<u8> {
        mine.push(start + first);
        let _ = yield_resource!(mine);
        kept.touch();
    }
    let census = Census::new();
    let manager = context(vec![1], 1, census.value("kept"));
    assert_eq!(block_on(manager.run(async |bytes| bytes.clone())), [1, 2]);
    census.assert_balanced("after the body");
}

/// A lifetime that a path would hide is written; then what has it isn't kept.
#[test]
fn what_borrows_without_a_reference() {
    struct Row<'r>(&'r str);

    impl<'r> Row<'r> {
        #[async_context(own(mut length = self.0.len()))]
        async fn open(self: Row<'r>) -> usize {
            let _ = yield_resource!(length);
        }
    }

    #[async_context(own(mut length = row.0.len()))]
    async fn open(row: Row<'_>) -> usize {
        let _ = yield_resource!(length);
    }

    let [one, other] = {
        let text = String::from("text");
        [
            is_static(Row(&text).open()).boxed(),
            is_static(open(Row(&text))).boxed(),
        ]
    };
    assert_eq!(block_on(one.run(async |length| *length)), 4);
    assert_eq!(block_on(other.run(async |length| *length)), 4);
}

/// What nobody can use is kept all the same, as without `own`.
#[test]
fn arguments_without_a_name_are_kept() {
    struct Pair<T>(T, T);

    #[async_context(own(mut number = 1))]
    async fn context(
        log: Log,
        _: Counted,
        (_, _second): (Counted, Counted),
        Pair(_, _last): Pair<Counted>,
        (Ok(_either) | Err(_either)): Result<Counted, Counted>,
    ) -> u8 {
        let _ = yield_resource!(number);
        log.say("teardown");
    }

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.say("dropped");
        }
    }
    struct Dropped(Log);

    #[async_context(own(mut number = 1))]
    async fn keeps(
        log: Log,
        _: Dropped,
        (_, [_, _]): (Dropped, [Dropped; 2]),
        (Ok(_either) | Err(_either)): Result<Dropped, Dropped>,
        _whole @ Pair(_, _): Pair<Dropped>,
    ) -> u8 {
        let _ = yield_resource!(number);
        log.say("teardown");
    }

    let (census, log) = (Census::new(), Log::new());
    let value = |name: &'static str| census.value(name);
    let manager = context(
        log.clone(),
        value("whole"),
        (value("first"), value("second")),
        Pair(value("third"), value("last")),
        Ok(value("either")),
    );
    assert_eq!(block_on(manager.run(async |number| *number)), 1);
    census.assert_balanced("after the body");
    assert_eq!(log.lines(), ["teardown"]);

    let log = Log::new();
    let dropped = || Dropped(log.clone());
    let manager = keeps(
        log.clone(),
        dropped(),
        (dropped(), [dropped(), dropped()]),
        Ok(dropped()),
        Pair(dropped(), dropped()),
    );
    block_on(manager.run(async |_| log.say("body")));
    let lines = [["body", "teardown"].as_slice(), &["dropped"; 7]].concat();
    assert_eq!(log.lines(), lines);
}

#[tokio::test]
async fn a_static_reference_as_it_is() {
    let manager = is_static(Store::of_a_static("name"));
    assert_eq!(manager.run(async |name| *name).await, "name");
}
