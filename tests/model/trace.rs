//! What happens in a run, as the model foretells it and as it was; and whether both agree.

use crate::tree::Id;
use std::{
    collections::BTreeMap,
    fmt::{self, Debug, Formatter, Write},
};

/// Each of them happens once, or not at all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Event {
    SetupBegins(Id),
    SetUp(Id),
    BodyBegins(Id),
    /// However it ends: its variables are dropped.
    BodyIsGone(Id),
    TeardownBegins(Id, Told),
    TornDown(Id),
    /// The context has dropped its yield point.
    Left(Id),
    /// However it ends: its frame's variables are dropped.
    FrameIsGone(Id),
    /// What the caller gets.
    Returned(Id, Result<Option<Id>, Failure>),
    /// What the caller gets of a context's `outcome`.
    Outcome(Id, Option<Result<Id, Failure>>, bool, Result<(), Failure>),
}

/// What a teardown is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Told {
    Completed,
    Failed(Failure),
    Panicked(Failure),
    Cancelled,
    /// A callback isn't.
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Failure {
    Setup(Id),
    Body(Id),
    Teardown(Id),
    Left(Id),
    Elapsed,
}

impl From<contextlib::contexts::Elapsed> for Failure {
    fn from(_: contextlib::contexts::Elapsed) -> Self {
        Failure::Elapsed
    }
}

/// How the whole tree ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Returned(Result<Option<Id>, Failure>),
    Panicked(Failure),
    Dropped,
}

/// What happens one after the other: what the caller sees, and each rollback. Strands run beside one another, but for what is said here.
#[derive(Default)]
pub(crate) struct Strand {
    pub(crate) events: Vec<Event>,
    /// It begins after so many events of another one.
    pub(crate) begins_after: Option<(usize, usize)>,
    /// So many of its events come before, and the others after, the end of those strands.
    pub(crate) waits: Vec<(usize, Vec<usize>)>,
    /// When it is over.
    pub(crate) ends_at: u64,
}

/// What the model says.
pub(crate) struct Foretold {
    pub(crate) strands: Vec<Strand>,
    pub(crate) end: End,
    pub(crate) reports: Vec<String>,
    /// Guards and stacks that are dropped un-exited.
    pub(crate) unexited: usize,
    /// Suspension points on the caller's side.
    pub(crate) steps: usize,
}

/// What was.
pub(crate) struct Seen {
    pub(crate) events: Vec<Event>,
    pub(crate) end: End,
    pub(crate) reports: Vec<String>,
    pub(crate) unexited: usize,
}

impl Debug for Foretold {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, strand) in self.strands.iter().enumerate() {
            write!(f, "foretold, strand {at}")?;
            if let Some((other, count)) = strand.begins_after {
                write!(f, " (begins after {count} events of strand {other})")?;
            }
            for (count, others) in strand.waits.iter().filter(|(_, others)| !others.is_empty()) {
                write!(f, " (after {count} events it waits for {others:?})")?;
            }
            writeln!(f, ": {:?}", strand.events)?;
        }
        Ok(())
    }
}

impl Debug for Seen {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "seen: {:?}", self.events)
    }
}

/// What differs; nothing, if all is well.
pub(crate) fn differences(foretold: &Foretold, seen: &Seen) -> String {
    let mut all = String::new();
    let mut say = |what: String| writeln!(all, "- {what}").expect("a text grows");
    let mut when = BTreeMap::new();
    for (at, event) in seen.events.iter().enumerate() {
        if when.insert(*event, at).is_some() {
            say(format!("{event:?} happened twice"));
        }
    }
    let expected: Vec<_> = foretold
        .strands
        .iter()
        .flat_map(|strand| &strand.events)
        .collect();
    for event in &expected {
        if !when.contains_key(event) {
            say(format!("{event:?} didn't happen"));
        }
    }
    for event in &seen.events {
        if !expected.contains(&event) {
            say(format!("{event:?} happened, and should not have"));
        }
    }
    let at = |event: &Event| when.get(event).copied();
    let mut in_order = |before: Option<&Event>, after: Option<&Event>| {
        let (Some(before), Some(after)) = (before, after) else {
            return;
        };
        match (at(before), at(after)) {
            (Some(first), Some(second)) if first > second => {
                say(format!("{after:?} came before {before:?}"));
            }
            _ => {}
        }
    };
    for strand in &foretold.strands {
        for pair in strand.events.windows(2) {
            in_order(Some(&pair[0]), Some(&pair[1]));
        }
        if let Some((other, count)) = strand.begins_after {
            let before = foretold.strands[other].events[..count].last();
            in_order(before, strand.events.first());
        }
        for (count, others) in &strand.waits {
            for other in others {
                in_order(
                    foretold.strands[*other].events.last(),
                    strand.events.get(*count),
                );
            }
        }
    }
    if foretold.end != seen.end {
        say(format!(
            "it ended with {:?} instead of {:?}",
            seen.end, foretold.end
        ));
    }
    let sorted = |reports: &[String]| {
        let mut sorted = reports.to_vec();
        sorted.sort();
        sorted
    };
    if sorted(&foretold.reports) != sorted(&seen.reports) {
        say(format!(
            "the reports are {:?} instead of {:?}",
            seen.reports, foretold.reports
        ));
    }
    if foretold.unexited != seen.unexited {
        say(format!(
            "{} were dropped un-exited instead of {}",
            seen.unexited, foretold.unexited
        ));
    }
    all
}
