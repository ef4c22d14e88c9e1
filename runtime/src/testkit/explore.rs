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
/// # Errors
/// The shortest such cut.
///
/// # Panics
/// Inside of a runtime.
pub fn explore<T>(scenario: impl AsyncFn(Recorder) -> T) -> Result<Explored, Found> {
    let mut runs = 0;
    let mut attempt = |cut: Cut| -> Result<Ran, Found> {
        runs += 1;
        let ran = run(&scenario, cut);
        match ran.problems.is_empty() {
            true => Ok(ran),
            false => Err(shrink(&scenario, found(cut, ran))),
        }
    };
    let whole = attempt(Cut::default())?;
    let injections = (1..=whole.steps).flat_map(|step| {
        [Injection::Failure, Injection::Panic].map(|injection| Some((step, injection)))
    });
    for inject in [None].into_iter().chain(injections) {
        let to_the_end = Cut {
            inject,
            drop_after: None,
        };
        let polls = match inject {
            None => whole.polls,
            Some(_) => attempt(to_the_end)?.polls,
        };
        // The last poll is the one in which it ends.
        for polls in 0..polls {
            attempt(Cut {
                inject,
                drop_after: Some(polls),
            })?;
        }
    }
    Ok(Explored {
        runs,
        polls: whole.polls,
        steps: whole.steps,
    })
}

/// [`explore`] for a test.
///
/// # Panics
/// If there is such a cut, with a text that says what is wrong, what happened, and how to see it again. Inside of a runtime.
#[track_caller]
pub fn check<T>(scenario: impl AsyncFn(Recorder) -> T) -> Explored {
    match explore(scenario) {
        Ok(explored) => explored,
        Err(found) => panic!("{found}"),
    }
}

/// Runs the scenario once, with a cut that [`check`] has printed.
///
/// # Errors
/// What that run shows.
///
/// # Panics
/// If the text is no [`Cut`]. Inside of a runtime.
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
