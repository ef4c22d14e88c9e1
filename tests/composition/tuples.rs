//! Tuples of contexts.

use contextlib::{
    AsyncContext, AsyncContextManager, ContextManager, Exit, IntoContextManager, async_context,
    async_with, background, combine,
    kind::{Fallible, Infallible, Kind, Never, OneOf, Suppressing, Wrapping},
    null_context, policy, yield_resource,
};
use contextlib_tests::Reports;
use std::{
    fmt, io,
    sync::{Arc, Mutex},
};

type Log = Arc<Mutex<Vec<String>>>;

#[derive(Debug)]
#[allow(dead_code, reason = "to be printed")]
enum App {
    Io(io::Error),
    Fmt(fmt::Error),
    Other,
}
impl From<io::Error> for App {
    fn from(error: io::Error) -> Self {
        App::Io(error)
    }
}
impl From<fmt::Error> for App {
    fn from(error: fmt::Error) -> Self {
        App::Fmt(error)
    }
}

#[async_context]
async fn file(log: Log, fails: bool) -> Result<String, io::Error> {
    if fails {
        return Err(io::Error::other("no such file"));
    }
    let mut file = String::from("file");
    let exit = yield_resource!(file).kind();
    tokio::task::yield_now().await;
    log.lock().unwrap().push(format!("{file} {exit:?}"));
}

#[async_context]
async fn number(log: Log, fails: bool) -> Result<u32, fmt::Error> {
    tokio::task::yield_now().await;
    let mut number = 1;
    let exit = yield_resource!(number).kind();
    log.lock().unwrap().push(format!("{number} {exit:?}"));
    if fails {
        return Err(fmt::Error);
    }
}

#[async_context]
async fn plain(log: Log) -> char {
    let mut plain = 'x';
    let exit = yield_resource!(plain).kind();
    log.lock().unwrap().push(format!("{plain} {exit:?}"));
}

fn lines(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn enter_left_to_right_exit_right_to_left() {
    let log = Log::default();
    let task = log.clone();
    let sum = tokio::spawn(async move {
        let local = 3;
        (
            file(task.clone(), false),
            number(task.clone(), false),
            plain(task),
        )
            .with(async |(file, number, plain)| -> Result<u32, App> {
                file.push('!');
                tokio::task::yield_now().await;
                *number += local;
                *plain = 'y';
                Ok(*number)
            })
            .await
    });
    assert_eq!(sum.await.unwrap().unwrap(), 4);
    assert_eq!(
        lines(&log),
        ["y Completed", "4 Completed", "file! Completed"]
    );
}

#[tokio::test]
async fn a_failing_setup_tears_down_what_was_entered() {
    let log = Log::default();
    let failed = (
        number(log.clone(), false),
        plain(log.clone()),
        file(log.clone(), true),
    )
        .with(async |_| -> Result<(), App> { unreachable!() })
        .await;
    assert!(matches!(failed, Err(App::Io(_))), "{failed:?}");
    assert_eq!(lines(&log), ["x Failed", "1 Failed"]);
}

#[tokio::test]
async fn a_cancelled_setup_tears_down_what_was_entered() {
    let log = Log::default();
    {
        let entering = (plain(log.clone()), number(log.clone(), false)).enter();
        let mut entering = Box::pin(entering);
        assert!(futures::poll!(&mut entering).is_pending());
    }
    background::drain().await;
    assert_eq!(lines(&log), ["x Cancelled"]);
}

#[tokio::test]
async fn each_sees_the_outcome_as_the_inner_ones_left_it() {
    let log = Log::default();
    let failed = (
        plain(log.clone()),
        number(log.clone(), true),
        file(log.clone(), false),
    )
        .with(async |_| -> Result<(), App> { Ok(()) })
        .await;
    assert!(matches!(failed, Err(App::Fmt(_))), "{failed:?}");
    assert_eq!(lines(&log), ["file Completed", "1 Completed", "x Failed"]);
}

/// An outer context may look at an inner one's error as a type.
#[tokio::test]
async fn the_inner_ones_error_is_seen_as_it_is() {
    #[async_context(suppress)]
    async fn expects_a_missing_file() {
        let exit = yield_resource!();
        if exit.error().is_some_and(|error| error.is::<io::Error>()) {
            exit.suppress();
        }
    }
    let log = Log::default();
    let skipped = (expects_a_missing_file(), file(log.clone(), true))
        .with(async |_| -> Result<(), App> { unreachable!() })
        .await;
    assert!(matches!(skipped, Ok(None)), "{skipped:?}");
    let failed = (expects_a_missing_file(), number(log.clone(), true))
        .with(async |_| -> Result<(), App> { Ok(()) })
        .await;
    assert!(matches!(failed, Err(App::Fmt(_))), "{failed:?}");
    // With a guard there is no body that could be skipped.
    let failed = (expects_a_missing_file(), file(log.clone(), true))
        .enter()
        .await;
    assert_eq!(failed.unwrap_err().to_string(), "no such file");
}

#[tokio::test]
async fn which_error_type_results() {
    fn kind<M: IntoContextManager>(_: &M) -> std::any::TypeId
    where
        <<M::Context as AsyncContext>::Kind as Kind>::Error: 'static,
    {
        std::any::TypeId::of::<<<M::Context as AsyncContext>::Kind as Kind>::Error>()
    }
    fn id<T: 'static>() -> std::any::TypeId {
        std::any::TypeId::of::<T>()
    }
    let log = Log::default();
    let (file, number, plain) = (
        || file(log.clone(), false),
        || number(log.clone(), false),
        || plain(log.clone()),
    );
    assert_eq!(kind(&(plain(), plain())), id::<Never>());
    assert_eq!(kind(&(file(), plain())), id::<io::Error>());
    assert_eq!(kind(&(plain(), file())), id::<io::Error>());
    assert_eq!(kind(&(plain(), file(), plain())), id::<io::Error>());
    assert_eq!(
        kind(&(file(), number())),
        id::<OneOf<io::Error, fmt::Error>>()
    );
    assert_eq!(
        kind(&(file(), plain(), number())),
        id::<OneOf<io::Error, fmt::Error>>()
    );
    assert_eq!(
        kind(&(file(), number(), file())),
        id::<OneOf<OneOf<io::Error, fmt::Error>, io::Error>>()
    );
    assert_eq!(
        kind(&(file(), (number(), file()))),
        id::<OneOf<io::Error, OneOf<fmt::Error, io::Error>>>()
    );
    // None that can fail: no error type to be named.
    assert_eq!((plain(), plain()).run(async |(one, _)| *one).await, 'x');
}

