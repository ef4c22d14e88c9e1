//! What becomes of what is pending in a lane whose owner is gone: it is left to the lane around it, where a [`Ticket`] stands for it until its [`Heir`] sees that it is over.

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

/// Leaves what is pending in `lane` to the lane `home`, which its owner, of that number, was entered in; and if it ends elsewhere, to the one that it ends in, and to what has left its `root`.
pub(crate) fn leave_owned(lane: Lane, owner: Number, home: Lane, root: Lane) {
    leave(lane, owner, Around::Entered(home));
    let here = Lane::current();
    if here != home {
        leave(lane, owner, Around::Visited(here));
        leave(lane, owner, Around::Entered(root.left()));
    }
}

/// Leaves what is pending in `lane`, whose owner is gone, to the lane `around` it: the rollbacks of contexts entered after the owner, as if they were the owner's
/// there.
#[inline]
pub(crate) fn leave(lane: Lane, owner: Number, around: Around) {
    if is_left_anything(lane, around) {
        leave_pending(LaneRange::new(lane, after(owner)), around, Some(owner));
    }
}

/// Leaves what is pending in the lane of a body that its context, the owner, has dropped: to the lane that it is in itself, where everybody stands for himself. What is around
/// the body there was entered before all that the body has entered, but maybe after a visitor.
pub(crate) fn leave_body(lane: Lane, owner: Number, around: Around) {
    if is_left_anything(lane, around) {
        leave_pending(LaneRange::natives(lane, after(owner)), around, None);
    }
}

// What is dropped by what is inside of it ends in its own lane.
#[inline]
fn is_left_anything(lane: Lane, around: Around) -> bool {
    any_pending() && around.lane() != lane
}

fn after(owner: Number) -> Range<Number> {
    owner + 1..Number::MAX
}

/// Leaves those as if they were of the context `number`, or else of the first of themselves; and the other visitors.
#[cold]
fn leave_pending(below: LaneRange, around: Around, number: Option<Number>) {
    let (lane, others) = (below.lane, below.other_visitors());
    let first = below.first_pending(&table(), 0);
    if let Some(first) = first {
        // It stands for nothing with a lower number than its own, such as what has left the body and may come to be pending later: that may wait for whoever waits for it.
        let below = match number {
            Some(_) => below,
            None => below.starting_with(first),
        };
        let heir = Ticket::heir(around, number.unwrap_or(first), below.clone());
        inherit(below, heir);
    }
    leave_visitors(lane, others, around);
}

/// Leaves the rollbacks of contexts entered up to `last` that visit `lane`, whose owner is gone, to the lane `around` it. Nobody in there has waited for these;
/// whatever is around it and was entered before them does.
pub(crate) fn leave_visitors(lane: Lane, last: Number, around: Around) {
    leave_visitors_since(0, lane, last, around);
}

/// The same, if any has come since the place with that distinction was taken.
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
    // Lower, as whatever waits has it: guards may wander in circles.
    let places = visitors.filter_map(|visitor| Some((visitor, number_before(visitor)?)));
    // Some may be there already: lanes may be left to each other in a circle.
    let places = places.filter(|(visitor, _)| !table.is_visited_by(around, *visitor));
    let places = Vec::from_iter(places);
    drop(table);
    for (visitor, number) in places {
        let range = LaneRange::new(lane, visitor..visitor + 1);
        inherit(range, Ticket::new(Around::Visited(around), number));
    }
}

/// Keeps `place` until that is settled.
fn inherit(range: LaneRange, place: Ticket) {
    Arc::new(Heir(Mutex::new(Some((range, Waiter::default(), place))))).wake();
}

/// Waits for a lane as its own waker, holding a place in the lane around it. What has come to visit the lane meanwhile, it leaves there as the owner would have.
struct Heir(Mutex<Option<Inheritance>>);

type Inheritance = (LaneRange, Waiter, Ticket);

thread_local! {
    /// What this thread is to give up yet, while it gives up one.
    static GIVING_UP: RefCell<Option<Vec<Inheritance>>> = const { RefCell::new(None) };
}

/// Gives up the place of a lane that is settled, which may be the last thing that the next heir waits for. One after the other: each inside of the one before,
/// a long row of them would need a long stack.
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
            // Those who were there when the place was taken have been left there then.
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
