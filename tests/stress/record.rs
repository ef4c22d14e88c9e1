//! What the contexts of a round come to, and what has to hold of that.

use crate::contexts::Policy;
use contextlib_tests::Dice;
use std::{
    collections::BTreeSet,
    fmt::{self, Write},
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::runtime;

/// The number of a context, or of a region, in its round.
pub(crate) type Id = usize;

/// How many events there had been.
pub(crate) type Moment = usize;

/// Knows the contexts of a round. Whatever the round has made has a clone.
#[derive(Clone, Default)]
pub(crate) struct World(Arc<Mutex<Record>>);

#[derive(Default)]
pub(crate) struct Record {
    pub(crate) nodes: Vec<Node>,
    events: Vec<Event>,
    broken: Vec<String>,
    /// What a teardown inside a rollback hasn't waited for.
    unwaited: BTreeSet<Id>,
    /// The contexts that these are about, and what is around those.
    involved: BTreeSet<Id>,
}

/// A context or a region.
pub(crate) struct Node {
    what: Kind,
    pub(crate) style: Style,
    /// What it is made in.
    pub(crate) home: Option<Id>,
    pub(crate) made: Moment,
    begun: Moment,
    /// For the order: of what is on a stack or around another one in a tuple, this is when it has been set up.
    pub(crate) entered: Option<Moment>,
    /// What waits for it, and what it waits for.
    pub(crate) inside: Vec<Id>,
    pub(crate) contains: Vec<Id>,
    pub(crate) stage: Stage,
    was_set_up: bool,
    setup_failed: bool,
    body_dropped: bool,
    teardowns: usize,
    torn_down: bool,
    /// The entry before it on its stack.
    pub(crate) after: Option<Id>,
    /// It is entered in a `with` that is over before it: what it is made in is around that.
    pub(crate) left_a_with: bool,
    pub(crate) handed_over: bool,
    /// What it is dropped or exited in, after it was handed over, and whether that is a teardown.
    pub(crate) left_in: Option<Id>,
    pub(crate) left_in_teardown: bool,
    pub(crate) leaving: bool,
    left: bool,
    /// Where its rollback runs, if that is known.
    runtime: Option<runtime::Id>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Context(Policy),
    /// Something with a lane of its own that has no teardown: a branch, a timeout, the scope of a stack.
    Region(&'static str),
}

/// How a context is entered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    With,
    Guard,
    /// On a stack.
    Entry,
    /// In one frame with another one, around that.
    Outer,
    /// In one frame with this one, inside it.
    Inner(Id),
    /// By the setup or the teardown of what it is made in, which doesn't wait for it.
    Part,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Made,
    Setup,
    Open,
    Teardown,
    Over,
}

/// What happens to a context.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Its setup has begun.
    Entered,
    SetupFails,
    SetUp,
    /// It is on its stack.
    Pushed,
    HandedOver,
    /// By itself, with its yield point: without that it isn't rolled back any more.
    BodyDropped,
    /// Its owner is about to exit or to drop it.
    Leaving,
    /// Its owner has nothing to do with it any more: if it isn't over, it is being rolled back.
    Left,
    TeardownBegins,
    /// Well or not.
    TeardownEnds,
    /// Its frame is gone.
    Over,
}

struct Event {
    node: Id,
    what: What,
    task: Option<tokio::task::Id>,
}

fn current_runtime() -> Option<runtime::Id> {
    let here = runtime::Handle::try_current();
    here.ok().map(|here| here.id())
}

