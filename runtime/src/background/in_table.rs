//! What the table has for a lane in use: what is pending in the lane, and who waits for that.

use super::{RuntimeId, Stuck, lane::Number, row::Row, wakers::Wakers};
use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    ops::Range,
    task::Waker,
};

/// What is known of a rollback while it is pending.
#[derive(Clone)]
pub(crate) struct Pending {
    pub(crate) runtime: RuntimeId,
    /// The context. `None` for a place that isn't counted: a rollback's in a second lane, and one that stands for rollbacks elsewhere.
    pub(crate) stuck: Option<Stuck>,
}

impl Pending {
    /// A place that isn't counted: what it stands for is counted elsewhere.
    pub(super) const ELSEWHERE: Self = Pending {
        runtime: None,
        stuck: None,
    };

    #[inline]
    pub(super) fn counted(&self) -> Counted {
        self.stuck.as_ref().map(|_| self.runtime)
    }
}

/// The runtime that a rollback was counted on, if it was counted.
pub(super) type Counted = Option<RuntimeId>;

/// A place in a lane: the number of a context, and a distinction that tells it from other places with this number.
pub(super) type Place = (Number, u64);

/// A lane in use.
pub(super) enum InTable {
    /// What most lanes have: one rollback, for which one teardown waits or none. Without the teardown, this needs no allocation.
    One(Place, Pending, Option<Box<(Place, Parked)>>),
    Many(Box<Many>),
}

pub(super) struct Many {
    pending: Row,
    /// The highest distinction of any place that was taken here.
    newest: u64,
    waiting: Waiters,
}

/// Those who wait in a lane.
struct Waiters {
    /// By the first number that they wait for.
    by_start: BTreeMap<Place, Parked>,
    /// The same ones, by the number before which they end.
    by_end: BTreeSet<(Number, Place)>,
}

/// The end of a rollback.
pub(super) struct End {
    pub(super) counted: Counted,
    /// Whether nothing else is pending in the lane.
    pub(super) is_last: bool,
}

/// A teardown that waits in a lane, for the numbers from that of its place on and before `end`.
pub(super) struct Parked {
    pub(super) end: Number,
    pub(super) waker: Waker,
}

impl From<(Place, Pending)> for InTable {
    #[inline]
    fn from((place, pending): (Place, Pending)) -> Self {
        InTable::One(place, pending, None)
    }
}

impl InTable {
    #[inline]
    pub(super) fn insert(
        &mut self,
        (place, pending): (Place, Pending),
        spare: &mut Option<Box<Many>>,
    ) {
        self.many(spare).insert(place, pending);
    }

    pub(super) fn park(&mut self, place: Place, parked: Parked, spare: &mut Option<Box<Many>>) {
        match self {
            InTable::One(_, _, one @ None) => *one = Some(Box::new((place, parked))),
            _ => {
                self.many(spare).waiting.add(place, parked);
            }
        }
    }

    /// Makes room for many: in `spare`, if there is one.
    #[inline]
    fn many(&mut self, spare: &mut Option<Box<Many>>) -> &mut Many {
        if let InTable::One(..) = self {
            self.become_many(spare);
        }
        match self {
            InTable::Many(many) => many,
            InTable::One(..) => unreachable!("it has just become many"),
        }
    }

    #[cold]
    fn become_many(&mut self, spare: &mut Option<Box<Many>>) {
        let many = spare.take().unwrap_or_else(|| Box::new(Many::none()));
        let one = mem::replace(self, InTable::Many(many));
        if let (InTable::One(place, pending, waiting), InTable::Many(many)) = (one, self) {
            many.insert(place, pending);
            if let Some(waiting) = waiting {
                many.waiting.add(waiting.0, waiting.1);
            }
        }
    }

