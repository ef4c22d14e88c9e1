//! The trees: what is nested in what, where it suspends, and how each part of it ends.

use proptest::{collection::vec, option, prelude::*};
use std::{fmt, sync::Arc};

/// Each context and each body has one, so that no event can happen twice without being seen.
pub(crate) type Id = usize;

/// What is entered, with its body.
#[derive(Clone)]
pub(crate) enum Node {
    /// One context.
    One {
        style: Style,
        part: Arc<Part>,
        body: Body,
    },
    /// Several at once.
    Several {
        id: Id,
        how: Several,
        parts: Vec<Arc<Part>>,
        body: Body,
    },
    Stack {
        id: Id,
        suppressing: bool,
        leave: StackLeave,
        entries: Vec<Entry>,
        body: Body,
    },
    /// `timeout`, or `move_on_after`.
    Timeout {
        id: Id,
        moves_on: bool,
        delay: Delay,
        body: Body,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    With,
    Outcome,
    Guard(Leave),
}

/// How a guard is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Leave {
    ExitWith,
    Exit,
    Cancel,
    Drop,
    /// By `?`, if the body has failed; else it is exited.
    QuestionMark,
}

/// How a stack is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StackLeave {
    ExitWith,
    Exit,
    Cancel,
    Drop,
    /// It is `ExitStack::scope`.
    Scope,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Several {
    /// A tuple of contexts that are spawned when they are cancelled.
    Tuple,
    /// One of contexts that are dropped.
    DroppedTuple,
    /// `async_with!`
    Block,
}

/// A context.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) id: Id,
    pub(crate) sort: Sort,
    pub(crate) setup: Phase,
    pub(crate) teardown: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sort {
    Spawn,
    Drop,
    /// `setup = finish`
    Finish,
    /// May swallow how its body ended, and does so or not.
    Suppressing(bool),
    /// A timeout of tokio's around its yield point; what it does when that is up is its teardown.
    Wrapping(Delay),
    FromFn,
    Boxed,
    /// A struct.
    Protocol,
}

impl Sort {
    pub(crate) fn suppresses(self) -> bool {
        self == Sort::Suppressing(true)
    }
}

/// An entry of a stack.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) via: Via,
    pub(crate) part: Arc<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Via {
    Enter,
    EnterKey,
    Callback,
    AsyncCallback,
    Push,
}

#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) steps: Vec<Step>,
    pub(crate) ends: End,
    /// It goes on after a failure of what it has entered.
    pub(crate) tolerant: bool,
}

/// A setup or a teardown.
#[derive(Clone)]
pub(crate) struct Phase {
    pub(crate) steps: Vec<Step>,
    pub(crate) ends: End,
}

#[derive(Clone)]
pub(crate) enum Step {
    /// Suspends, and is polled again.
    Yield,
    /// Suspends for one [`UNIT`] of time.
    Sleep,
    Run(Arc<Node>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Well,
    Fails,
    Panics,
}

/// Milliseconds.
pub(crate) const UNIT: u64 = 1 << 22;

/// So many units, and a part of one that no other delay of the tree has: no two deadlines and no end of a sleep fall together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Delay {
    units: u64,
    number: u32,
}

const MOST_DELAYS: u32 = 17;

impl Delay {
    pub(crate) fn millis(self) -> u64 {
        self.units * UNIT + (1 << (4 + self.number))
    }
}

// ---- Which there are.

pub(crate) fn tree() -> impl Strategy<Value = Arc<Node>> {
    node(4).prop_map(|mut node| {
        let mut count = Count::default();
        count.node(&mut node);
        node
    })
}