impl World {
    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().expect("nothing panics with it locked")
    }

    /// A context that is going to be entered.
    pub(crate) fn context(&self, policy: Policy, style: Style, home: Option<Id>) -> Id {
        self.lock().make(Kind::Context(policy), style, home)
    }

    /// A region that is going to be begun, by [`What::Entered`].
    pub(crate) fn region(&self, name: &'static str, home: Option<Id>) -> Id {
        self.lock().make(Kind::Region(name), Style::With, home)
    }

    /// Whether it is going to be entered in a `with` that is over before it.
    pub(crate) fn leaves_a_with(&self, id: Id, dice: &mut Dice) -> bool {
        let leaves = dice.once_in(3);
        self.lock().nodes[id].left_a_with = leaves;
        leaves
    }

    /// Something happens to it.
    pub(crate) fn note(&self, id: Id, what: What) {
        self.lock().note(id, what);
    }

    /// It is on its stack, `after` this entry.
    pub(crate) fn pushed(&self, id: Id, after: Option<Id>) {
        let mut record = self.lock();
        record.note(id, What::Pushed);
        record.nodes[id].after = after;
        if let Some(after) = after {
            record.put_inside(after, id);
        }
    }

    /// Its teardown begins, `inside` of the teardown of a context that was entered then. Returns when it was entered itself.
    pub(crate) fn begin_teardown(&self, id: Id, inside: Option<Moment>) -> Moment {
        let mut record = self.lock();
        record.note(id, What::TeardownBegins);
        record.check_teardown(id, inside);
        record.nodes[id].entered.unwrap_or(record.events.len())
    }

    /// When it was entered, or its setup has begun.
    pub(crate) fn order(&self, id: Id) -> Moment {
        self.lock().nodes[id].order()
    }

    /// A context that was handed over is going to be exited or dropped in `here`.
    pub(crate) fn leaves_in(&self, id: Id, here: Option<Id>) {
        let mut record = self.lock();
        let in_teardown = here.is_some_and(|here| record.nodes[here].stage == Stage::Teardown);
        record.nodes[id].left_in = here;
        record.nodes[id].left_in_teardown = in_teardown;
    }

    /// What is being rolled back now on this runtime, or off any, on all of them; with `inside`, that of what was entered after that.
    pub(crate) fn rolled_back(&self, inside: Option<Id>) -> Vec<Id> {
        let record = self.lock();
        let is_later = |node: &Node| match inside {
            Some(inside) => record.nodes[inside].is_entered_before(node),
            None => true,
        };
        let here = current_runtime();
        let is_here = |node: &Node| here.is_none() || node.runtime == here;
        record.all(|node| node.left && node.is_alive() && is_here(node) && is_later(node))
    }

    /// Somebody says that these are over.
    pub(crate) fn check_over(&self, contexts: &[Id], who: &str) {
        let mut record = self.lock();
        let alive = |id: &Id| record.nodes[*id].is_alive();
        let alive: Vec<Id> = contexts.iter().copied().filter(alive).collect();
        if !alive.is_empty() {
            let text = format!("{who} returns before these are over: {alive:?}");
            record.complain(text, &alive);
        }
    }

    /// Something is wrong that isn't about a context.
    pub(crate) fn complain(&self, text: String) {
        self.lock().complain(text, &[]);
    }

    /// How many there are of it.
    pub(crate) fn owners(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// Nothing of the round is left, in which so many teardowns were reported as lost. Returns what is wrong, and how that came.
    pub(crate) fn verdict(&self, lost: usize) -> Option<String> {
        let mut record = self.lock();
        let alive = record.all(Node::is_alive);
        if !alive.is_empty() {
            record.complain(format!("these are never over: {alive:?}"), &alive);
        }
        let never = record.never_torn_down();
        // Those are rolled back or not, by how far the body was that they have dropped.
        let maybe = record.all(|node| node.body_dropped && !node.torn_down);
        if !(never.len()..=never.len() + maybe.len()).contains(&lost) {
            let text = format!(
                "{} teardowns never began or weren't finished, {lost} were reported as lost: {never:?}",
                never.len()
            );
            // Which of them weren't reported isn't known.
            let some: Vec<Id> = never.into_iter().take(5).collect();
            record.complain(text, &some);
        }
        (!record.broken.is_empty()).then(|| record.to_string())
    }

    /// What isn't over, and how that came.
    pub(crate) fn hangs(&self) -> String {
        let mut record = self.lock();
        let alive = record.all(Node::is_alive);
        record.complain(format!("these aren't over: {alive:?}"), &alive);
        record.to_string()
    }
}