    /// A rollback is over: takes out the wakers of those who have nothing left to wait for. `None` if the rollback isn't here.
    #[inline(always)]
    pub(super) fn end(&mut self, place: Place, wakers: &mut Wakers) -> Option<End> {
        match self {
            InTable::One(one, pending, waiting) => {
                if *one != place {
                    return None;
                }
                // Nothing is pending here any more, so there is nothing that it could still wait for.
                if let Some(waiting) = waiting.take() {
                    wakers.push(waiting.1.waker);
                }
                let counted = pending.counted();
                Some(End {
                    counted,
                    is_last: true,
                })
            }
            InTable::Many(many) => {
                let counted = many.pending.remove(place)?;
                if !many.waiting.by_start.is_empty() {
                    many.unblocked_by(place.0, wakers);
                }
                let is_last = many.pending.is_empty();
                Some(End { counted, is_last })
            }
        }
    }

    pub(super) fn forget(&mut self, waiter: &Place) -> Option<Parked> {
        match self {
            InTable::One(_, _, waiting) => {
                let waiting = waiting.take_if(|waiting| waiting.0 == *waiter)?;
                Some(waiting.1)
            }
            InTable::Many(many) => many.waiting.remove(waiter),
        }
    }

    pub(super) fn pending(&self) -> impl Iterator<Item = (Number, &Pending)> {
        let (one, many) = match self {
            InTable::One((number, _), pending, _) => (Some((*number, pending)), None),
            InTable::Many(many) => (None, Some(many.pending.iter())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// The highest distinction of any place that was taken here. A place that is taken later has a higher one.
    pub(super) fn newest(&self) -> u64 {
        match self {
            InTable::One((_, distinction), ..) => *distinction,
            InTable::Many(many) => many.newest,
        }
    }

    /// The least number, of these, of a rollback that is pending.
    #[inline]
    pub(super) fn first_in(&self, entered: Range<Number>) -> Option<Number> {
        match self {
            InTable::One((number, _), ..) => Some(*number).filter(|one| entered.contains(one)),
            InTable::Many(many) => many.first_in(entered),
        }
    }
}

impl Many {
    /// What is kept of it for another lane once nothing is pending here: a row of a few, which has its room already.
    pub(super) fn into_spare(mut self: Box<Self>) -> Option<Box<Self>> {
        self.newest = 0;
        Some(self).filter(|many| many.pending.is_few())
    }

    const fn none() -> Self {
        Many {
            pending: Row::new(),
            newest: 0,
            waiting: Waiters::none(),
        }
    }

    #[inline]
    fn insert(&mut self, place: Place, pending: Pending) {
        self.newest = self.newest.max(place.1);
        self.pending.insert(place, pending);
    }

    fn first_in(&self, entered: Range<Number>) -> Option<Number> {
        let first = self.pending.first_from(entered.start)?;
        (first < entered.end).then_some(first)
    }

    /// Takes out the wakers of those who waited for `number` and now wait for nothing. These begin after the pending number before it, and end before the one
    /// after it.
    #[cold]
    fn unblocked_by(&mut self, number: Number, wakers: &mut Wakers) {
        let first = self
            .pending
            .last_before(number)
            .map_or(0, |before| before + 1);
        let end = self.first_in(number..Number::MAX).unwrap_or(Number::MAX);
        self.waiting.take_between(first, number, end, wakers);
    }
}

impl Waiters {
    const fn none() -> Self {
        Waiters {
            by_start: BTreeMap::new(),
            by_end: BTreeSet::new(),
        }
    }

    fn add(&mut self, place: Place, waiting: Parked) {
        self.by_end.insert((waiting.end, place));
        self.by_start.insert(place, waiting);
    }

    fn remove(&mut self, place: &Place) -> Option<Parked> {
        let waiting = self.by_start.remove(place)?;
        self.by_end.remove(&(waiting.end, *place));
        Some(waiting)
    }

    /// Takes out the wakers of those who begin between `first` and `last`, and end before `end`.
    fn take_between(&mut self, first: Number, last: Number, end: Number, wakers: &mut Wakers) {
        for place in self.between(first, last, end) {
            if let Some(waiting) = self.remove(&place) {
                wakers.push(waiting.waker);
            }
        }
    }

    /// Those who begin between `first` and `last`, and end before `end`. This looks through those who begin there and those who end there by turns, until it is
    /// through with either: so it takes no more than twice the fewer of them.
    fn between(&self, first: Number, last: Number, end: Number) -> Vec<Place> {
        let mut beginning = self.by_start.range((first, 0)..=(last, Number::MAX));
        let mut ending = self.by_end.range(..=(end, (Number::MAX, u64::MAX)));
        let (mut found, mut found_too) = (Vec::new(), Vec::new());
        loop {
            match ending.next() {
                Some((_, place)) if (first..=last).contains(&place.0) => found_too.push(*place),
                Some(_) => {}
                None => return found_too,
            }
            match beginning.next() {
                Some((place, waiting)) if waiting.end <= end => found.push(*place),
                Some(_) => {}
                None => return found,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::dice::dice, *};
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering::Relaxed},
        },
        task::Wake,
    };

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            assert!(!self.0.swap(true, Relaxed), "woken twice");
        }
    }