#[tokio::test]
async fn the_error_of_enter_and_exit() {
    let log = Log::default();
    let guard = (file(log.clone(), false), number(log.clone(), true))
        .enter()
        .await
        .unwrap();
    assert_eq!((guard.0.as_str(), guard.1), ("file", 1));
    let error = guard.exit().await.unwrap_err();
    assert_eq!(error.to_string(), fmt::Error.to_string());
    assert!(matches!(error, OneOf::Inner(fmt::Error)));
    async fn converted(log: &Log) -> Result<(), App> {
        let both = (file(log.clone(), true), number(log.clone(), true)).into_context_manager();
        both.err_into::<App>().enter().await?.exit().await
    }
    assert!(matches!(converted(&log).await, Err(App::Io(_))));
    assert!(matches!(error.either(App::from, App::from), App::Fmt(_)));
    // The teardown's error and the body's: the body's is returned.
    let guard = (number(log.clone(), true), plain(log.clone()))
        .enter()
        .await
        .unwrap();
    let returned = guard.exit_with(Err::<(), _>(App::Other)).await;
    assert!(matches!(returned, Err(App::Other)));
}

#[tokio::test]
async fn markers_combine() {
    #[async_context(suppress)]
    async fn forgiving() {
        yield_resource!().suppress();
    }
    #[async_context]
    async fn wrapping() {
        let _ = async { yield_resource!(move ()).1 }.await;
    }
    fn is<M: IntoContextManager>(_: &M) -> (bool, bool)
    where
        <<M::Context as AsyncContext>::Kind as Kind>::Suppression: 'static,
    {
        type Of<M> = <<M as IntoContextManager>::Context as AsyncContext>::Kind;
        use std::any::TypeId;
        (
            TypeId::of::<<Of<M> as Kind>::Suppression>() == TypeId::of::<Suppressing>(),
            TypeId::of::<<Of<M> as Kind>::Shape>() == TypeId::of::<Wrapping>(),
        )
    }
    let log = Log::default();
    let plain = || plain(log.clone());
    assert_eq!(is(&(plain(), plain())), (false, false));
    assert_eq!(is(&(plain(), forgiving())), (true, false));
    assert_eq!(is(&(forgiving(), plain(), plain())), (true, false));
    assert_eq!(is(&(plain(), wrapping())), (false, true));
    assert_eq!(
        is(&(plain(), (wrapping(), plain()), forgiving())),
        (true, true)
    );
    let nothing = (plain(), forgiving())
        .with(async |_| -> Result<(), App> { Err(App::Other) })
        .await;
    assert!(matches!(nothing, Ok(None)));
    assert_eq!(lines(&log), ["x Completed"]);
}

