//! The lanes that are in use: a map by lane.

use super::lane::Lane;
use std::{
    collections::{
        HashMap,
        hash_map::{Entry, OccupiedEntry},
    },
    hash::{BuildHasherDefault, Hasher},
    mem,
};

/// A map from the lanes in use to what is known of each.
//
// What is rolled back at the same time was mostly entered at the same time, by tasks or contexts with numbers next to each other. So each lane has one slot that
// it may be in, and neighbours have neighbouring slots. There is nothing to be searched, and a lane that is given up leaves no trace. A lane whose slot is taken
// is among the others, in a map of std's.
pub(super) struct Lanes<T> {
    /// None, or a power of two of them.
    slots: Vec<Option<(Lane, T)>>,
    others: Others<T>,
    len: usize,
}

type Others<T> = HashMap<Lane, T, BuildHasherDefault<Mixed>>;

/// How many slots there are at first.
const FIRST: usize = 1 << 4;
/// Up to how many slots are kept, however few are in use. What many at once took beyond that is given back.
const KEPT: usize = 1 << 10;

impl<T> Lanes<T> {
    pub(super) const fn new() -> Self {
        Lanes {
            slots: Vec::new(),
            others: HashMap::with_hasher(BuildHasherDefault::new()),
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn get(&self, lane: Lane) -> Option<&T> {
        match self.slots.get(self.slot_of(lane)) {
            Some(Some((there, found))) if *there == lane => Some(found),
            _ if self.others.is_empty() => None,
            _ => self.others.get(&lane),
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, lane: Lane) -> Option<&mut T> {
        let slot = self.slot_of(lane);
        match self.slots.get_mut(slot) {
            Some(Some((there, found))) if *there == lane => Some(found),
            _ if self.others.is_empty() => None,
            _ => self.others.get_mut(&lane),
        }
    }

    /// Adds a lane, or has `merge` add what is new to what is known of the lane.
    #[inline(always)]
    pub(super) fn insert<N: Into<T>>(&mut self, lane: Lane, new: N, merge: impl FnOnce(&mut T, N)) {
        let slot = self.slot_of(lane);
        match self.slots.get_mut(slot) {
            Some(Some((there, known))) if *there == lane => merge(known, new),
            Some(free @ None) if self.others.is_empty() => {
                *free = Some((lane, new.into()));
                self.len += 1;
            }
            _ => self.insert_elsewhere(lane, new, merge),
        }
    }

    /// [`insert`](Lanes::insert) for a lane that may be among the others, or has to go there.
    #[cold]
    fn insert_elsewhere<N: Into<T>>(&mut self, lane: Lane, new: N, merge: impl FnOnce(&mut T, N)) {
        if let Some(known) = self.others.get_mut(&lane) {
            return merge(known, new);
        }
        let new = new.into();
        self.len += 1;
        let slot = self.slot_of(lane);
        match self.slots.get_mut(slot) {
            Some(free @ None) => *free = Some((lane, new)),
            _ => {
                self.others.insert(lane, new);
                if self.others.len() > self.slots.len() / 4 {
                    self.grow();
                }
            }
        }
    }

    fn grow(&mut self) {
        self.make_slots((self.slots.len() * 2).max(FIRST));
    }

    #[cold]
    fn shrink(&mut self) {
        self.make_slots((self.len * 4).next_power_of_two().max(FIRST));
    }

    /// Makes this number of slots, and puts each lane where it then belongs.
    fn make_slots(&mut self, number: usize) {
        let mut slots = Vec::new();
        slots.resize_with(number, || None);
        let slots = mem::replace(&mut self.slots, slots);
        let others = mem::take(&mut self.others);
        for (lane, known) in slots.into_iter().flatten().chain(others) {
            let slot = self.slot_of(lane);
            match &mut self.slots[slot] {
                free @ None => *free = Some((lane, known)),
                Some(_) => {
                    self.others.insert(lane, known);
                }
            }
        }
    }

    /// A lane in use, to look at and perhaps to give up.
    #[inline]
    pub(super) fn find(&mut self, lane: Lane) -> Option<Found<'_, T>> {
        let slot = self.slot_of(lane);
        let place = match self.slots.get_mut(slot) {
            Some(slot) if slot.as_ref().is_some_and(|(there, _)| *there == lane) => {
                Where::Slot(slot)
            }
            _ => Where::Other(Self::find_other(&mut self.others, lane)?),
        };
        let len = &mut self.len;
        Some(Found { place, len })
    }

    #[cold]
    fn find_other(others: &mut Others<T>, lane: Lane) -> Option<OccupiedEntry<'_, Lane, T>> {
        match others.entry(lane) {
            Entry::Occupied(found) => Some(found),
            Entry::Vacant(_) => None,
        }
    }

    /// Gives room back that many at once have taken. To be called after a lane was given up.
    #[inline]
    pub(super) fn tidy(&mut self) {
        if self.slots.len() > KEPT && self.len < self.slots.len() / 16 {
            self.shrink();
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Lane, &T)> {
        let slots = self.slots.iter().flatten();
        let slots = slots.map(|(lane, known)| (*lane, known));
        slots.chain(self.others.iter().map(|(lane, known)| (*lane, known)))
    }

    /// The one slot that this lane may be in.
    #[inline]
    fn slot_of(&self, lane: Lane) -> usize {
        lane.spread() & self.slots.len().wrapping_sub(1)
    }
}

/// A lane that was [found](Lanes::find).
pub(super) struct Found<'l, T> {
    place: Where<'l, T>,
    len: &'l mut usize,
}

enum Where<'l, T> {
    Slot(&'l mut Option<(Lane, T)>),
    Other(OccupiedEntry<'l, Lane, T>),
}

impl<T> Found<'_, T> {
    /// What is known of it.
    #[inline]
    pub(super) fn known(&mut self) -> Option<&mut T> {
        match &mut self.place {
            Where::Slot(slot) => slot.as_mut().map(|(_, known)| known),
            Where::Other(entry) => Some(entry.get_mut()),
        }
    }

    /// Gives the lane up.
    #[inline]
    pub(super) fn remove(self) -> Option<T> {
        *self.len -= 1;
        match self.place {
            Where::Slot(slot) => slot.take().map(|(_, known)| known),
            Where::Other(entry) => Some(entry.remove()),
        }
    }
}

/// Hashes lanes by their numbers. These count up, and nobody from outside can choose them: so it need not be hard to find some that collide.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The high bits of a product are the well-mixed ones.
        self.0 = (self.0 ^ number)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{dice::dice, lane::STEP},
        *,
    };

    fn remove<T>(lanes: &mut Lanes<T>, lane: Lane) -> Option<T> {
        let removed = lanes.find(lane).and_then(Found::remove);
        lanes.tidy();
        removed
    }

    /// They agree with a plain map, whatever begins and ends, and whatever the numbers are.
    #[test]
    fn are_a_map() {
        let mut random = dice();
        // Neighbours, and lanes that all have the same slot.
        for (most, stride) in [(3, 1), (100, 1), (100, 1 << 12), (2_000, 3)] {
            let mut lanes = Lanes::new();
            let mut map = HashMap::new();
            for _ in 0..20_000 {
                let number = random(most) * stride;
                let lane = match random(2) {
                    0 => Lane::body(number * STEP),
                    _ => Lane::frame(number * STEP),
                };
                assert_eq!(lanes.get(lane), map.get(&lane));
                match random(2) {
                    0 => {
                        lanes.insert(lane, number, |known, new| *known += new + 1);
                        map.entry(lane)
                            .and_modify(|known| *known += number + 1)
                            .or_insert(number);
                    }
                    _ => assert_eq!(remove(&mut lanes, lane), map.remove(&lane)),
                }
                assert_eq!(lanes.get_mut(lane), map.get_mut(&lane));
                assert_eq!(lanes.len(), map.len());
                assert_eq!(lanes.is_empty(), map.is_empty());
            }
            let known: HashMap<_, _> = lanes.iter().map(|(lane, known)| (lane, *known)).collect();
            assert_eq!(known, map);
        }
    }

    /// The room that many at once have taken is given back, also while one of them is still there.
    #[test]
    fn give_room_back() {
        for stride in [1, 1 << 12] {
            let lanes_of = |numbers: std::ops::Range<u64>| {
                numbers.map(move |number| Lane::body((1 + number * stride) * STEP))
            };
            let mut lanes = Lanes::new();
            for lane in lanes_of(0..100_000) {
                lanes.insert(lane, (), |(), ()| unreachable!("each is another one"));
            }
            assert!(lanes.slots.len() <= 800_000);
            for lane in lanes_of(1..100_000) {
                assert!(remove(&mut lanes, lane).is_some());
            }
            assert_eq!(lanes.len(), 1);
            assert!(lanes.slots.len() <= KEPT);
            assert!(lanes.others.capacity() <= KEPT);
        }
    }
}
