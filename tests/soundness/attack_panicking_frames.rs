//! Contexts put together whose destructors all panic: as with one `with` inside another, each is dropped once, the innermost one's panic goes on, and the
//! others are reported.

use contextlib::{IntoContextManager, async_context, yield_resource};
use contextlib_tests::{Census, Counted, Log, Reports, message, poll_once, quiet};
use std::{
    future::{Future, pending},
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
};

/// Panics when it is dropped, whatever the thread does.
struct Boom {
    text: String,
    _counted: Counted,
}

impl Drop for Boom {
    fn drop(&mut self) {
        panic_any(self.text.clone());
    }
}

#[derive(Clone)]
struct World {
    log: Log,
    census: Census,
    /// The context that doesn't come to its yield point.
    stuck: &'static str,
}

impl World {
    fn new(stuck: &'static str) -> Self {
        World {
            log: Log::new(),
            census: Census::new(),
            stuck,
        }
    }

    fn boom(&self, name: &str, what: &'static str) -> Boom {
        Boom {
            text: format!("{what} of {name}"),
            _counted: self.census.value(what),
        }
    }

    async fn set_up(&self, name: &str) {
        self.log.say(name);
        if self.stuck == name {
            pending().await
        }
    }
}

macro_rules! contexts {
    ($($name:ident)*) => {$(
        #[async_context(on_cancel = drop)]
        async fn $name(world: &World) -> () {
            let _local = world.boom(stringify!($name), "local");
            world.set_up(stringify!($name)).await;
            let _ = yield_resource!();
        }
    )*};
}

contexts! { one two three four }

/// One that yields what panics, too.
#[async_context(on_cancel = drop)]
async fn yielding(world: &World) -> Boom {
    let _local = world.boom("yielding", "local");
    let _ = yield_resource!(move world.boom("yielding", "resource"));
}

/// One that has panicking arguments, which nobody has come to.
#[async_context(on_cancel = drop)]
async fn with_argument(_: &World, _argument: Boom) -> () {
    let _ = yield_resource!();
}

/// How what has been entered is left.
#[derive(Clone, Copy, Debug)]
enum Left {
    /// Its future, or its guard, is dropped.
    Dropped,
    /// So it is, by a panic.
    Unwound,
}

const LEFT: [Left; 2] = [Left::Dropped, Left::Unwound];

impl Left {
    fn drop<T>(self, value: T) -> Option<String> {
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            let _value = value;
            if let Left::Unwound = self {
                panic_any("the first panic");
            }
        }));
        dropped.err().map(|payload| message(&*payload).to_owned())
    }
}

/// Polls it until it waits for good.
fn poll_to_rest<F: Future>(mut future: std::pin::Pin<&mut F>) {
    for _ in 0..8 {
        assert!(poll_once(future.as_mut()).is_pending());
    }
}

/// What goes on when it is left, and what is reported.
type Came = (Option<String>, Vec<String>);

/// A `run` around a body that waits for good, in which it is left.
fn run_and_leave(left: Left, reports: &Reports, run: impl Future<Output = ()>) -> Came {
    let mut run = Box::pin(run);
    poll_to_rest(run.as_mut());
    (left.drop(run), reports.take())
}

macro_rules! runs {
    ($left:expr, $reports:expr, $world:expr, $($name:ident)*) => {
        run_and_leave($left, $reports, ($($name($world),)*).run(async |_| pending().await))
    };
}

/// A guard that is dropped, or where a setup is stuck the future that would come to it.
macro_rules! guards {
    ($left:expr, $reports:expr, $world:expr, $($name:ident)*) => {{
        let mut enter = Box::pin(($($name($world),)*).enter());
        let payload = match (0..8).find_map(|_| match poll_once(enter.as_mut()) {
            std::task::Poll::Ready(Ok(guard)) => Some(guard),
            std::task::Poll::Pending => None,
        }) {
            Some(guard) => $left.drop(guard),
            None => $left.drop(enter),
        };
        (payload, $reports.take())
    }};
}

