//! Which lane is outside of a `with`'s own: the one that it was entered in, if that is another context's.
//!
//! It is asked for what has left a `with` that is over, of which only the lane is known: whether the `with` that drops it was around that. So it is written down for the last few thousand of all
//! contexts, in one word each, without a lock. Of what isn't known any more, more is waited for than need be.
//!
//! (The table has the same of what begins while anything is pending, and keeps it as long as that: what visits a body must not miss what is around that. It wants the lock.)

use super::lane::{Lane, Number, Of, STEP};
use std::{
    iter,
    sync::atomic::{AtomicU64, Ordering},
};

/// Of how many numbers in a row it is known.
const RECENT: u64 = 1 << 12;

/// What is known of a `with`: how many contexts ago the one around it was entered, the kind of that one's lane, and which of all that have the same place this is. Zero: nothing is.
static OUTER: [AtomicU64; RECENT as usize] = [const { AtomicU64::new(0) }; RECENT as usize];
const AGO_BITS: u32 = 40;
const KIND_BITS: u32 = 2;
const GENERATION: u32 = AGO_BITS + KIND_BITS;

/// A `with` of that number was entered in this lane, some other context's.
pub(super) fn note(number: Number, lane: Lane) {
    let Some(owner) = lane.owner() else {
        return;
    };
    let ago = (number - owner) / STEP;
    if ago >> AGO_BITS == 0 {
        let (at, generation) = place(number);
        let kind = (lane.kind() as u64) << AGO_BITS;
        // Whoever asks has something that was entered inside of it, since.
        OUTER[at].store(generation | kind | ago, Ordering::Relaxed);
    }
}

/// The lanes around this one, from the inside, as far as they are known.
pub(super) fn lanes_around(lane: Lane) -> impl Iterator<Item = Lane> {
    iter::successors(around(lane), |lane| around(*lane))
}

/// The lane around this one, if it is some `with`'s.
fn around(lane: Lane) -> Option<Lane> {
    const BODY: u64 = Of::Body as u64;
    const FRAME: u64 = Of::Frame as u64;

    let number = lane.owner()?;
    let (at, generation) = place(number);
    let known = OUTER[at].load(Ordering::Relaxed);
    let ago = known % (1 << AGO_BITS);
    let owner = number.checked_sub(ago * STEP)?;
    match (known ^ generation) >> AGO_BITS {
        BODY => Some(Lane::body(owner)),
        FRAME => Some(Lane::frame(owner)),
        // Another one's, or nobody's.
        _ => None,
    }
}

/// Where it is kept, and what tells it from the others that are kept there.
fn place(number: Number) -> (usize, u64) {
    let nth = number / STEP;
    ((nth % RECENT) as usize, (nth / RECENT) << GENERATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bodies and functions of contexts, inside of each other, and whatever else was entered meanwhile.
    #[test]
    fn lanes_are_known_until_others_have_taken_their_places() {
        // Apart from the numbers that other tests have.
        let first = STEP << 30;
        let number = |nth: u64| first + nth * STEP;
        let (outermost, middle, inner) = (number(0), number(7), number(RECENT - 1));
        note(middle, Lane::body(outermost));
        note(inner, Lane::frame(middle));
        let around = || Vec::from_iter(lanes_around(Lane::body(inner)));
        assert_eq!(around(), [Lane::frame(middle), Lane::body(outermost)]);
        note(number(RECENT + 7), Lane::body(number(RECENT)));
        assert_eq!(around(), [Lane::frame(middle)]);
        note(number(2 * RECENT - 1), Lane::body(inner));
        assert_eq!(around(), []);
        let other = Vec::from_iter(lanes_around(Lane::frame(number(2 * RECENT - 1))));
        assert_eq!(other, [Lane::body(inner)]);
        assert_eq!(lanes_around(Lane::branch(number(3))).count(), 0);
    }
}