    /// One who waits, in the plain list that the lane is compared with.
    struct Waits {
        place: Place,
        end: Number,
        woken: Arc<Woken>,
    }

    /// Whoever waits is woken when the last of what he waits for ends, and not before.
    #[test]
    fn wakes_who_waits_for_nothing_more() {
        let mut random = dice();
        for most in [1, 3, 60] {
            let mut in_lane: Option<InTable> = None;
            let (mut pending, mut waiting) = (Vec::new(), Vec::new());
            let mut newest = 0;
            for step in 0..40_000 {
                match random(5) {
                    0 | 1 if pending.len() < most => {
                        let place = (1 + random(30), step);
                        let entry = (place, Pending::ELSEWHERE);
                        match &mut in_lane {
                            Some(in_lane) => in_lane.insert(entry, &mut None),
                            None => in_lane = Some(InTable::from(entry)),
                        }
                        pending.push(place);
                        newest = step;
                    }
                    2 => {
                        let (start, end) = (random(30), 1 + random(35));
                        let Some(in_lane) = &mut in_lane else {
                            continue;
                        };
                        if in_lane.first_in(start..end.max(start)).is_none() {
                            continue;
                        }
                        let (place, woken) = ((start, step), Arc::<Woken>::default());
                        let waker = Waker::from(woken.clone());
                        in_lane.park(place, Parked { end, waker }, &mut None);
                        waiting.push(Waits { place, end, woken });
                    }
                    3 if !waiting.is_empty() => {
                        let gone = waiting.swap_remove(random(waiting.len() as u64) as usize);
                        let in_lane = in_lane.as_mut().expect("he waits for something");
                        assert!(in_lane.forget(&gone.place).is_some());
                        assert!(in_lane.forget(&gone.place).is_none());
                    }
                    _ if !pending.is_empty() => {
                        let place = pending.swap_remove(random(pending.len() as u64) as usize);
                        let mut wakers = Wakers::none();
                        let ended = in_lane.as_mut().and_then(|all| all.end(place, &mut wakers));
                        if ended.expect("it is pending").is_last {
                            in_lane = None;
                        }
                        wakers.wake();
                        waiting.retain(|waits| {
                            let range = waits.place.0..waits.end;
                            let blocked = pending.iter().any(|place| range.contains(&place.0));
                            assert_eq!(waits.woken.0.load(Relaxed), !blocked);
                            blocked
                        });
                    }
                    _ => {}
                }
                assert_eq!(in_lane.is_none(), pending.is_empty());
                if let Some(in_lane) = &in_lane {
                    assert_eq!(in_lane.newest(), newest);
                }
                if let Some(InTable::Many(many)) = &in_lane {
                    let Waiters { by_start, by_end } = &many.waiting;
                    assert_eq!(
                        (by_start.len(), by_end.len()),
                        (waiting.len(), waiting.len())
                    );
                }
            }
        }
    }
}
