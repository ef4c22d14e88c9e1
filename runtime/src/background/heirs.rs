//! What becomes of the rollbacks that are pending in a lane whose owner is gone. They are left to the lane around: a [`Ticket`] has a place there and stands for
//! them, until its [`Heir`] sees that they are over.

use super::{
    lane::{Lane, Number, number_before},
    lane_range::LaneRange,
    table::{any_pending, is_any_visited, table},
    ticket::{Around, Ticket},
    waiter::Waiter,
};
use std::{
    cell::RefCell,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Wake, Waker},
};

/// Leaves what is pending in `lane` to the lane `home` that its owner was entered in. If the owner ends elsewhere, leaves it also to the lane that it ends in, and
/// to the one for what has left its `root`.
pub(crate) fn leave_owned(lane: Lane, owner: Number, home: Lane, root: Lane) {
    leave(lane, owner, Around::Entered(home));
    let here = Lane::current();
    if here != home {
        leave(lane, owner, Around::Visited(here));
        leave(lane, owner, Around::Entered(root.left()));
    }
}

/// Leaves what is pending in `lane`, whose owner is gone, to a lane `around` it. The rollbacks of contexts that were entered after the owner count there as the
/// owner's.
#[inline]
pub(crate) fn leave(lane: Lane, owner: Number, around: Around) {
    if is_left_anything(lane, around) {
        leave_pending(LaneRange::new(lane, after(owner)), around, Some(owner));
    }
}

/// Leaves what is pending in the lane of a body that its context, the owner, has dropped, to the lane that the context has at its yield point. They don't count as
/// the owner's there, whose number is lower than those of what the context has entered around the body. They have the lowest number of theirs. Visitors of the
/// body's lane, which may have been entered before all of that, have their own.
pub(crate) fn leave_body(lane: Lane, owner: Number, around: Around) {
    if is_left_anything(lane, around) {
        leave_pending(LaneRange::natives(lane, after(owner)), around, None);
    }
}

// The lane around may be this same one, where a context is dropped from inside itself: then there is nothing to be left.
#[inline]
fn is_left_anything(lane: Lane, around: Around) -> bool {
    any_pending() && around.lane() != lane
}

fn after(owner: Number) -> Range<Number> {
    owner + 1..Number::MAX
}

/// Leaves these rollbacks, with the `number` of a context, or else with the lowest number of theirs; and the visitors of their lane that aren't among them, each
/// with a number of its own.
#[cold]
fn leave_pending(below: LaneRange, around: Around, number: Option<Number>) {
    let (lane, others) = (below.lane, below.other_visitors());
    let first = below.first_pending(&table(), 0);
    if let Some(first) = first {
        // A place stands for nothing with a lower number than its own. What has left the body, for one, may come to be pending later with such a number, and may
        // itself wait for whoever waits for this place.
        let below = match number {
            Some(_) => below,
            None => below.starting_with(first),
        };
        let heir = Ticket::heir(around, number.unwrap_or(first), below.clone());
        inherit(below, heir);
    }
    leave_visitors(lane, others, around);
}

/// Leaves the visitors of `lane` with numbers up to `last` to a lane `around` it. The owner of `lane`, who is gone, hasn't waited for these; what is around it and
/// was entered before them does.
pub(crate) fn leave_visitors(lane: Lane, last: Number, around: Around) {
    leave_visitors_since(0, lane, last, around);
}

/// [`leave_visitors`], if any visitor has come since the place with this distinction was taken.
fn leave_visitors_since(distinction: u64, lane: Lane, last: Number, around: Around) {
    let around = around.lane();
    if around == lane || !is_any_visited() {
        return;
    }
    let table = table();
    if !table.was_visited_since(distinction, lane) {
        return;
    }
    let visitors = table.visitors_to(lane, last).into_iter();
    // A lower number than the visitor's own, since it waits for the visitor. So nothing waits in a circle, though guards may wander in one.
    let places = visitors.filter_map(|visitor| Some((visitor, number_before(visitor)?)));
    // Not those that are there already. Lanes may be left to each other in a circle, in which visitors would go round for ever.
    let places = places.filter(|(visitor, _)| !table.is_visited_by(around, *visitor));
    let places = Vec::from_iter(places);
    drop(table);
    for (visitor, number) in places {
        let range = LaneRange::new(lane, visitor..visitor + 1);
        inherit(range, Ticket::new(Around::Visited(around), number));
    }
}

/// Keeps `place` until nothing is pending in `range`.
fn inherit(range: LaneRange, place: Ticket) {
    Arc::new(Heir(Mutex::new(Some((range, Waiter::default(), place))))).wake();
}

/// Holds a place in a lane for rollbacks in another one, until they are over. It waits for them as its own waker. What has come to visit the other lane meanwhile,
/// it leaves to the first one, as the owner would have.
struct Heir(Mutex<Option<Inheritance>>);

type Inheritance = (LaneRange, Waiter, Ticket);

thread_local! {
    /// While this thread gives up a place: those that it has to give up after that.
    static GIVING_UP: RefCell<Option<Vec<Inheritance>>> = const { RefCell::new(None) };
}

/// Gives up a place whose rollbacks are over. It may be the last thing that another heir waits for, who is woken by that, and gives up his. That one is queued: if
/// each were given up inside the one before, a long row of them would need a long stack.
fn give_up(inheritance: Inheritance) {
    let mut next = Some(inheritance);
    let queued = GIVING_UP.try_with(|giving_up| match &mut *giving_up.borrow_mut() {
        Some(queue) => {
            queue.extend(next.take());
            true
        }
        none => {
            *none = Some(Vec::new());
            false
        }
    });
    if let Ok(false) = queued {
        while let Some((below, _waiter, place)) = next {
            // The visitors that were there when the place was taken were left then.
            let (_, distinction) = place.at().place;
            let around = Around::Visited(place.at().lane);
            leave_visitors_since(distinction, below.lane, below.other_visitors(), around);
            drop(place);
            next = GIVING_UP.with_borrow_mut(|queue| queue.as_mut()?.pop());
        }
        GIVING_UP.set(None);
    }
}

impl Wake for Heir {
    fn wake(self: Arc<Self>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waker = Waker::from(self.clone());
        let over = match &mut *held {
            Some((range, waiter, _)) => {
                let ranges = [Some(range.clone())];
                let mut cx = Context::from_waker(&waker);
                waiter.poll(&ranges, &mut cx, 0).is_ready()
            }
            None => false,
        };
        let over = if over { held.take() } else { None };
        drop(held);
        if let Some(inheritance) = over {
            give_up(inheritance);
        }
    }
}
