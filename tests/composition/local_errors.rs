//! Bodies whose error isn't `Send`, as `actix_web::Error` and a bare `Box<dyn Error>` aren't: in a block, as a function of its own, with a guard.

use contextlib::{Exit, async_context, async_with, background, within, yield_resource};
use contextlib_tests::{Log, Reports, poll_once, yields};
use std::{fmt, io, pin::pin, rc::Rc, task::Poll};
use test_case::test_case;

/// Not `Send`.
struct Local(Rc<str>);

impl Local {
    fn new(text: &str) -> Self {
        Local(text.into())
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        assert_ne!(&*self.0, "panics");
        f.write_str(&self.0)
    }
}

impl From<io::Error> for Local {
    fn from(error: io::Error) -> Self {
        Local::new(&error.to_string())
    }
}

/// Says how its body ended. Fails as it is told to.
#[async_context]
async fn context(log: Log, name: &'static str, teardown: &'static str) -> io::Result<u32> {
    if name == "setup" {
        return Err(io::Error::other("setup"));
    }
    let mut number = 1;
    match yield_resource!(number) {
        Exit::Failed(error) => log.say(format!("{name}: failed with {error:?}")),
        exit => log.say(format!("{name}: {exit:?}")),
    }
    yields(1).await;
    if !teardown.is_empty() {
        return Err(io::Error::other(teardown));
    }
}

fn body(number: &mut u32, error: &str) -> Result<u32, Local> {
    *number += 1;
    match error {
        "" => Ok(*number),
        error => Err(Local::new(error)),
    }
}

type LocalResult = Result<u32, Local>;

async fn as_a_block(
    log: Log,
    name: &'static str,
    teardown: &'static str,
    error: &str,
) -> LocalResult {
    async_with!(
        ?Send,
        number = context(log, name, teardown),
        async || -> LocalResult { body(number, error) }
    )
    .await
}

#[within(?Send, number = context(log, name, teardown))]
async fn as_a_function(
    log: Log,
    name: &'static str,
    teardown: &'static str,
    error: &str,
) -> LocalResult {
    body(number, error)
}

async fn with_a_guard(
    log: Log,
    name: &'static str,
    teardown: &'static str,
    error: &str,
) -> LocalResult {
    let mut guard = context(log, name, teardown).enter().await?;
    let ended = body(&mut guard, error);
    guard.exit_with_local(ended).await
}

async fn with_local(
    log: Log,
    name: &'static str,
    teardown: &'static str,
    error: &str,
) -> LocalResult {
    context(log, name, teardown)
        .with_local(async |number| body(number, error))
        .await
}

#[test_case(as_a_block)]
#[test_case(as_a_function)]
#[test_case(with_a_guard)]
#[test_case(with_local)]
#[tokio::test]
async fn the_context_sees_its_text(
    style: impl AsyncFn(Log, &'static str, &'static str, &str) -> LocalResult,
) {
    let reports = Reports::keep();
    let log = Log::new();
    let run = async |name, teardown, error| {
        let ended = style(log.clone(), name, teardown, error).await;
        ended.map_err(|error| error.0)
    };
    assert_eq!(run("a", "", "").await, Ok(2));
    assert_eq!(run("b", "", "body").await, Err("body".into()));
    assert_eq!(run("c", "teardown", "").await, Err("teardown".into()));
    assert_eq!(run("setup", "", "").await, Err("setup".into()));
    assert_eq!(reports.take(), Vec::<String>::new());

    assert_eq!(run("d", "teardown", "body").await, Err("body".into()));
    assert_eq!(
        reports.take(),
        ["context failed: Custom { kind: Other, error: \"teardown\" } after failed"]
    );
    // Whatever its `Debug` does, the error is the caller's.
    assert_eq!(run("e", "", "panics").await, Err("panics".into()));
    assert_eq!(
        log.take(),
        [
            "a: Completed",
            "b: failed with body",
            "c: Completed",
            "d: failed with body",
            "e: failed with an error whose Debug panics",
        ]
    );
}

/// The error can't go to the background with its context. Its text is reported.
#[test_case(as_a_block)]
#[test_case(as_a_function)]
#[test_case(with_a_guard)]
#[test_case(with_local)]
#[tokio::test]
async fn no_failure_is_lost(
    style: impl AsyncFn(Log, &'static str, &'static str, &str) -> LocalResult,
) {
    let reports = Reports::keep();
    let log = Log::new();
    {
        let mut run = pin!(style(log.clone(), "a", "", "body"));
        assert!(matches!(poll_once(run.as_mut()), Poll::Pending));
    }
    background::drain().await;
    assert_eq!(log.take(), ["a: failed with body"]);
    assert_eq!(reports.take(), ["context's body failed: body after failed"]);
}

#[async_context(suppress)]
async fn swallows() {
    yield_resource!().suppress();
}

#[tokio::test]
async fn an_error_that_is_swallowed() {
    let failed = || Local::new("body");
    let block = async_with!(?Send, _ = swallows(), async || -> LocalResult {
        Err(failed())
    });
    assert!(matches!(block.await, Ok(None)));

    #[within(?Send, swallows())]
    async fn function(error: Local) -> Result<(), Local> {
        Err(error)
    }
    assert!(function(failed()).await.is_ok());

    let Ok(guard) = swallows().enter().await;
    let ended: LocalResult = Err(failed());
    assert!(matches!(guard.exit_with_local(ended).await, Ok(None)));
}

/// Several contexts: `?Send` is for all of them, wherever it stands.
#[tokio::test]
async fn around_several_contexts() {
    let log = Log::new();
    let contexts = |name| context(log.clone(), name, "");
    let block = async_with!(
        outer = contexts("outer"),
        ?Send,
        _ = contexts("inner"),
        async { body(outer, "body") }
    );
    assert!(block.await.is_err());

    #[within(context(log.clone(), "outer", ""), ?Send)]
    #[within(context(log.clone(), "inner", ""))]
    async fn function(log: Log) -> Result<(), Box<dyn std::error::Error>> {
        Err("body".into())
    }
    assert!(function(log.clone()).await.is_err());
    let each = ["inner", "outer"];
    let expected = [("body", each), ("\"body\"", each)];
    let expected = expected
        .into_iter()
        .flat_map(|(error, names)| names.map(|name| format!("{name}: failed with {error}")));
    assert_eq!(log.take(), Vec::from_iter(expected));
}
