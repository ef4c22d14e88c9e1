//! Which lane is outside of a `with`'s own: the one that it was entered in, if that is another context's.
//!
//! It is asked for what has left a `with` that is over, of which only the lane is known: whether the `with` that drops it was around that. So it is written down for the last few thousand of all
//! contexts, in one word each, without a lock. Of what isn't known any more, more is waited for than need be.

use super::lane::{Lane, Number, STEP};
use std::{
    iter,
    sync::atomic::{AtomicU64, Ordering},
};

/// Of how many numbers in a row it is known.
const RECENT: u64 = 1 << 12;

/// What is known of a `with`: how many contexts ago the one around it was entered, whether it was entered by that one's function, and which of all that have the same place this is. Zero:
/// nothing is.
static OUTER: [AtomicU64; RECENT as usize] = [const { AtomicU64::new(0) }; RECENT as usize];
const AGO_BITS: u32 = 40;
const BY_FUNCTION: u64 = 1 << AGO_BITS;
const GENERATION: u32 = AGO_BITS + 1;

/// A `with` of that number was entered in this lane, some other context's.
#[inline]
pub(super) fn note(number: Number, lane: Lane) {
    let Some(owner) = lane.owner() else {
        return;
    };
    let (at, generation) = place(number);
    let ago = (number - owner) / STEP;
    let known = match ago < BY_FUNCTION {
        true if lane == Lane::frame(owner) => generation | BY_FUNCTION | ago,
        true => generation | ago,
        false => 0,
    };
    // Whoever asks has something that was entered inside of it, since.
    OUTER[at].store(known, Ordering::Relaxed);
}

/// The lanes around this one, from the inside, as far as they are known.
pub(super) fn lanes_around(lane: Lane) -> impl Iterator<Item = Lane> {
    iter::successors(around(lane), |lane| around(*lane))
}

/// The lane around this one, if it is some `with`'s.
fn around(lane: Lane) -> Option<Lane> {
    let number = lane.owner()?;
    let (at, generation) = place(number);
    let known = OUTER[at].load(Ordering::Relaxed);
    if known == 0 || known >> GENERATION << GENERATION != generation {
        return None;
    }
    let owner = number.checked_sub((known & (BY_FUNCTION - 1)) * STEP)?;
    Some(match known & BY_FUNCTION {
        0 => Lane::body(owner),
        _ => Lane::frame(owner),
    })
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
