//! The rollbacks that are pending in a lane, in the order in which their contexts were entered.

use super::{
    in_table::{Counted, Pending, Place},
    lane::Number,
};
use std::{cmp::Ordering, collections::BTreeMap};

/// Up to how many places a row keeps as [`Few`].
const FEW: usize = 256;

/// The rollbacks that are pending in a lane.
//
// Mostly they are few, begin one after the other, and each ends near to where the last one has ended: that is what `Few` is fast at. `Many` is there so that a
// stack of a hundred thousand entries is rolled back in time linear in their number, too.
pub(super) enum Row {
    Few(Few),
    Many(BTreeMap<Place, Pending>),
}

impl Row {
    pub(super) const fn new() -> Self {
        Row::Few(Few::new())
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Row::Few(few) => few.is_empty(),
            Row::Many(many) => many.is_empty(),
        }
    }

    /// Whether it is a row of [`Few`].
    pub(super) fn is_few(&self) -> bool {
        matches!(self, Row::Few(_))
    }

    /// Adds one that isn't there yet.
    #[inline(always)]
    pub(super) fn insert(&mut self, place: Place, pending: Pending) {
        if let Row::Few(few) = self {
            if few.has_room() || few.make_room() {
                return few.insert(place, pending);
            }
        }
        self.insert_into_many(place, pending);
    }

    #[cold]
    fn insert_into_many(&mut self, place: Place, pending: Pending) {
        if let Row::Few(few) = self {
            *self = Row::Many(few.drain().collect());
        }
        if let Row::Many(many) = self {
            many.insert(place, pending);
        }
    }

    /// Takes a place out, if it is there. Returns where it was counted.
    #[inline]
    pub(super) fn remove(&mut self, place: Place) -> Option<Counted> {
        match self {
            Row::Few(few) => few.remove(place),
            Row::Many(many) => many.remove(&place).map(|pending| pending.counted()),
        }
    }

    /// The least number that isn't below this one.
    pub(super) fn first_from(&self, number: Number) -> Option<Number> {
        let from = (number, 0);
        match self {
            Row::Few(few) => few.first_from(from),
            Row::Many(many) => many.range(from..).next().map(|(place, _)| place.0),
        }
    }

    /// The greatest of the numbers below this one.
    pub(super) fn last_before(&self, number: Number) -> Option<Number> {
        let to = (number, 0);
        match self {
            Row::Few(few) => few.last_before(to),
            Row::Many(many) => many.range(..to).next_back().map(|(place, _)| place.0),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Number, &Pending)> {
        let (few, many) = match self {
            Row::Few(few) => (Some(few), None),
            Row::Many(many) => (None, Some(many)),
        };
        let few = few.into_iter().flat_map(Few::places);
        let few = few.filter_map(|(place, pending)| Some((place.0, pending.as_ref()?)));
        let many = many.into_iter().flatten();
        few.chain(many.map(|(place, pending)| (place.0, pending)))
    }
}

/// A few places, sorted. One that is given up leaves a gap, so that the others stay where they are. There are no gaps at the ends.
pub(super) struct Few {
    /// Those from `first` on.
    places: Vec<(Place, Option<Pending>)>,
    first: usize,
    /// Where the last place was given up: the next one is likely to be near.
    near: usize,
}