/// What is reported of these contexts' locals.
fn locals(names: &[&str]) -> Vec<String> {
    let reported = names
        .iter()
        .map(|name| format!("{name} panicked: local of {name} after cancelled"));
    reported.collect()
}

/// Whoever drops them all reports the innermost one's, as theirs, once all are dropped.
fn locals_in_all(names: &[&str]) -> Vec<String> {
    let innermost = format!("tuple panicked: local of {} after cancelled", names[0]);
    [locals(&names[1..]), vec![innermost]].concat()
}

/// What goes on, and what is reported, where nothing comes in between. The innermost context is first.
fn one_by_one(left: Left, guard: bool, names: &[&str]) -> Came {
    match (left, guard) {
        (Left::Unwound, _) => (Some("the first panic".to_owned()), locals(names)),
        (Left::Dropped, true) => (None, locals_in_all(names)),
        (Left::Dropped, false) => (Some(format!("local of {}", names[0])), locals(&names[1..])),
    }
}

/// The same of a guard's rollback that begins in a setup: the panic there is what that has come to, which is told when nothing is left of the frames.
fn from_a_setup(left: Left, names: &[&str]) -> Came {
    let (setup, around) = names.split_at(1);
    if around.is_empty() {
        // Nothing has been entered: there is nothing to roll back.
        return one_by_one(left, false, setup);
    }
    let (goes_on, mut reported) = one_by_one(left, true, around);
    let place = match left {
        Left::Dropped => reported.len() - 1,
        Left::Unwound => reported.len(),
    };
    reported.splice(place..place, locals(setup));
    (goes_on, reported)
}

/// Of any number of contexts, left in the body or in any of their setups.
#[test]
fn the_locals_of_all_contexts() {
    let reports = Reports::keep();
    let _quiet = quiet();
    let names = ["one", "two", "three", "four"];
    for stuck in ["nowhere", "one", "two", "three", "four"] {
        for number in 2..=4 {
            if names[number..].contains(&stuck) {
                continue;
            }
            for left in LEFT {
                for guard in [false, true] {
                    let world = &World::new(stuck);
                    let came = match (guard, number) {
                        (false, 2) => runs!(left, &reports, world, one two),
                        (false, 3) => runs!(left, &reports, world, one two three),
                        (false, _) => runs!(left, &reports, world, one two three four),
                        (true, 2) => guards!(left, &reports, world, one two),
                        (true, 3) => guards!(left, &reports, world, one two three),
                        (true, _) => guards!(left, &reports, world, one two three four),
                    };
                    let when =
                        format!("{number} contexts, stuck: {stuck}, {left:?}, guard: {guard}");
                    let mut entered = names[..number].to_vec();
                    if let Some(last) = entered.iter().position(|name| *name == stuck) {
                        entered.truncate(last + 1);
                    }
                    entered.reverse();
                    let expected = match guard && entered[0] == stuck {
                        true => from_a_setup(left, &entered),
                        false => one_by_one(left, guard, &entered),
                    };
                    assert_eq!(came, expected, "{when}");
                    world.census.assert_balanced(&when);
                }
            }
        }
    }
}

/// A resource that nobody has given back, and then what is left of its context.
#[test]
fn the_resource_and_a_local() {
    let reports = Reports::keep();
    let _quiet = quiet();
    for left in LEFT {
        let world = &World::new("nowhere");
        let came = [
            run_and_leave(
                left,
                &reports,
                yielding(world).run(async |_| pending().await),
            ),
            run_and_leave(left, &reports, async {
                let body = async |_: &mut Boom| pending::<Result<(), ()>>().await;
                let _ = yielding(world).with_local(body).await;
            }),
        ];
        let resource = "resource of yielding".to_owned();
        let mut reported = locals(&["yielding"]);
        let goes_on = match left {
            Left::Dropped => resource,
            Left::Unwound => {
                reported.push(format!("yielding panicked: {resource} after cancelled"));
                "the first panic".to_owned()
            }
        };
        for came in came {
            assert_eq!(came, (Some(goes_on.clone()), reported.clone()), "{left:?}");
        }
        world.census.assert_balanced(format!("{left:?}"));
    }
}

