//! Which lane a `with` is inside: the one that it was entered in, if that is another context's own.
//!
//! The question comes up when a guard is dropped that has left the `with` it was entered in: was the `with` that drops it around that one? The one that it has
//! left may be over, and only its lane is known. So the answer is noted for the last few thousand contexts, in one word each, without a lock. Where it isn't known
//! any more, a teardown waits for more than it has to.
//!
//! (The table notes the same, under its lock, for a `with` that begins while anything is pending, and keeps it as long as that lasts. That note can't be
//! forgotten too early, for without it a visitor would miss what is around the body that it visits.)

use super::lane::{Lane, Number, Of, STEP};
use std::{
    iter,
    sync::atomic::{AtomicU64, Ordering},
};

/// Of how many contexts in a row it is known.
const RECENT: u64 = 1 << 12;

/// A word for each: how many contexts before the `with` the one around it was entered, the kind of the lane between them, and the generation, which tells the
/// `with` from all others that have the same word. Zero: nothing is known.
static OUTER: [AtomicU64; RECENT as usize] = [const { AtomicU64::new(0) }; RECENT as usize];
const AGO_BITS: u32 = 40;
const KIND_BITS: u32 = 2;
const GENERATION: u32 = AGO_BITS + KIND_BITS;

/// A `with` of this number was entered in this lane, another context's own.
pub(super) fn note(number: Number, lane: Lane) {
    let Some(owner) = lane.owner() else {
        return;
    };
    let ago = (number - owner) / STEP;
    if ago >> AGO_BITS == 0 {
        let (at, generation) = place(number);
        let kind = (lane.kind() as u64) << AGO_BITS;
        // Relaxed: whoever asks has got something that was entered inside this `with` later, and with it sees this.
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
        // The word is another `with`'s, or nobody's.
        _ => None,
    }
}

/// The word of a `with`, and its generation.
fn place(number: Number) -> (usize, u64) {
    let nth = number / STEP;
    ((nth % RECENT) as usize, (nth / RECENT) << GENERATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lane around another is known until a later context has got its word.
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