struct Session(Log);

impl AsyncContextManager for Session {
    type Resource = u8;
    type Kind = Infallible;
    async fn enter(&mut self) -> Result<u8, Never> {
        Ok(1)
    }
    async fn exit(&mut self, session: u8, exit: Exit<'_>) -> Result<(), Never> {
        self.0
            .lock()
            .unwrap()
            .push(format!("session {session} {:?}", exit.kind()));
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_structs_and_tuples_in_any_style() {
    let log = Log::default();
    let task = log.clone();
    tokio::spawn(async move {
        let both = || {
            (
                Session(task.clone()),
                (plain(task.clone()), null_context(7)),
            )
        };
        let mut guard = both().enter().await.unwrap();
        let (session, (plain, seven)) = &mut *guard;
        assert_eq!((*session, *plain, *seven), (1, 'x', 7));
        *session = 2;
        drop(guard);
        background::drain().await;
        let end = async_with!(
            outer = both(),
            inner = (null_context(outer.0), plain_too(*seven_of(outer))),
            async || -> Result<u8, App> { Ok(inner.0 + inner.1) }
        )
        .await;
        assert_eq!(end.unwrap(), 8);
    })
    .await
    .unwrap();
    assert_eq!(
        lines(&log),
        [
            "x Cancelled",
            "session 2 Cancelled",
            "x Completed",
            "session 1 Completed"
        ]
    );
}

fn seven_of(outer: &(u8, (char, u8))) -> &u8 {
    &outer.1.1
}

#[async_context]
async fn plain_too(mut value: u8) -> u8 {
    let _ = yield_resource!(value);
}

#[tokio::test]
async fn twelve() {
    let log = Log::default();
    let p = || plain(log.clone());
    let all = (
        p(),
        p(),
        p(),
        p(),
        p(),
        p(),
        p(),
        p(),
        p(),
        p(),
        p(),
        number(log.clone(), false),
    );
    let sum = all
        .with(
            async |(a, _, _, _, _, _, _, _, _, _, k, l)| -> Result<u32, App> {
                *a = 'a';
                *k = 'k';
                Ok(*l)
            },
        )
        .await
        .unwrap();
    assert_eq!(sum, 1);
    let lines = lines(&log);
    assert_eq!(
        (lines.len(), &*lines[0], &*lines[1], &*lines[11]),
        (12, "1 Completed", "k Completed", "a Completed")
    );
    let (one,) = &*(plain(log.clone()),).enter().await.unwrap();
    assert_eq!(*one, 'x');
}

/// `drop` takes any neighbour's policy; others have to be chosen.
#[tokio::test(flavor = "multi_thread")]
async fn policies() {
    #[async_context(on_cancel = block)]
    async fn borrows<'a>(log: &'a Log) -> &'a Log {
        let mut borrowed = log;
        let exit = yield_resource!(borrowed).kind();
        borrowed.lock().unwrap().push(format!("borrows {exit:?}"));
    }
    let log = Log::default();
    // `null_context` is of `drop`: the tuple is of `spawn`, so that the other's teardown runs.
    drop(
        (null_context(&1), plain(log.clone()), null_context(2))
            .enter()
            .await
            .unwrap(),
    );
    background::drain().await;
    assert_eq!(lines(&log), ["x Cancelled"]);
    // One frame has one policy: that of the one that blocks, since nothing else can be done with what borrows.
    drop((plain(log.clone()), borrows(&log)).enter().await.unwrap());
    assert_eq!(lines(&log), ["borrows Cancelled", "x Cancelled"]);
    // Chosen by hand.
    let both = combine((plain(log.clone()), borrows(&log))).on_cancel::<policy::Drop>();
    drop(both.enter().await.unwrap());
    assert_eq!(lines(&log), [] as [&str; 0]);
    // The policy of a boxed one isn't known: it is chosen by hand, too.
    let boxed = (plain(log.clone()).boxed(), plain(log.clone()).boxed());
    let boxed = combine(boxed).on_cancel::<policy::Spawn>();
    drop(boxed.enter().await.unwrap());
    background::drain().await;
    assert_eq!(lines(&log), ["x Cancelled", "x Cancelled"]);
}

