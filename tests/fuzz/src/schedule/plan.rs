//! What the bytes say: which contexts there are, and what happens in and around each.

use super::world::{Id, World};
use std::sync::Arc;

pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Bytes<'_> {
    pub(super) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next one; nought when there are no more.
    pub(super) fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    /// A number below `limit`.
    pub(super) fn below(&mut self, limit: u8) -> u8 {
        self.byte() % limit
    }
}

/// A context, and what happens around and in it.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) id: Id,
    pub(super) style: Style,
    pub(super) setup: Phase,
    /// One after the other.
    pub(super) body: Vec<Step>,
    pub(super) body_ends: End,
    /// The body goes on after a child's failure.
    pub(super) tolerant: bool,
    pub(super) teardown: Phase,
    pub(super) leave: Leave,
    /// The entries of a stack, the two of a tuple, or what a forwarding one enters; their bodies are empty.
    pub(super) entries: Vec<Arc<Plan>>,
}

/// A step of a body.
#[derive(Debug)]
pub(super) enum Step {
    Pause,
    Child(Child),
    /// Two at once.
    Join(Box<[Child; 2]>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Style {
    With,
    Guard,
    Suppressing,
    /// The yield point is polled by something that polls it only when it was woken.
    Wrapping,
    /// The yield point is dropped if something else is ready first.
    Expiring,
    /// It enters others, and exits them as it is told itself.
    Forwarding,
    Stack,
    Tuple,
}

/// How a guard or a stack is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Leave {
    ExitWith,
    Exit,
    Cancel,
    Drop,
}

/// A setup or a teardown.
#[derive(Debug)]
pub(super) struct Phase {
    pub(super) pauses: u8,
    pub(super) child: Option<Child>,
    pub(super) ends: End,
}

/// A context inside another one.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) plan: Arc<Plan>,
    /// It is dropped if something else is ready first.
    pub(super) raced: bool,
    /// In a lane of its own.
    pub(super) branch: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    Well,
    Fails,
    Panics,
}

pub(super) const MOST_CONTEXTS: usize = 14;
pub(super) const DEEPEST: usize = 5;

impl Plan {
    pub(super) fn read(
        bytes: &mut Bytes<'_>,
        world: &World,
        inside: Option<Id>,
        depth: usize,
    ) -> Arc<Plan> {
        let id = world.new_node(inside);
        let style = bytes.byte();
        let style = match style % 8 {
            0 | 1 if style >= 240 => Style::Tuple,
            0 | 1 => Style::With,
            2 | 3 if style >= 208 => Style::Forwarding,
            2 | 3 => Style::Guard,
            4 => Style::Suppressing,
            5 => Style::Wrapping,
            6 => Style::Expiring,
            _ => Style::Stack,
        };
        let mut innermost = id;
        let mut entries = Vec::new();
        let entries_are = match style {
            Style::Stack => bytes.below(4),
            Style::Tuple => 2,
            Style::Forwarding => 1 + bytes.below(3),
            _ => 0,
        };
        for _ in 0..entries_are {
            let entry = Plan::entry(bytes, world, innermost, depth);
            innermost = entry.id;
            entries.push(entry);
        }
        if style == Style::Forwarding {
            // Its code goes on in the poll in which they are over, maybe with something pending that they have started.
            world.node(entries[0].id, |node| node.is_part = true);
        }
        if style == Style::Tuple || style == Style::Forwarding && entries.len() == 2 {
            world.node(innermost, |node| node.shares_frame = true);
        }
        let setup = Phase::read(bytes, world, id, depth);
        let mut body = Vec::new();
        for _ in 0..bytes.below(5) {
            body.push(Step::read(bytes, world, innermost, depth));
        }
        Arc::new(Plan {
            id,
            style,
            setup,
            body,
            body_ends: End::read(bytes),
            tolerant: bytes.below(2) == 1,
            teardown: Phase::read(bytes, world, id, depth),
            leave: match bytes.below(5) {
                0 | 1 => Leave::ExitWith,
                2 => Leave::Exit,
                3 => Leave::Cancel,
                _ => Leave::Drop,
            },
            entries,
        })
    }

    pub(super) fn entry(
        bytes: &mut Bytes<'_>,
        world: &World,
        inside: Id,
        depth: usize,
    ) -> Arc<Plan> {
        let id = world.new_node(Some(inside));
        Arc::new(Plan {
            id,
            style: Style::Guard,
            setup: Phase::read(bytes, world, id, depth),
            body: Vec::new(),
            body_ends: End::Well,
            tolerant: false,
            teardown: Phase::read(bytes, world, id, depth),
            leave: Leave::Drop,
            entries: Vec::new(),
        })
    }
}

impl Step {
    pub(super) fn read(bytes: &mut Bytes<'_>, world: &World, inside: Id, depth: usize) -> Step {
        let what = bytes.byte();
        let mut child = |branch| Child {
            plan: Plan::read(bytes, world, Some(inside), depth + 1),
            raced: what >= 240,
            branch,
        };
        if !world.has_room(depth) {
            return Step::Pause;
        }
        match what % 2 {
            1 => Step::Child(child((224..240).contains(&what))),
            _ if what >= 224 => Step::Join(Box::new([child(true), child(true)])),
            _ => Step::Pause,
        }
    }
}

impl Phase {
    pub(super) fn read(bytes: &mut Bytes<'_>, world: &World, id: Id, depth: usize) -> Phase {
        let byte = bytes.byte();
        let what = byte % 64;
        let child = what >= 56 && world.has_room(depth);
        Phase {
            pauses: [0, 1, 2, 1][usize::from(what % 4)],
            child: child.then(|| {
                let plan = Plan::read(bytes, world, Some(id), depth + 1);
                world.node(plan.id, |node| node.is_part = true);
                Child {
                    plan,
                    raced: byte >= 240,
                    branch: (128..192).contains(&byte),
                }
            }),
            ends: match what / 4 % 8 {
                0 => End::Fails,
                1 => End::Panics,
                _ => End::Well,
            },
        }
    }

    /// Whether it neither fails nor panics, nor does what it enters.
    pub(super) fn is_well(&self) -> bool {
        self.child.is_none() && self.ends == End::Well
    }
}

impl End {
    pub(super) fn read(bytes: &mut Bytes<'_>) -> End {
        match bytes.below(8) {
            0 => End::Fails,
            1 => End::Panics,
            _ => End::Well,
        }
    }
}
