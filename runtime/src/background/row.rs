//! What is pending in a lane, in the order of entering.

use super::lane::{Number, Pending, Place};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, VecDeque},
};

/// How many are few.
const FEW: usize = 256;

/// The rollbacks that are pending in a lane.
//
// Mostly they are few, begin one after the other, and end in the order in which they began: then each is at an end. A stack of a hundred thousand entries is
// rolled back in steps that cost the same each, too.
pub(super) enum Row {
    /// Sorted.
    Few(VecDeque<(Place, Pending)>),
    Many(BTreeMap<Place, Pending>),
}

impl Row {
    pub(super) fn new() -> Self {
        Row::Few(VecDeque::new())
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Row::Few(few) => few.is_empty(),
            Row::Many(many) => many.is_empty(),
        }
    }

    /// Adds one that isn't there yet.
    pub(super) fn insert(&mut self, place: Place, pending: Pending) {
        match self {
            Row::Few(few) if few.len() == FEW => {
                let mut many: BTreeMap<_, _> = few.drain(..).collect();
                many.insert(place, pending);
                *self = Row::Many(many);
            }
            Row::Few(few) => match below(few, place) {
                at if at == few.len() => few.push_back((place, pending)),
                at => few.insert(at, (place, pending)),
            },
            Row::Many(many) => {
                many.insert(place, pending);
            }
        }
    }

    pub(super) fn remove(&mut self, place: Place) -> Option<Pending> {
        match self {
            Row::Few(few) => {
                let at = below(few, place);
                few.get(at).filter(|(found, _)| *found == place)?;
                let removed = if at == 0 {
                    few.pop_front()
                } else if at == few.len() - 1 {
                    few.pop_back()
                } else {
                    few.remove(at)
                };
                removed.map(|(_, pending)| pending)
            }
            Row::Many(many) => many.remove(&place),
        }
    }

    /// The least number from this one on.
    pub(super) fn first_from(&self, number: Number) -> Option<Number> {
        let from = (number, 0);
        match self {
            Row::Few(few) => few.get(below(few, from)).map(|(place, _)| place.0),
            Row::Many(many) => many.range(from..).next().map(|(place, _)| place.0),
        }
    }

    /// The greatest of the numbers below this one.
    pub(super) fn last_before(&self, number: Number) -> Option<Number> {
        let to = (number, 0);
        match self {
            Row::Few(few) => {
                let at = below(few, to).checked_sub(1)?;
                few.get(at).map(|(place, _)| place.0)
            }
            Row::Many(many) => many.range(..to).next_back().map(|(place, _)| place.0),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Number, &Pending)> {
        let (few, many) = match self {
            Row::Few(few) => (Some(few), None),
            Row::Many(many) => (None, Some(many)),
        };
        let few = few.into_iter().flatten();
        let few = few.map(|(place, pending)| (place.0, pending));
        let many = many.into_iter().flatten();
        few.chain(many.map(|(place, pending)| (place.0, pending)))
    }
}

/// How many places are below this one. Looks at the ends first.
fn below(few: &VecDeque<(Place, Pending)>, place: Place) -> usize {
    let (Some((first, _)), Some((last, _))) = (few.front(), few.back()) else {
        return 0;
    };
    if place <= *first {
        return 0;
    }
    match place.cmp(last) {
        Ordering::Less => few.partition_point(|(other, _)| *other < place),
        Ordering::Equal => few.len() - 1,
        Ordering::Greater => few.len(),
    }
}