/// Beside a resource in a tuple, one that panics.
#[test]
fn the_resource_in_a_tuple_and_its_locals() {
    let reports = Reports::keep();
    let _quiet = quiet();
    for left in LEFT {
        let world = &World::new("nowhere");
        let (goes_on, reported) = runs!(left, &reports, world, one yielding two);
        let resource = "resource of yielding".to_owned();
        let names = ["two", "yielding", "one"];
        let (first, expected) = match left {
            Left::Dropped => (resource, locals_in_all(&names)),
            Left::Unwound => {
                let resource = format!("tuple panicked: {resource} after cancelled");
                let expected = [locals(&names), vec![resource]].concat();
                ("the first panic".to_owned(), expected)
            }
        };
        assert_eq!((goes_on, reported), (Some(first), expected), "{left:?}");
        world.census.assert_balanced(format!("{left:?}"));
    }
}

/// The first context is being set up: what the others would have got is dropped too.
#[test]
fn arguments_of_what_has_not_begun() {
    let reports = Reports::keep();
    let _quiet = quiet();
    for left in LEFT {
        for guard in [false, true] {
            let world = &World::new("one");
            let argument = |name| with_argument(world, world.boom(name, "argument"));
            let contexts = (one(world), argument("second"), argument("third"));
            let (goes_on, reported) = if guard {
                let mut enter = Box::pin(contexts.enter());
                assert!(poll_once(enter.as_mut()).is_pending());
                (left.drop(enter), reports.take())
            } else {
                run_and_leave(left, &reports, contexts.run(async |_| pending().await))
            };
            let mut expected = vec![
                "with_argument panicked: argument of second after cancelled".to_owned(),
                "one panicked: local of one after cancelled".to_owned(),
            ];
            let innermost = "argument of third".to_owned();
            let first = match left {
                Left::Dropped => innermost,
                Left::Unwound => {
                    expected.insert(
                        0,
                        format!("with_argument panicked: {innermost} after cancelled"),
                    );
                    "the first panic".to_owned()
                }
            };
            let when = format!("{left:?}, guard: {guard}");
            assert_eq!((goes_on, reported), (Some(first), expected), "{when}");
            world.census.assert_balanced(&when);
        }
    }
}

/// The first context's setup panics, or fails: what the others would have got is dropped too. The first panic goes on, and an error that it displaces is
/// reported.
#[test]
fn arguments_beside_a_failed_setup() {
    #[derive(Debug)]
    struct Failed;
    #[async_context(on_cancel = drop)]
    async fn refused(panics: bool) -> Result<(), Failed> {
        if panics {
            panic_any("setup");
        }
        if !panics {
            return Err(Failed);
        }
        let _ = yield_resource!();
    }
    let reports = Reports::keep();
    let _quiet = quiet();
    for panics in [false, true] {
        let world = &World::new("nowhere");
        let argument = |name| with_argument(world, world.boom(name, "argument"));
        let contexts = (refused(panics), argument("second"), argument("third"));
        let run = contexts.with(async |_| Ok::<_, Failed>(()));
        let run = catch_unwind(AssertUnwindSafe(|| futures::executor::block_on(run)));
        let dropped = |name| format!("with_argument panicked: argument of {name} after cancelled");
        let (first, second) = match panics {
            true => ("setup", dropped("second")),
            false => (
                "argument of second",
                "refused failed: Failed after cancelled".to_owned(),
            ),
        };
        assert_eq!(message(&*run.unwrap_err()), first);
        assert_eq!(reports.take(), [second, dropped("third")]);
        world.census.assert_balanced(panics);
    }
}