#[tokio::test]
async fn what_borrows() {
    #[async_context(on_cancel = drop)]
    async fn word<'a>(text: &'a str) -> Result<&'a str, io::Error> {
        let mut word = text.split(' ').next().ok_or(io::ErrorKind::NotFound)?;
        let _ = yield_resource!(word);
    }
    let text = String::from("some words");
    let length = (word(&text), word(&text[5..]))
        .with(async |(one, other)| -> Result<usize, io::Error> {
            tokio::task::yield_now().await;
            Ok(one.len() + other.len())
        })
        .await;
    assert_eq!(length.unwrap(), 9);
    let rc = std::rc::Rc::new(1);
    let local = (word(&text), null_context(rc.clone()))
        .with_local(async |(word, one)| -> Result<usize, io::Error> { Ok(word.len() + **one) })
        .await;
    assert_eq!(local.unwrap(), 5);
}

/// A type that can be written down, for a struct or a trait object.
#[tokio::test]
async fn boxed_tuples() {
    use contextlib::BoxContextManager;
    let log = Log::default();
    let managers: Vec<BoxContextManager<'static, (String, char), App>> = vec![
        (file(log.clone(), false), plain(log.clone()))
            .into_context_manager()
            .err_into()
            .boxed(),
        (null_context(String::new()), plain(log.clone()))
            .into_context_manager()
            .err_into()
            .boxed(),
    ];
    for manager in managers {
        manager
            .with(async |_| -> Result<(), App> { Ok(()) })
            .await
            .unwrap();
    }
    assert_eq!(
        lines(&log),
        ["x Completed", "file Completed", "x Completed"]
    );
}

#[allow(dead_code)]
fn the_kinds_have_names(
    manager: ContextManager<impl AsyncContext<Kind = Fallible<io::Error>>, policy::Drop>,
) -> ContextManager<impl AsyncContext<Kind = Fallible<App>>, policy::Drop> {
    manager.err_into::<App>()
}

/// An outer context that leaves its yield point in the very poll in which the body was over.
#[tokio::test]
async fn an_inner_context_is_told_how_a_body_ended_that_was_over_when_the_outer_one_left() {
    #[async_context]
    async fn impatient(signal: Arc<tokio::sync::Semaphore>) -> Result<(), io::Error> {
        tokio::select! {
            biased;
            ((), exit) = async { yield_resource!(move ()) } => drop(exit.kind()),
            _ = signal.acquire() => {}
        }
        Err(io::Error::other("left"))
    }
    for fails in [false, true] {
        let (log, signal) = (Log::default(), Arc::new(tokio::sync::Semaphore::new(0)));
        let both = (impatient(signal.clone()), plain(log.clone()));
        let ended = both.with(async |_| -> Result<(), App> {
            signal.add_permits(1);
            if fails { Err(App::Other) } else { Ok(()) }
        });
        assert!(ended.await.is_err());
        let how = if fails { "Failed" } else { "Completed" };
        assert_eq!(*log.lock().unwrap(), [format!("x {how}")]);
    }
}

/// Reports say where it was put together, whatever it was made with.
#[test]
fn a_tuple_is_defined_where_it_is_made() {
    let log = Log::default();
    let both = || (plain(log.clone()), file(log.clone(), false));
    let made = [
        format!("{:?}", both().into_context_manager()),
        format!("{:?}", both().err_into::<App>()),
        format!("{:?}", both().map_err(App::Io)),
        format!("{:?}", both().boxed()),
        format!("{:?}", combine(both()).on_cancel::<policy::Drop>()),
    ];
    for made in made {
        assert!(made.contains("tuple") && made.contains(file!()), "{made}");
    }
}

/// Whoever waited for the teardown is gone while an inner one is under way: that goes on as it was told, and to those around it their body is cancelled. As in nested contexts.
mod a_caller_that_goes_while_an_inner_one_is_torn_down {
    use super::*;
    use std::pin::pin;
    use tokio::task::yield_now;

    /// Its teardown takes some time.
    #[async_context]
    async fn slow(log: Log) -> Result<(), io::Error> {
        let exit = yield_resource!().kind();
        log.lock().unwrap().push(format!("slow {exit:?}"));
        for _ in 0..3 {
            yield_now().await;
        }
    }

    /// Polls it until it is in the slow teardown, and drops it; what was said then, when all is over.
    async fn dropped<F: Future>(log: Log, future: F) -> Vec<String> {
        {
            let mut future = pin!(future);
            while log.lock().unwrap().is_empty() {
                assert!(futures::poll!(future.as_mut()).is_pending());
            }
        }
        background::drain().await;
        lines(&log)
    }

    const CANCELLED: [&str; 2] = ["slow Completed", "x Cancelled"];

    async fn body<R>(_: R) -> Result<(), App> {
        Ok(())
    }