fn node(depth: u32) -> BoxedStrategy<Arc<Node>> {
    let style = prop_oneof![
        4 => Just(Style::With),
        1 => Just(Style::Outcome),
        4 => leave().prop_map(Style::Guard),
    ];
    let one = (style, part(depth), body(depth)).prop_map(|(style, part, body)| Node::One {
        style,
        part,
        body,
    });
    let how = prop_oneof![
        Just(Several::Tuple),
        Just(Several::DroppedTuple),
        Just(Several::Block)
    ];
    let several =
        (how, vec(part(depth), 2..=3), body(depth)).prop_map(|(how, parts, body)| Node::Several {
            id: 0,
            how,
            parts,
            body,
        });
    let stack_leave = prop_oneof![
        2 => Just(StackLeave::ExitWith),
        1 => Just(StackLeave::Exit),
        1 => Just(StackLeave::Cancel),
        1 => Just(StackLeave::Drop),
        2 => Just(StackLeave::Scope),
    ];
    let stack = (
        any::<bool>(),
        stack_leave,
        vec(entry(depth), 0..=4),
        body(depth),
    )
        .prop_map(|(suppressing, leave, entries, body)| Node::Stack {
            id: 0,
            suppressing,
            leave,
            entries,
            body,
        });
    let timeout =
        (any::<bool>(), delay(), body(depth)).prop_map(|(moves_on, delay, body)| Node::Timeout {
            id: 0,
            moves_on,
            delay,
            body,
        });
    prop_oneof![6 => one, 2 => several, 2 => stack, 2 => timeout]
        .prop_map(Arc::new)
        .boxed()
}

fn leave() -> impl Strategy<Value = Leave> {
    prop_oneof![
        3 => Just(Leave::ExitWith),
        1 => Just(Leave::Exit),
        1 => Just(Leave::Cancel),
        2 => Just(Leave::Drop),
        2 => Just(Leave::QuestionMark),
    ]
}

fn delay() -> impl Strategy<Value = Delay> {
    (0_u64..3).prop_map(|units| Delay { units, number: 0 })
}

fn part(depth: u32) -> impl Strategy<Value = Arc<Part>> {
    let sort = prop_oneof![
        6 => Just(Sort::Spawn),
        3 => Just(Sort::Drop),
        2 => Just(Sort::Finish),
        3 => any::<bool>().prop_map(Sort::Suppressing),
        2 => delay().prop_map(Sort::Wrapping),
        1 => Just(Sort::FromFn),
        1 => Just(Sort::Boxed),
        1 => Just(Sort::Protocol),
    ];
    (sort, phase(depth), phase(depth)).prop_map(|(sort, setup, teardown)| {
        Arc::new(Part {
            id: 0,
            sort,
            setup,
            teardown,
        })
    })
}

fn entry(depth: u32) -> impl Strategy<Value = Entry> {
    let via = prop_oneof![
        3 => Just(Via::Enter),
        1 => Just(Via::EnterKey),
        1 => Just(Via::Callback),
        1 => Just(Via::AsyncCallback),
        1 => Just(Via::Push),
    ];
    (via, part(depth)).prop_map(|(via, part)| Entry { via, part })
}

fn phase(depth: u32) -> impl Strategy<Value = Phase> {
    let child = match depth {
        0..=2 => Just(None).boxed(),
        _ => option::weighted(0.1, node(1)).boxed(),
    };
    (vec(step(), 0..=2), child, end()).prop_map(|(mut steps, child, ends)| {
        steps.extend(child.map(Step::Run));
        Phase { steps, ends }
    })
}

fn body(depth: u32) -> impl Strategy<Value = Body> {
    let step = match depth {
        0 => step().boxed(),
        _ => prop_oneof![3 => step(), 2 => node(depth - 1).prop_map(Step::Run)].boxed(),
    };
    (vec(step, 0..=3), end(), any::<bool>()).prop_map(|(steps, ends, tolerant)| Body {
        steps,
        ends,
        tolerant,
    })
}

fn step() -> BoxedStrategy<Step> {
    prop_oneof![2 => Just(Step::Yield), 1 => Just(Step::Sleep)].boxed()
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![7 => Just(End::Well), 1 => Just(End::Fails), 1 => Just(End::Panics)]
}

/// Numbers what has a number, and puts something else in the place of what can't stand where it does.
#[derive(Default)]
struct Count {
    ids: Id,
    delays: u32,
}

impl Count {
    fn id(&mut self) -> Id {
        self.ids += 1;
        self.ids
    }

    fn delay(&mut self, delay: &mut Delay) {
        delay.number = self.delays.min(MOST_DELAYS);
        self.delays += 1;
    }

