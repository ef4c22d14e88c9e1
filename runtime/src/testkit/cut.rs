//! What is done to one run of a scenario.

use std::{fmt, str::FromStr};

/// What is done to one run of a scenario: where it is dropped, and what is injected.
///
/// Written as text, which [`replay`](super::replay) takes: `drop@3` drops the scenario after its third poll, `fail@2` makes its second step fail, `panic@2`
/// makes it panic, `fail@2 drop@5` does both. The empty text is a run to the end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Cut {
    // The order of the fields is that of the derived `Ord`: by it, of two cuts the simpler one is the lesser.
    pub(super) inject: Option<(usize, Injection)>,
    pub(super) drop_after: Option<usize>,
}

/// What is injected at a step.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Injection {
    /// The step returns [`Injected`](super::Injected).
    Failure,
    /// The step panics.
    Panic,
}

impl Cut {
    /// The number of polls after which the scenario is dropped.
    pub fn drop_after(&self) -> Option<usize> {
        self.drop_after
    }

    /// The number of the step, from 1, and what is injected there.
    pub fn injection(&self) -> Option<(usize, Injection)> {
        self.inject
    }

    /// How much it does, and how late: of two cuts that show a problem, the one with less is the better.
    pub(super) fn length(&self) -> (usize, usize) {
        let parts = usize::from(self.inject.is_some()) + usize::from(self.drop_after.is_some());
        let at = self.inject.map_or(0, |(step, _)| step) + self.drop_after.unwrap_or(0);
        (parts, at)
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((step, injection)) = self.inject {
            let what = match injection {
                Injection::Failure => "fail",
                Injection::Panic => "panic",
            };
            write!(f, "{what}@{step}")?;
            if self.drop_after.is_some() {
                f.write_str(" ")?;
            }
        }
        match self.drop_after {
            Some(polls) => write!(f, "drop@{polls}"),
            None => Ok(()),
        }
    }
}

/// A text that is no [`Cut`], or says twice where to cut.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseCutError(String);

impl fmt::Display for ParseCutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is none of `drop@N`, `fail@N` and `panic@N`, with an N from 1 on for the last two; or it is the second `drop`, or the second of the others",
            self.0
        )
    }
}

impl std::error::Error for ParseCutError {}

impl FromStr for Cut {
    type Err = ParseCutError;

    fn from_str(text: &str) -> Result<Self, ParseCutError> {
        let mut cut = Cut::default();
        for word in text.split_whitespace() {
            let error = || ParseCutError(word.to_owned());
            let (what, at) = word.split_once('@').ok_or_else(error)?;
            let at: usize = at.parse().map_err(|_| error())?;
            let is_second = match (what, at) {
                ("drop", polls) => cut.drop_after.replace(polls).is_some(),
                // Steps are counted from 1 on.
                (_, 0) => return Err(error()),
                ("fail", step) => cut.inject.replace((step, Injection::Failure)).is_some(),
                ("panic", step) => cut.inject.replace((step, Injection::Panic)).is_some(),
                _ => return Err(error()),
            };
            if is_second {
                return Err(error());
            }
        }
        Ok(cut)
    }
}