impl Few {
    const fn new() -> Self {
        Few {
            places: Vec::new(),
            first: 0,
            near: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn places(&self) -> &[(Place, Option<Pending>)] {
        &self.places[self.first..]
    }

    #[inline]
    fn has_room(&self) -> bool {
        self.places.len() < FEW
    }

    /// Closes the gaps. Returns whether that makes enough room.
    #[cold]
    fn make_room(&mut self) -> bool {
        self.places.retain(|(_, pending)| pending.is_some());
        (self.first, self.near) = (0, 0);
        // Enough is half: else all of it would be moved again soon, for a few gaps each time.
        self.places.len() <= FEW / 2
    }

    fn drain(&mut self) -> impl Iterator<Item = (Place, Pending)> {
        let places = self.places.drain(..);
        places.filter_map(|(place, pending)| Some((place, pending?)))
    }

    #[inline(always)]
    fn insert(&mut self, place: Place, pending: Pending) {
        match self.places.last() {
            Some((last, _)) if place <= *last => self.insert_between(place, pending),
            _ => self.places.push((place, Some(pending))),
        }
    }

    #[cold]
    fn insert_between(&mut self, place: Place, pending: Pending) {
        let at = self.below(place);
        let pending = Some(pending);
        match self.places.get_mut(at) {
            // The place was here before, and has left this gap: no need to move the others.
            Some((there, gap)) if *there == place => *gap = pending,
            _ => self.places.insert(at, (place, pending)),
        }
    }

    #[inline]
    fn remove(&mut self, place: Place) -> Option<Counted> {
        let at = self.find(place)?;
        let (_, pending) = self.places.get_mut(at)?;
        let counted = pending.take()?.counted();
        self.near = at;
        if at == self.first {
            self.skip_gaps();
        } else if at + 1 == self.places.len() {
            self.drop_gaps();
        }
        Some(counted)
    }

    /// Lets the row begin behind the gaps at its beginning.
    fn skip_gaps(&mut self) {
        while let Some((_, None)) = self.places.get(self.first) {
            self.first += 1;
        }
        self.near = self.first;
        if self.first == self.places.len() {
            self.places.clear();
            (self.first, self.near) = (0, 0);
        }
    }

    /// Lets the row end before the gaps at its end.
    fn drop_gaps(&mut self) {
        while let Some((_, None)) = self.places.last() {
            self.places.pop();
        }
    }

    fn first_from(&self, from: Place) -> Option<Number> {
        let mut places = self.places[self.below(from)..].iter();
        let first = places.find(|(_, pending)| pending.is_some());
        first.map(|(place, _)| place.0)
    }

    fn last_before(&self, to: Place) -> Option<Number> {
        let mut places = self.places[self.first..self.below(to)].iter();
        let last = places.rfind(|(_, pending)| pending.is_some());
        last.map(|(place, _)| place.0)
    }

    /// Where this place is. Looks first where it is likely to be.
    #[inline]
    fn find(&self, place: Place) -> Option<usize> {
        // A gap doesn't count: among those before `first` there may be one that this same place has left.
        let is_at = |at: &usize| {
            let there = self.places.get(*at);
            there.is_some_and(|(there, pending)| *there == place && pending.is_some())
        };
        let near = [self.near, self.near.wrapping_sub(1), self.near + 1];
        near.into_iter()
            .find(is_at)
            .or_else(|| Some(self.below(place)).filter(is_at))
    }

    /// Where this place is, or would be put. Looks at the ends first.
    fn below(&self, place: Place) -> usize {
        let places = self.places();
        let (Some((first, _)), Some((last, _))) = (places.first(), places.last()) else {
            return self.first;
        };
        if place <= *first {
            return self.first;
        }
        self.first
            + match place.cmp(last) {
                Ordering::Less => places.partition_point(|(other, _)| *other < place),
                Ordering::Equal => places.len() - 1,
                Ordering::Greater => places.len(),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::dice::dice, *};

    const PENDING: Pending = Pending {
        runtime: None,
        stuck: None,
    };

    /// Near to where the last place was given up, there is a gap that the place looked for has left itself.
    #[test]
    fn a_place_is_found_that_has_been_there_before() {
        let mut row = Row::new();
        row.insert((5, 0), PENDING);
        row.insert((9, 0), PENDING);
        assert!(row.remove((5, 0)).is_some());
        row.insert((5, 0), PENDING);
        row.insert((3, 0), PENDING);
        assert!(row.remove((5, 0)).is_some());
        assert_eq!(row.first_from(0), Some(3));
    }

    /// A row agrees with a plain map, whatever begins and ends.
    #[test]
    fn is_a_sorted_map() {
        let mut random = dice();
        for most in [3, 40, 250, 1_000] {
            let mut row = Row::new();
            let mut map = BTreeMap::new();
            let mut next = 1_000;
            for _ in 0..20_000 {
                if map.len() < most && random(2) == 0 {
                    let place = match random(8) {
                        0 => (random(next), random(3)),
                        _ => (next, 0),
                    };
                    next += 1;
                    if map.insert(place, ()).is_none() {
                        row.insert(place, PENDING);
                    }
                } else if let Some(place) = map.keys().nth(random(map.len() as u64 + 1) as usize) {
                    let place = *place;
                    map.remove(&place);
                    assert!(row.remove(place).is_some());
                    assert!(row.remove(place).is_none());
                }
                let number = random(next + 2);
                let first = map.range((number, 0)..).next().map(|(place, ())| place.0);
                assert_eq!(row.first_from(number), first);
                let last = map.range(..(number, 0)).next_back();
                assert_eq!(row.last_before(number), last.map(|(place, ())| place.0));
                assert_eq!(row.is_empty(), map.is_empty());
            }
            let numbers = map.keys().map(|place| place.0);
            assert!(row.iter().map(|(number, _)| number).eq(numbers));
        }
    }
}