    fn node(&mut self, node: &mut Arc<Node>) {
        match Arc::make_mut(node) {
            Node::One { style, part, body } => {
                let part = self.part(part);
                if matches!((*style, part.sort), (Style::Guard(_), Sort::Wrapping(_))) {
                    part.sort = Sort::Spawn;
                }
                self.body(body);
            }
            Node::Several {
                id,
                how,
                parts,
                body,
            } => {
                *id = self.id();
                for part in &mut *parts {
                    let part = self.part(part);
                    part.sort = match (*how, part.sort) {
                        (Several::DroppedTuple, _) => Sort::Drop,
                        (_, Sort::Suppressing(does)) => Sort::Suppressing(does),
                        (Several::Block, Sort::Drop) => Sort::Drop,
                        (_, _) => Sort::Spawn,
                    };
                }
                // No more than the blocks that are written out.
                if let (Several::Block, [first, second, third]) = (*how, &mut parts[..]) {
                    let third_drops = third.sort == Sort::Drop;
                    for (part, drops) in [(first, !third_drops), (second, false)] {
                        if part.sort == Sort::Drop && !drops {
                            Arc::make_mut(part).sort = Sort::Spawn;
                        }
                    }
                }
                self.body(body);
            }
            Node::Stack {
                id,
                suppressing,
                entries,
                body,
                ..
            } => {
                *id = self.id();
                for entry in entries {
                    let via = entry.via;
                    if via == Via::Callback {
                        // It is no `async` closure.
                        Arc::make_mut(&mut entry.part).teardown.steps.clear();
                    }
                    let part = self.part(&mut entry.part);
                    part.sort = match part.sort {
                        _ if matches!(via, Via::Callback | Via::AsyncCallback) => Sort::Spawn,
                        Sort::Wrapping(_) => Sort::Spawn,
                        Sort::Suppressing(_) if !*suppressing => Sort::Spawn,
                        Sort::Suppressing(does) => Sort::Suppressing(does),
                        sort if matches!(via, Via::Enter | Via::EnterKey) => sort,
                        _ => Sort::Spawn,
                    };
                }
                self.body(body);
            }
            Node::Timeout {
                id, delay, body, ..
            } => {
                *id = self.id();
                self.delay(delay);
                self.body(body);
            }
        }
    }

    fn part<'p>(&mut self, part: &'p mut Arc<Part>) -> &'p mut Part {
        let part = Arc::make_mut(part);
        part.id = self.id();
        if let Sort::Wrapping(delay) = &mut part.sort {
            self.delay(delay);
        }
        self.steps(&mut part.setup.steps);
        self.steps(&mut part.teardown.steps);
        part
    }

    fn body(&mut self, body: &mut Body) {
        self.steps(&mut body.steps);
    }

    fn steps(&mut self, steps: &mut [Step]) {
        for step in steps {
            if let Step::Run(node) = step {
                self.node(node);
            }
        }
    }
}

// ---- On one line, since they are read when a test has failed.

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::One { style, part, body } => write!(f, "{style:?} {part:?} {body:?}"),
            Node::Several {
                id,
                how,
                parts,
                body,
            } => write!(f, "{how:?} {id} {parts:?} {body:?}"),
            Node::Stack {
                id,
                suppressing,
                leave,
                entries,
                body,
            } => {
                let suppressing = if *suppressing { "Suppressing" } else { "" };
                write!(f, "{suppressing}Stack({leave:?}) {id} {entries:?} {body:?}")
            }
            Node::Timeout {
                id,
                moves_on,
                delay,
                body,
            } => {
                let name = if *moves_on { "MoveOn" } else { "Timeout" };
                write!(f, "{name}({delay:?}) {id} {body:?}")
            }
        }
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Part {
            id,
            sort,
            setup,
            teardown,
        } = self;
        write!(f, "({id} {sort:?}: {setup:?} / {teardown:?})")
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.via, self.part)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tolerant = if self.tolerant { "tolerant " } else { "" };
        write!(f, "{{{tolerant}")?;
        self.steps
            .iter()
            .try_for_each(|step| write!(f, "{step:?}; "))?;
        write!(f, "{:?}}}", self.ends)
    }
}

impl fmt::Debug for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps
            .iter()
            .try_for_each(|step| write!(f, "{step:?}; "))?;
        write!(f, "{:?}", self.ends)
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Yield => f.write_str("Yield"),
            Step::Sleep => f.write_str("Sleep"),
            Step::Run(node) => write!(f, "{node:?}"),
        }
    }
}
