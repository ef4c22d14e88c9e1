//! All runs of a scenario, and the shortest that shows a problem.

use super::{
    Cut, Injection, Problem, Recorder,
    run::{Ran, run},
};
use std::fmt;

/// A scenario that shows no problem, and how far that was looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Explored {
    /// How often the scenario was run.
    pub runs: usize,
    /// How many polls it takes when nothing is done to it.
    pub polls: usize,
    /// How many steps it has then.
    pub steps: usize,
}

/// A cut that shows a problem: the shortest one.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    cut: Cut,
    problems: Vec<Problem>,
    trace: Vec<String>,
}

impl Found {
    /// What is done to the scenario.
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// What is wrong then.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// What happened in that run, in order.
    pub fn trace(&self) -> &[String] {
        &self.trace
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        writeln!(f, "in this run:")?;
        for line in &self.trace {
            writeln!(f, "    {line}")?;
        }
        writeln!(f, "to see it again:")?;
        write!(
            f,
            "    contextlib::testkit::replay(\"{}\", scenario).unwrap();",
            self.cut
        )
    }
}

/// As it is displayed: an `unwrap` shows it in a failing test.
impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Found {}

/// Looks for a cut of the scenario that shows a problem: all its runs, the shortest first.
///
/// The cancellation of contexts with `on_cancel = block` and `spawn_local` is tested elsewhere: see
/// [there](crate::testkit#contexts-whose-policy-needs-another-runtime).
///
/// # Errors
/// The shortest such cut.
///
/// # Panics
/// Inside a runtime.
#[track_caller]
pub fn explore<T>(scenario: impl AsyncFn(Recorder) -> T) -> Result<Explored, Found> {
    outside_of_a_runtime();
    let mut search = Search {
        scenario: &scenario,
        runs: 0,
        steps: 0,
    };
    let whole = search.attempt(Cut::default())?;
    search.drop_after_each(None, whole.polls)?;
    let mut step = 1;
    while step <= search.steps {
        for injection in [Injection::Failure, Injection::Panic] {
            let inject = Some((step, injection));
            let to_the_end = search.attempt(Cut {
                inject,
                drop_after: None,
            })?;
            search.drop_after_each(inject, to_the_end.polls)?;
        }
        step += 1;
    }
    Ok(Explored {
        runs: search.runs,
        polls: whole.polls,
        steps: whole.steps,
    })
}

/// The runs of a scenario so far.
struct Search<'s, S> {
    scenario: &'s S,
    runs: usize,
    /// How many steps the longest of them had. A rollback may have more than what it takes the place of: that one fails at each of them too.
    steps: usize,
}

impl<T, S: AsyncFn(Recorder) -> T> Search<'_, S> {
    fn attempt(&mut self, cut: Cut) -> Result<Ran, Found> {
        self.runs += 1;
        let ran = run(self.scenario, cut);
        self.steps = self.steps.max(ran.steps);
        match ran.problems.is_empty() {
            true => Ok(ran),
            false => Err(shrink(self.scenario, found(cut, ran))),
        }
    }

    fn drop_after_each(
        &mut self,
        inject: Option<(usize, Injection)>,
        polls: usize,
    ) -> Result<(), Found> {
        // Not after the last poll, in which the scenario ends.
        for polls in 0..polls {
            self.attempt(Cut {
                inject,
                drop_after: Some(polls),
            })?;
        }
        Ok(())
    }
}

/// [`explore`] for a test.
///
/// The cancellation of contexts with `on_cancel = block` and `spawn_local` is tested elsewhere: see
/// [there](crate::testkit#contexts-whose-policy-needs-another-runtime).
///
/// # Panics
/// If there is such a cut, with a text that says what is wrong, what happened, and how to see it again. Inside a runtime.
#[track_caller]
pub fn check<T>(scenario: impl AsyncFn(Recorder) -> T) -> Explored {
    match explore(scenario) {
        Ok(explored) => explored,
        Err(found) => panic!("{found}"),
    }
}

/// Runs the scenario once, with a cut that [`check`] has printed.
///
/// A cut beyond the scenario's end cuts nothing: this is for the time that a bug is being mended. To see that it stays mended, [`check`] again.
///
/// # Errors
/// What that run shows.
///
/// # Panics
/// If the text is no [`Cut`]. Inside a runtime.
///
/// ```
/// use contextlib::testkit::{self, Problem, Recorder};
///
/// let forgets = async |record: Recorder| {
///     record.acquired("lock");
///     let _ = record.step("work").await;
///     record.released("lock");
/// };
/// testkit::replay("fail@1", forgets).unwrap();
/// let found = testkit::replay("drop@1", forgets).unwrap_err();
/// assert_eq!(found.problems(), [Problem::NotReleased("lock")]);
/// ```
#[track_caller]
pub fn replay<T>(cut: &str, scenario: impl AsyncFn(Recorder) -> T) -> Result<(), Found> {
    outside_of_a_runtime();
    let cut: Cut = match cut.parse() {
        Ok(cut) => cut,
        Err(error) => panic!("{error}"),
    };
    let ran = run(&scenario, cut);
    match ran.problems.is_empty() {
        true => Ok(()),
        false => Err(found(cut, ran)),
    }
}

/// Panics inside a runtime: each run has a runtime of its own, which can't be started inside another one.
#[track_caller]
fn outside_of_a_runtime() {
    assert!(
        tokio::runtime::Handle::try_current().is_err(),
        "the testkit runs its scenario on runtimes of its own: call it in a plain `#[test]` function, not in that of a `#[tokio::test]`"
    );
}

fn found(cut: Cut, ran: Ran) -> Found {
    Found {
        cut,
        problems: ran.problems,
        trace: ran.trace,
    }
}

/// The shortest cut that shows a problem: with less done to the scenario, and earlier.
fn shrink<T>(scenario: &impl AsyncFn(Recorder) -> T, first: Found) -> Found {
    let mut best = first;
    loop {
        let mut shorter = simpler(best.cut);
        shorter.sort_by_key(Cut::length);
        let next = shorter.into_iter().find_map(|cut| {
            let ran = run(scenario, cut);
            (!ran.problems.is_empty()).then(|| found(cut, ran))
        });
        match next {
            Some(next) => best = next,
            None => return best,
        }
    }
}

/// Every cut with less done to the scenario, or the same done earlier.
fn simpler(cut: Cut) -> Vec<Cut> {
    let earlier = |at: Option<usize>, from: usize| -> Vec<Option<usize>> {
        let earlier = at.map_or(from..from, |at| from..at + 1).map(Some);
        [None].into_iter().chain(earlier).collect()
    };
    let mut cuts = Vec::new();
    for step in earlier(cut.inject.map(|(step, _)| step), 1) {
        for drop_after in earlier(cut.drop_after, 0) {
            let inject = match (step, cut.inject) {
                (Some(step), Some((_, injection))) => Some((step, injection)),
                _ => None,
            };
            let simpler = Cut { inject, drop_after };
            if simpler.length() < cut.length() {
                cuts.push(simpler);
            }
        }
    }
    cuts
}
