//! One run of a scenario.

use super::{Cut, Problem, Recorder, listener::Listener, recorder::InjectedPanic, tasks::Idle};
use crate::{background::drain_timeout, report};
use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

/// Longer than anything takes that ends at all, in virtual time.
pub(super) const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// What a run has come to.
pub(super) struct Ran {
    pub(super) problems: Vec<Problem>,
    pub(super) trace: Vec<String>,
    pub(super) polls: usize,
    pub(super) steps: usize,
}

/// Runs the scenario once.
///
/// # Panics
/// Inside of a runtime.
pub(super) fn run<T>(scenario: &impl AsyncFn(Recorder) -> T, cut: Cut) -> Ran {
    let recorder = Recorder::new(cut);
    let listener = Listener::new(&recorder);
    let idle = Arc::new(Idle::new());
    let parked = idle.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .on_thread_park(move || parked.again())
        .build()
        .expect("a runtime of one thread");
    let polls = runtime.block_on(async {
        let mut polls = 0;
        if tokio::time::timeout(FOREVER, drive(scenario, cut, &recorder, &mut polls))
            .await
            .is_err()
        {
            recorder.problem(Problem::Hung);
        }
        recorder.over();
        // Before the drain: the rollbacks of an aborted task begin only when the runtime drops it.
        idle.tasks_over().await;
        if let Err(stuck) = drain_timeout(FOREVER).await {
            recorder.problem(Problem::Stuck(stuck.to_string()));
        }
        polls
    });
    // Before the runtime is dropped, and with it what is stuck: reports of that are nothing new.
    drop(listener);
    let steps = recorder.steps();
    let (problems, trace) = recorder.close();
    drop(runtime);
    Ran {
        problems,
        trace,
        polls,
        steps,
    }
}

/// Polls the scenario to its end, or as often as the cut says, and drops it.
async fn drive<T>(
    scenario: &impl AsyncFn(Recorder) -> T,
    cut: Cut,
    recorder: &Recorder,
    polls: &mut usize,
) {
    let mut future = pin!(Some(scenario(recorder.clone())));
    let result = poll_fn(|cx| {
        if cut.drop_after == Some(*polls) {
            return Poll::Ready(Ok(None));
        }
        *polls += 1;
        let Some(scenario) = future.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(None));
        };
        match catch_unwind(AssertUnwindSafe(|| scenario.poll(cx))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(Some(output))),
            Ok(Poll::Pending) if cut.drop_after == Some(*polls) => Poll::Ready(Ok(None)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(payload) => Poll::Ready(Err(payload)),
        }
    })
    .await;
    if matches!(result, Ok(None)) {
        recorder.note(format!("dropped after poll {polls}"));
    }
    let ended = catch_unwind(AssertUnwindSafe(|| {
        future.set(None);
        result.map(drop)
    }));
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(payload)) | Err(payload) => panicked(recorder, payload),
    }
}

fn panicked(recorder: &Recorder, payload: Box<dyn Any + Send>) {
    if !payload.is::<InjectedPanic>() {
        let message = report::message(&*payload).unwrap_or("a payload that is no text");
        recorder.problem(Problem::Panicked(message.to_owned()));
    }
    report::discard(payload);
}
