//! An entered context: its number, its lane, and where that was.

use super::{
    Stuck,
    lane::{self, InLane, Lane, Number, Pending, RuntimeId, Settled, Ticket},
};
use crate::Definition;
use std::panic::Location;

/// What is known of a context from the moment it is entered.
#[derive(Clone, Copy, Debug)]
pub struct Entered {
    pub(crate) definition: Definition,
    pub(crate) at: &'static Location<'static>,
    lane: Lane,
    number: Number,
    style: Style,
}

/// How a context was entered, which decides what is below it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    /// With a guard: what its lane entered later is below it.
    Guard,
    /// Around a body: what the body entered is below it.
    Body,
}

impl Entered {
    #[inline]
    pub(crate) fn now(
        definition: Definition,
        at: &'static Location<'static>,
        style: Style,
    ) -> Self {
        Entered {
            definition,
            at,
            lane: Lane::current(),
            number: lane::next_number(),
            style,
        }
    }

    /// The lane of what the body enters.
    #[inline]
    pub(crate) fn body_lane(&self) -> Lane {
        Lane::Body(self.number)
    }

    /// Makes this context's own lane the current one: for its setup and teardown.
    #[inline]
    pub(crate) fn in_lane(&self) -> InLane {
        self.lane.enter()
    }

    /// Waits for the rollbacks started below this context.
    #[inline]
    pub(crate) fn settled(&self) -> Settled {
        match self.style {
            Style::Guard => Settled::new(self.lane, self.number),
            Style::Body => Settled::new(self.body_lane(), 0),
        }
    }

    pub(crate) fn ticket(&self, runtime: RuntimeId) -> Ticket {
        Ticket::new(
            self.lane,
            Pending {
                number: self.number,
                runtime,
                stuck: Stuck {
                    definition: self.definition,
                    entered: self.at,
                },
            },
        )
    }
}