impl Record {
    fn make(&mut self, what: Kind, style: Style, home: Option<Id>) -> Id {
        let id = self.nodes.len();
        self.nodes.push(Node {
            what,
            style,
            home,
            made: self.events.len(),
            begun: Moment::MAX,
            entered: None,
            inside: Vec::new(),
            contains: Vec::new(),
            stage: Stage::Made,
            was_set_up: false,
            setup_failed: false,
            body_dropped: false,
            teardowns: 0,
            torn_down: false,
            after: None,
            left_a_with: false,
            handed_over: false,
            left_in: None,
            left_in_teardown: false,
            leaving: false,
            left: false,
            runtime: None,
        });
        if let Some(home) = home {
            self.put_inside(home, id);
        }
        id
    }

    fn note(&mut self, id: Id, what: What) {
        let now = self.events.len();
        let task = tokio::task::try_id();
        self.events.push(Event {
            node: id,
            what,
            task,
        });
        let node = &mut self.nodes[id];
        match what {
            What::Entered => {
                node.stage = Stage::Setup;
                node.begun = now;
                node.runtime = current_runtime();
                match node.style {
                    Style::Entry | Style::Outer => {}
                    Style::Inner(outer) => {
                        node.entered = Some(now);
                        self.nodes[outer].entered = Some(now);
                    }
                    Style::With | Style::Guard | Style::Part => node.entered = Some(now),
                }
            }
            What::SetupFails => node.setup_failed = true,
            What::SetUp => {
                node.stage = Stage::Open;
                node.was_set_up = true;
            }
            What::Pushed => node.entered = Some(now),
            What::HandedOver => {
                node.handed_over = true;
                self.take_out(id);
            }
            What::BodyDropped => node.body_dropped = true,
            What::Leaving => node.leaving = true,
            What::Left => {
                node.left = true;
                match node.what {
                    Kind::Context(Policy::Local) => node.runtime = current_runtime(),
                    Kind::Context(Policy::OnThread) => node.runtime = None,
                    _ => {}
                }
                if node.handed_over {
                    self.put_back(id);
                }
            }
            What::TeardownBegins => {
                node.stage = Stage::Teardown;
                node.teardowns += 1;
            }
            What::TeardownEnds => node.torn_down = true,
            What::Over => node.stage = Stage::Over,
        }
    }

    fn check_teardown(&mut self, id: Id, inside: Option<Moment>) {
        let node = &self.nodes[id];
        let (teardowns, entered, body_dropped) = (node.teardowns, node.entered, node.body_dropped);
        if teardowns > 1 || !node.was_set_up {
            let text = format!("the teardown of {id} begins: the {teardowns}. time");
            self.complain(text, &[id]);
        }
        // Nothing is waited for that was entered before it; in a rollback, nor the context of that, and what may have been entered before it.
        let mut early = self.alive_inside(id);
        let unwaited = &self.unwaited;
        if body_dropped {
            // It goes on with its next statement when what it is within there is over, which may have been in a rollback.
            early.retain(|early| !unwaited.contains(early));
        }
        let waits = |early: &Id| {
            let early = &self.nodes[*early];
            entered <= Some(early.order()) && inside < Some(early.made)
        };
        let (early, unwaited): (Vec<Id>, Vec<Id>) = early.into_iter().partition(waits);
        self.unwaited.extend(unwaited);
        if !early.is_empty() {
            let text =
                format!("the teardown of {id} begins before these inside it are over: {early:?}");
            self.complain(text, &[early.as_slice(), &[id]].concat());
        }
    }

    fn all(&self, which: impl Fn(&Node) -> bool) -> Vec<Id> {
        let nodes = self.nodes.iter().enumerate();
        let chosen = nodes.filter(|(_, node)| which(node));
        chosen.map(|(id, _)| id).collect()
    }