    #[tokio::test]
    async fn in_any_style() {
        let log = Log::default();
        let both = || (plain(log.clone()), slow(log.clone()));
        let with = both().with(async |_| body(()).await);
        assert_eq!(dropped(log.clone(), with).await, CANCELLED);
        let guard = async {
            let guard = both().enter().await.unwrap();
            guard.exit().await.unwrap();
        };
        assert_eq!(dropped(log.clone(), guard).await, CANCELLED);
        let boxed = both().into_context_manager().err_into::<App>().boxed();
        let boxed = boxed.with(async |_| body(()).await);
        assert_eq!(dropped(log.clone(), boxed).await, CANCELLED);
        let block = async_with!(
            _ = plain(log.clone()),
            _ = slow(log.clone()),
            async || -> Result<(), App> { Ok(()) }
        );
        assert_eq!(dropped(log.clone(), block).await, CANCELLED);
    }

    #[tokio::test]
    async fn all_of_those_around_it() {
        let log = Log::default();
        let (p, n) = (plain(log.clone()), number(log.clone(), false));
        let innermost = (p, n, slow(log.clone())).with(async |_| body(()).await);
        assert_eq!(
            dropped(log.clone(), innermost).await,
            ["slow Completed", "1 Cancelled", "x Cancelled"]
        );
        let (p, n) = (plain(log.clone()), number(log.clone(), false));
        let between = (p, slow(log.clone()), n).with(async |_| body(()).await);
        assert_eq!(
            dropped(log.clone(), between).await,
            ["1 Completed", "slow Completed", "x Cancelled"]
        );
    }

    /// A setup that has failed is told to the one around it, which is torn down then.
    #[tokio::test]
    async fn after_a_setup_that_has_failed() {
        let log = Log::default();
        let (p, f) = (plain(log.clone()), file(log.clone(), true));
        let failed = (p, slow(log.clone()), f).with(async |_| body(()).await);
        assert_eq!(
            dropped(log.clone(), failed).await,
            ["slow Failed", "x Cancelled"]
        );
    }
}

/// Where there is no `From`, or two of one error: a setup's, a teardown's, and that of a context which leaves its yield point.
#[tokio::test]
async fn an_error_is_mapped() {
    #[derive(Debug, PartialEq)]
    enum From {
        First(String),
        Second(String),
    }
    async fn both(log: &Log, first: bool, second: bool) -> Result<(), From> {
        let first = file(log.clone(), first).map_err(|error| From::First(error.to_string()));
        let second = number(log.clone(), second).map_err(|error| From::Second(error.to_string()));
        (first, second).with(async |_| Ok(())).await
    }
    #[async_context]
    async fn leaves() -> Result<(), io::Error> {
        let mut yields = Box::pin(async { yield_resource!(move ()).0 });
        assert!(futures::poll!(yields.as_mut()).is_pending());
        drop(yields);
        Err(io::Error::other("left"))
    }
    let log = Log::default();
    assert_eq!(both(&log, false, false).await, Ok(()));
    assert_eq!(lines(&log), ["1 Completed", "file Completed"]);
    let failed = both(&log, true, false).await;
    assert_eq!(failed, Err(From::First("no such file".into())));
    assert_eq!(lines(&log), [""; 0]);
    let failed = both(&log, false, true).await;
    assert_eq!(failed, Err(From::Second(fmt::Error.to_string())));
    assert_eq!(lines(&log), ["1 Completed", "file Failed"]);
    let left = leaves().map_err(|error| From::First(error.to_string()));
    let left = left.with(async |()| Ok(())).await;
    assert_eq!(left, Err(From::First("left".into())));

    // With the policy that it had, and in guard style.
    let guard = plain(log.clone()).map_err(|never: Never| match never {});
    let guard: Result<_, From> = guard.enter().await;
    drop(guard.unwrap());
    background::drain().await;
    assert_eq!(lines(&log), ["x Cancelled"]);
}

/// `outcome` returns the first failure of the contexts; those around it that fail as well are reported, whatever the body came to.
#[tokio::test]
async fn the_outcome_of_a_tuple() {
    #[async_context]
    async fn fails(name: &'static str) -> Result<(), &'static str> {
        let _ = yield_resource!();
        Err(name)
    }
    let reports = Reports::keep();
    for body in [Ok(1), Err("body")] {
        let three = (fails("third"), fails("second"), fails("first"));
        let outcome = three.outcome(async |_| body).await;
        assert_eq!(outcome.body, Some(body));
        assert_eq!(outcome.context, Err(OneOf::Inner("first")));
        let mut others = reports.take_failures();
        others.sort();
        assert_eq!(others, [r#"failed: "second""#, r#"failed: "third""#]);
    }
}
