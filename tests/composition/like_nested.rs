//! A tuple does what one `with` inside another does: every way in which up to three contexts and a body can end, compared.

use contextlib::{
    Exit, IntoContextManager, async_context, background, kind::Suppressing, yield_resource,
};
use contextlib_tests::{Reports, quiet};
use futures::FutureExt;
use std::{
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

/// What a context is to do.
#[derive(Clone, Copy, Debug)]
struct Plan {
    setup: Does,
    teardown: Does,
    suppresses: bool,
    /// After how many lines of the log it drops its yield point, and what it does then.
    leaves: Option<(usize, Does)>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Does {
    Succeed,
    Fail,
    Panic,
}
use Does::*;

impl Does {
    async fn now(self, what: String) -> Result<(), Failed> {
        tokio::task::yield_now().await;
        match self {
            Succeed => Ok(()),
            Fail => Err(Failed(what)),
            Panic => std::panic::panic_any(what),
        }
    }
}

struct Failed(String);
struct App(String);

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl From<Failed> for App {
    fn from(Failed(text): Failed) -> Self {
        App(text)
    }
}

#[derive(Clone)]
struct Log {
    run: u32,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Log {
    fn add(&self, line: impl Into<String>) {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line.into());
    }
}

/// Polls `future` so many times, unless it is over before.
struct Polls<F>(Pin<Box<F>>, u32);

impl<F: Future> Future for Polls<F> {
    type Output = Option<F::Output>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        if let Poll::Ready(output) = self.0.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        if self.1 == 0 {
            return Poll::Ready(None);
        }
        self.1 -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Polls `future` until it is over, or has been polled when something holds.
struct Until<F, U>(Pin<Box<F>>, U);

impl<F: Future, U: Fn() -> bool + Unpin> Future for Until<F, U> {
    type Output = Option<F::Output>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        match self.0.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if (self.1)() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

#[async_context(suppress)]
async fn member(log: Log, name: char, plan: Plan) -> Result<(), Failed> {
    let say = |what: &str| format!("{} {name} {what}", log.run);
    plan.setup.now(say("setup")).await?;
    log.add(format!("{name} entered"));
    let ended = {
        let at_yield = async {
            let ((), exit) = yield_resource!(move ());
            exit
        };
        Until(Box::pin(at_yield), || {
            let lines = log.lines.lock().unwrap_or_else(PoisonError::into_inner);
            plan.leaves.is_some_and(|(leaves, _)| lines.len() >= leaves)
        })
        .await
    };
    let Some(exit): Option<Exit<'_, Suppressing>> = ended else {
        log.add(format!("{name} left"));
        tokio::task::yield_now().await;
        return plan.leaves.unwrap().1.now(say("left")).await;
    };
    let seen = match exit {
        Exit::Failed(error) => format!("{error:?}"),
        Exit::Panicked(panic) => format!("panic {:?}", panic.message()),
        exit => format!("{exit:?}"),
    };
    log.add(format!("{name} is told {seen}"));
    if plan.suppresses {
        exit.suppress();
    }
    let torn = plan.teardown.now(say("teardown")).await;
    log.add(format!("{name} is over"));
    torn?
}

/// What comes out: a value, no value, an error, a panic.
type Result_ = String;

async fn outcome<R: fmt::Debug>(run: impl Future<Output = Result<R, App>>) -> Result_ {
    match AssertUnwindSafe(run).catch_unwind().await {
        // Whichever of the contexts has swallowed it.
        Ok(Ok(value)) if format!("{value:?}").contains("None") => String::from("no value"),
        Ok(Ok(value)) if format!("{value:?}").contains('1') => String::from("the value"),
        Ok(Ok(_)) => unreachable!(),
        Ok(Err(error)) => format!("{error:?}"),
        Err(payload) => format!("panic {:?}", payload.downcast_ref::<String>()),
    }
}

async fn body(log: Log, does: Does) -> Result<u8, App> {
    log.add("body");
    does.now(format!("{} body", log.run))
        .await
        .map_err(App::from)?;
    Ok(1)
}

async fn nested(log: Log, plans: &[Plan], does: Does) -> Result_ {
    let context = |at: usize| member(log.clone(), char::from(b'a' + at as u8), plans[at]);
    match plans.len() {
        2 => {
            outcome(context(0).with(async |()| {
                context(1)
                    .with(async |()| body(log.clone(), does).await)
                    .await
            }))
            .await
        }
        _ => {
            outcome(context(0).with(async |()| {
                context(1)
                    .with(async |()| {
                        context(2)
                            .with(async |()| body(log.clone(), does).await)
                            .await
                    })
                    .await
            }))
            .await
        }
    }
}

/// A tuple; of three, in one of the ways to nest them.
async fn tuple(log: Log, plans: &[Plan], does: Does, shape: u8) -> Result_ {
    let context = |at: usize| member(log.clone(), char::from(b'a' + at as u8), plans[at]);
    match (plans.len(), shape) {
        (2, _) => {
            outcome((context(0), context(1)).with(async |_| body(log.clone(), does).await)).await
        }
        (_, 0) => {
            outcome(
                (context(0), context(1), context(2)).with(async |_| body(log.clone(), does).await),
            )
            .await
        }
        (_, 1) => {
            outcome(
                (context(0), (context(1), context(2)))
                    .with(async |_| body(log.clone(), does).await),
            )
            .await
        }
        _ => {
            outcome(
                ((context(0),), context(1), context(2))
                    .with(async |_| body(log.clone(), does).await),
            )
            .await
        }
    }
}

/// Drives a future until it is over, or drops it after so many polls, and waits for the rollbacks.
async fn drive<F: Future>(future: F, polls: Option<u32>) -> Option<F::Output> {
    let output = match polls {
        None => Some(future.await),
        Some(polls) => Polls(Box::pin(future), polls).await,
    };
    background::drain().await;
    output
}

/// A context that doesn't wrap its body.
#[async_context(suppress)]
async fn plain(log: Log, name: char, plan: Plan) -> Result<(), Failed> {
    let say = |what: &str| format!("{} {name} {what}", log.run);
    plan.setup.now(say("setup")).await?;
    log.add(format!("{name} entered"));
    let exit = yield_resource!();
    log.add(format!("{name} is told {:?}", exit.kind()));
    if plan.suppresses {
        exit.suppress();
    }
    let torn = plan.teardown.now(say("teardown")).await;
    log.add(format!("{name} is over"));
    torn?
}

async fn with_plain(log: Log, plans: &[Plan], does: Does) -> Result_ {
    let context = |at: usize| plain(log.clone(), char::from(b'a' + at as u8), plans[at]);
    outcome((context(0), context(1), context(2)).with(async |_| body(log.clone(), does).await))
        .await
}

async fn guarded(log: Log, plans: &[Plan], does: Does) -> Result_ {
    let context = |at: usize| plain(log.clone(), char::from(b'a' + at as u8), plans[at]);
    let all = (context(0), context(1), context(2))
        .into_context_manager()
        .err_into::<App>();
    outcome(async {
        let guard = all.enter().await?;
        let returned = body(log.clone(), does).await;
        guard.exit_with(returned).await
    })
    .await
}

/// A guard does what `with` does, as far as it can: it doesn't see a panic, and where a setup's failure is swallowed there is nothing to enter.
#[tokio::test]
async fn entered_with_a_guard() {
    let _quiet = quiet();
    let mut recorder = Recorder::new();
    let all = plans(&[None]);
    for a in &all {
        for b in &all {
            for c in &all {
                let plans = [*a, *b, *c];
                for does in [Succeed, Fail] {
                    let expected = recorder
                        .run(None, |log| with_plain(log, &plans, does))
                        .await;
                    let mut got = recorder.run(None, |log| guarded(log, &plans, does)).await;
                    let skipped = !expected.lines.contains(&String::from("body"));
                    if skipped && expected.output.as_deref() == Some("no value") {
                        assert_ne!(got.output, expected.output);
                        got.output = expected.output.clone();
                    }
                    if got != expected {
                        panic!(
                            "body: {does:?}, contexts: {plans:#?}\nwith: {expected:#?}\nguard: {got:#?}"
                        );
                    }
                }
            }
        }
    }
}

/// Dropped at any poll, a tuple tears down what it had entered, the inner ones first, once.
#[tokio::test]
async fn cancelled() {
    let _quiet = quiet();
    let mut recorder = Recorder::new();
    for does in [Succeed, Fail, Panic] {
        let all = plans(&[None]);
        let torn = all
            .iter()
            .filter(|plan| plan.setup == Succeed && !plan.suppresses);
        for &plan in torn {
            let plans = [plan; 3];
            for guard in [false, true] {
                for polls in 0.. {
                    let trace = recorder
                        .run(Some(polls), async |log| match guard {
                            false => tuple(log, &plans, does, 0).await,
                            true => guarded(log, &plans, does).await,
                        })
                        .await;
                    let names = |what: &str| -> Vec<char> {
                        let lines = trace.lines.iter().filter(|line| line.contains(what));
                        lines.map(|line| line.chars().next().unwrap()).collect()
                    };
                    let mut told = names("told");
                    told.reverse();
                    assert_eq!(told, names("entered"), "{polls} polls: {trace:?}");
                    if plan.teardown != Panic {
                        assert_eq!(names("over").len(), told.len(), "{polls} polls: {trace:?}");
                    }
                    if trace.output.is_some() {
                        assert!(polls > 2);
                        break;
                    }
                }
            }
        }
    }
}

fn plans(leaves: &[Option<(usize, Does)>]) -> Vec<Plan> {
    let mut plans = Vec::new();
    for &leaves in leaves {
        for setup in [Succeed, Fail, Panic] {
            let open = setup == Succeed;
            for teardown in if open {
                &[Succeed, Fail, Panic][..]
            } else {
                &[Succeed]
            } {
                for suppresses in if open { &[false, true][..] } else { &[false] } {
                    plans.push(Plan {
                        setup,
                        teardown: *teardown,
                        suppresses: *suppresses,
                        leaves,
                    });
                }
            }
        }
    }
    plans
}

/// What one run did: what it said, what came out, what was reported.
#[derive(PartialEq, Debug)]
struct Trace {
    lines: Vec<String>,
    output: Option<Result_>,
    reports: Vec<String>,
}

impl Trace {
    fn failures(&self) -> Vec<String> {
        let mut failures = self.reports.clone();
        match self.output.as_deref() {
            None | Some("no value" | "the value") => {}
            Some(output) => match output.strip_prefix("panic Some(") {
                Some(panic) => {
                    failures.push(format!("panicked: {}", panic.trim_matches(['"', ')'])))
                }
                None => failures.push(format!("failed: {output}")),
            },
        }
        failures.sort();
        failures
    }

    fn tells_no_less_than(&self, other: &Trace) -> bool {
        let mut failures = self.failures();
        let all = other.failures().iter().all(|failure| {
            let at = failures.iter().position(|other| other == failure);
            at.map(|at| failures.remove(at)).is_some()
        });
        all && failures.len() <= 1
    }
}

struct Recorder {
    reports: Reports,
    run: u32,
}

impl Recorder {
    fn new() -> Self {
        let reports = Reports::keep();
        Recorder { reports, run: 0 }
    }

    async fn run<F: Future<Output = Result_>>(
        &mut self,
        polls: Option<u32>,
        run: impl FnOnce(Log) -> F,
    ) -> Trace {
        self.run += 1;
        drop(self.reports.take_failures());
        let log = Log {
            run: self.run,
            lines: Arc::default(),
        };
        let output = drive(run(log.clone()), polls).await;
        let plain = |text: String| text.replace(&format!("{} ", self.run), "");
        let mut reports: Vec<_> = self
            .reports
            .take_failures()
            .into_iter()
            .map(plain)
            .collect();
        reports.sort();
        Trace {
            lines: log
                .lines
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .drain(..)
                .map(plain)
                .collect(),
            output: output.map(plain),
            reports,
        }
    }
}

fn left(trace: &Trace) -> bool {
    trace.lines.iter().any(|line| line.ends_with(" left"))
}

async fn compare(members: &[Vec<Plan>], every: usize, leaves: bool, at_least: usize) {
    let _quiet = quiet();
    let mut recorder = Recorder::new();
    let mut counted = 0;
    let mut compared = 0;
    let mut ties = 0;
    let mut at = vec![0; members.len()];
    loop {
        let plan: Vec<Plan> = at
            .iter()
            .zip(members)
            .map(|(at, plans)| plans[*at])
            .collect();
        counted += 1;
        if counted % every == 0 {
            for does in [Succeed, Fail, Panic] {
                let mut expected = recorder.run(None, |log| nested(log, &plan, does)).await;
                for shape in 0..if plan.len() == 2 { 1 } else { 3 } {
                    let mut got = recorder
                        .run(None, |log| tuple(log, &plan, does, shape))
                        .await;
                    if leaves {
                        // A tuple inside a tuple is one context, whose teardown goes on with the exit that it had.
                        if shape == 1 {
                            continue;
                        }
                        // Where what is inside a context was over in that very poll, a `with` has gone on to its teardown; a tuple asks the
                        // context once more before it does.
                        if left(&got) && !left(&expected) {
                            ties += 1;
                            continue;
                        }
                        got.lines.sort();
                        expected.lines.sort();
                        // With a `with` that is dropped in its teardown the failure that it would have returned is gone; a tuple tells it.
                        if got.tells_no_less_than(&expected) {
                            got.output = expected.output.clone();
                            got.reports = expected.reports.clone();
                        }
                    }
                    if got != expected {
                        panic!(
                            "body: {does:?}, shape {shape}, contexts: {plan:#?}\nnested: {expected:#?}\ntuple: {got:#?}"
                        );
                    }
                    compared += 1;
                }
            }
        }
        let Some(next) = (0..at.len()).find(|i| at[*i] + 1 < members[*i].len()) else {
            break;
        };
        at[next] += 1;
        at[..next].fill(0);
    }
    assert!(compared >= at_least, "{compared}");
    assert!(ties * 5 < compared, "{ties} of {compared}");
}

#[tokio::test]
async fn two() {
    compare(&[plans(&[None]), plans(&[None])], 1, false, 192).await;
}

#[tokio::test]
async fn three() {
    compare(
        &[plans(&[None]), plans(&[None]), plans(&[None])],
        1,
        false,
        4608,
    )
    .await;
}

/// `lines`: in the setup of what is inside, in the body, in its teardown, after it.
fn leaving(lines: &[usize]) -> Vec<Plan> {
    let mut leaves = Vec::new();
    for &lines in lines {
        for does in [Succeed, Fail, Panic] {
            leaves.push(Some((lines, does)));
        }
    }
    plans(&leaves)
}

/// A context drops its yield point, with what is inside it in its setup, its body or its teardown. The order is another one then: in a tuple what is
/// inside is torn down before the context goes on, and not beside it.
#[tokio::test]
async fn one_that_leaves() {
    compare(&[leaving(&[1, 3, 4, 5]), plans(&[None])], 1, true, 1000).await;
    compare(&[plans(&[None]), leaving(&[3])], 1, true, 500).await;
}

#[tokio::test]
async fn of_three() {
    let outermost = leaving(&[1, 2, 4, 5, 6, 7]);
    compare(&[outermost, plans(&[None]), plans(&[None])], 11, true, 1000).await;
    let middle = leaving(&[2, 4, 5, 6]);
    compare(&[plans(&[None]), middle, plans(&[None])], 11, true, 1000).await;
}
