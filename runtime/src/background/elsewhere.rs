//! Where a context is torn down, if that isn't where it was entered. The words are explained in [`lane`](mod@super::lane).

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

/// Where the teardown of a context begins, which isn't in the lane and the root that it was entered in.
pub(super) struct Elsewhere {
    lane: Lane,
    /// The root of that lane.
    pub(super) root: Lane,
    /// If the context is a visitor there: the lane for what has left its own root. Whatever the same task entered before it looks there.
    left: Option<Lane>,
    /// If a rollback drops the context, and the same task had entered that rollback's context: when the rollback began. What has left the root since was entered
    /// around the rollback, and may wait for what it gives back. Else the highest number.
    pub(super) until: Number,
    /// The lane of the rollback that the context goes on in, if that is one: the context was in that lane's past, too.
    past: Lane,
    /// The lanes around `lane` in which there may be something that was entered after the context.
    inside_of: Option<Box<[Lane]>>,
    /// Whether the context waits for other visitors of `lane`, since it is known that they belong together.
    together: bool,
    /// If a rollback drops the context, which was entered before the rollback began and in the lane of that rollback's context: when the rollback began.
    pub(super) rollback: Option<Number>,
}

/// Whether the lane `here`, in the root of this context, was around the context. Then the context, which has left what it was entered in, counts as entered here.
fn is_around(here: Lane, root: Lane, entered: &Entered) -> bool {
    let is_inside = |lane: Lane| lane != root && lane.owner().is_some();
    if !is_inside(here) || !is_inside(entered.lane) {
        return here.began_before(entered.number);
    }
    let is_owner = |lane: Lane| lane.owner() == here.owner();
    is_owner(entered.lane) || outer::lanes_around(entered.lane).any(is_owner)
}

impl Elsewhere {
    /// Where a context is exited, if that isn't where it was entered.
    #[cold]
    pub(super) fn awaited(entered: &Entered) -> Option<Self> {
        let here = Elsewhere::here(entered)?;
        Some(Elsewhere::at(here, here.0, entered))
    }

    /// Where a context is dropped, if that isn't where it was entered.
    #[inline]
    pub(super) fn dropped(entered: &Entered) -> Option<Self> {
        let here = Elsewhere::here(entered)?;
        Some(Elsewhere::dropped_at(here, entered))
    }

    /// The current lane and its root, if they aren't those of the context. The root alone may differ: the future that the context was entered in goes on in a
    /// rollback, or in another task.
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

    /// Whether the context is no visitor here but counts as entered here: it was entered in a `with` inside this lane, which it has left.
    pub(super) fn is_native(&self) -> bool {
        self.left.is_none()
    }

    /// The lanes that count as around the context.
    pub(super) fn around(&self) -> [Option<Around>; 2] {
        match self.left {
            None => [Some(Around::Entered(self.lane)), None],
            Some(left) => [
                Some(Around::Visited(self.lane)),
                Some(Around::Entered(left)),
            ],
        }
    }

    /// Takes a place in each of these lanes for the context, whose number this is.
    pub(super) fn places(&self, number: Number) -> [Option<Ticket>; 2] {
        self.around()
            .map(|around| around.map(|around| Ticket::new(around, number)))
    }

    /// When the rollback began that is running, if the context was entered before that and in the lane of that rollback's context.
    fn rollback_around(entered: &Entered) -> Option<Number> {
        let rollback = InRollback::current()?;
        let is_around =
            entered.number < rollback.began && table::is_at_home(entered.lane, rollback.number);
        is_around.then_some(rollback.began)
    }

    /// What this context has to wait for here, of contexts with these numbers.
    pub(super) fn range_here(&self, numbers: Range<Number>) -> LaneRange {
        let range = match self.together {
            true => LaneRange::new(self.lane, numbers),
            false => LaneRange::natives(self.lane, numbers),
        };
        let range = range.and_past_of(self.past);
        range.and_around(self.inside_of.clone())
    }
}
