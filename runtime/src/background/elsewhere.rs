//! Where a context is torn down, if that isn't where it was entered.

use super::{
    Entered, Style,
    in_rollback::InRollback,
    lane::{Lane, Number},
    lane_range::LaneRange,
    outer, table,
    ticket::{Around, Ticket},
    unit::Unit,
};
use std::ops::Range;

/// The lane that a teardown began in, if it isn't its own, or isn't where it was.
pub(super) struct Elsewhere {
    lane: Lane,
    /// What is around all `with`s that this one is in.
    pub(super) root: Lane,
    /// For what has left the lanes around which it was entered, if this isn't one of them: whatever was entered before it by the same task looks there.
    left: Option<Lane>,
    /// When a rollback began that has dropped the context, and whose own one was entered by the same task: what has left that since was entered around it, and may
    /// wait for what it gives back.
    pub(super) until: Number,
    /// The lane of the rollback that it goes on in, if it goes on in one: where that was before, it was, too.
    past: Lane,
    /// The lanes around this one that what was entered after it may be in.
    inside_of: Option<Box<[Lane]>>,
    /// Whether it waits for other visitors there: it is known that they belong together.
    together: bool,
    /// When a rollback began that has dropped the context, if that was entered before, in the same lane as the rollback's own context.
    pub(super) rollback: Option<Number>,
}

/// Whether that lane in this context's root was around it: then the context counts as entered there, if it has left what it was entered in.
fn is_around(here: Lane, root: Lane, entered: &Entered) -> bool {
    let is_inside = |lane: Lane| lane != root && lane.owner().is_some();
    if !is_inside(here) || !is_inside(entered.lane) {
        return here.began_before(entered.number);
    }
    let is_owner = |lane: Lane| lane.owner() == here.owner();
    is_owner(entered.lane) || outer::lanes_around(entered.lane).any(is_owner)
}

impl Elsewhere {
    /// Where a context is exited, if that isn't its lane.
    #[cold]
    pub(super) fn awaited(entered: &Entered) -> Option<Self> {
        let here = Elsewhere::here(entered)?;
        Some(Elsewhere::at(here, here.0, entered))
    }

    /// Where a context was dropped, if that isn't its lane.
    #[inline]
    pub(super) fn dropped(entered: &Entered) -> Option<Self> {
        let here = Elsewhere::here(entered)?;
        Some(Elsewhere::dropped_at(here, entered))
    }

    /// The current lane and its root, if they aren't those of the context; its lane may have come to be in another root since: its future goes on in a rollback, or in another task.
    #[inline]
    fn here(entered: &Entered) -> Option<(Lane, Lane)> {
        let here = Lane::current_in_root();
        (here != (entered.lane, entered.root)).then_some(here)
    }

    #[cold]
    fn dropped_at(here: (Lane, Lane), entered: &Entered) -> Self {
        Elsewhere::at(here, entered.frame_lane(), entered)
    }

    fn at((here, root): (Lane, Lane), past: Lane, entered: &Entered) -> Self {
        let own_root = entered.root;
        let native = root == own_root && is_around(here, root, entered);
        let nested = !native && entered.style == Style::Guard;
        let rollback = InRollback::current().filter(|rollback| rollback.root == Some(own_root));
        Elsewhere {
            lane: here,
            root,
            left: (!native).then(|| own_root.left()),
            until: rollback.map_or(Number::MAX, |rollback| rollback.began),
            past,
            inside_of: match nested {
                true => table::lanes_around(here, root, entered.number),
                false => None,
            },
            together: native || InRollback::current().is_some() || Unit::is_dropped(),
            rollback: Elsewhere::rollback_around(entered),
        }
    }

    /// Whether the context is no visitor, but counts as entered in this lane: it was, in a `with` inside of it, which it has left.
    pub(super) fn is_native(&self) -> bool {
        self.left.is_none()
    }

    /// The lanes as those around the context.
    pub(super) fn around(&self) -> [Option<Around>; 2] {
        match self.left {
            None => [Some(Around::Entered(self.lane)), None],
            Some(left) => [
                Some(Around::Visited(self.lane)),
                Some(Around::Entered(left)),
            ],
        }
    }

    /// Takes the places of a context of that number.
    pub(super) fn places(&self, number: Number) -> [Option<Ticket>; 2] {
        self.around()
            .map(|around| around.map(|around| Ticket::new(around, number)))
    }

    /// When the rollback began that is running, if the context was entered before that, in the same lane as the rollback's own.
    fn rollback_around(entered: &Entered) -> Option<Number> {
        let rollback = InRollback::current()?;
        let is_around =
            entered.number < rollback.began && table::is_at_home(entered.lane, rollback.number);
        is_around.then_some(rollback.began)
    }

    pub(super) fn range_here(&self, numbers: Range<Number>) -> LaneRange {
        let range = match self.together {
            true => LaneRange::new(self.lane, numbers),
            false => LaneRange::natives(self.lane, numbers),
        };
        let range = range.and_past_of(self.past);
        range.and_around(self.inside_of.clone())
    }
}