    /// The contexts whose teardowns were lost: of two in one frame, the outer one.
    fn never_torn_down(&self) -> BTreeSet<Id> {
        let never = self.all(|node| node.has_to_be_torn_down() && !node.torn_down);
        let frames = never.into_iter().map(|id| match self.nodes[id].style {
            Style::Inner(outer) => outer,
            _ => id,
        });
        frames.collect()
    }

    fn complain(&mut self, text: String, involved: &[Id]) {
        self.broken.push(text);
        for id in involved {
            self.involve(*id);
        }
    }

    fn involve(&mut self, id: Id) {
        if self.involved.insert(id) {
            let node = &self.nodes[id];
            let around = [
                &node.inside[..],
                node.home.as_slice(),
                node.left_in.as_slice(),
            ];
            for outer in around.concat() {
                self.involve(outer);
            }
        }
    }
}

impl Node {
    /// When it was entered, or its setup has begun.
    fn order(&self) -> Moment {
        self.entered.unwrap_or(self.begun)
    }

    /// It is in its frame.
    pub(crate) fn is_alive(&self) -> bool {
        let has_begun = matches!(self.stage, Stage::Setup | Stage::Open | Stage::Teardown);
        has_begun && !self.is_region()
    }

    pub(crate) fn is_region(&self) -> bool {
        matches!(self.what, Kind::Region(_))
    }

    fn has_to_be_torn_down(&self) -> bool {
        let Kind::Context(policy) = self.what else {
            return false;
        };
        let is_finished = policy == Policy::Finish && self.stage != Stage::Made;
        match policy {
            Policy::Drop => false,
            _ if self.body_dropped => false,
            _ => self.was_set_up || is_finished && !self.setup_failed,
        }
    }
}

/// What is wrong, and of each context that this is about, and of what is around those, what it is and what has happened to it.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for broken in &self.broken {
            writeln!(f, "{broken}")?;
        }
        if self.involved.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nThese are:")?;
        for id in &self.involved {
            writeln!(f, "  {id}: {}", described(&self.nodes[*id]))?;
        }
        writeln!(f, "\nWhat happened to them, in this order:")?;
        for Event { node, what, task } in &self.events {
            if self.involved.contains(node) {
                match task {
                    Some(task) => writeln!(f, "  {node} {what}, in task {task}")?,
                    None => writeln!(f, "  {node} {what}, in no task")?,
                }
            }
        }
        Ok(())
    }
}

fn described(node: &Node) -> String {
    let mut text = match node.what {
        Kind::Context(policy) => policy.name().to_owned(),
        Kind::Region(name) => name.to_owned(),
    };
    let style = match node.style {
        _ if node.is_region() => "",
        Style::With => ", in closure style",
        Style::Guard => ", in guard style",
        Style::Entry => ", on a stack",
        Style::Outer | Style::Inner(_) => ", in a tuple",
        Style::Part => ", by a setup or a teardown",
    };
    text.push_str(style);
    if node.left_a_with {
        text.push_str(", entered in a `with` that was over then");
    }
    if let Some(home) = node.home {
        let _ = write!(text, ", made in {home}");
    }
    if let Some(here) = node.left_in {
        let _ = write!(text, ", handed over and left in {here}");
    }
    if !node.inside.is_empty() {
        let _ = write!(text, ", inside {:?}", node.inside);
    }
    text
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            What::Entered => "is entered",
            What::SetupFails => "fails or panics in its setup",
            What::SetUp => "is set up",
            What::Pushed => "is on its stack",
            What::HandedOver => "is handed over",
            What::BodyDropped => "drops its body",
            What::Leaving => "is about to be left by its owner",
            What::Left => "has been left by its owner",
            What::TeardownBegins => "begins its teardown",
            What::TeardownEnds => "ends its teardown",
            What::Over => "is over",
        })
    }
}
