//! What the contexts of a run and their executor share, and what has to hold of that.

use super::{
    lock,
    plan::{DEEPEST, MOST_CONTEXTS},
};
use contextlib::{
    ExitKind,
    background::{self, lanes_in_use},
};
use std::{
    panic::resume_unwind,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicIsize, AtomicUsize, Ordering},
    },
    task::Waker,
};

/// A context of a run.
pub(super) type Id = usize;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    Setup(Id),
    Body(Id),
    Teardown(Id),
    Expired(Id),
}

/// What the planned panics carry.
pub(super) struct Planned;

pub(super) fn panic_as_planned() -> ! {
    // Not by the panic hook, which the fuzzer takes for a finding.
    resume_unwind(Box::new(Planned))
}

/// What the contexts and their executor share.
#[derive(Default)]
pub(super) struct World {
    pub(super) nodes: Mutex<Vec<Node>>,
    pub(super) gates: Mutex<Vec<Gate>>,
    pub(super) next_gate: AtomicUsize,
    pub(super) rollbacks: Mutex<Vec<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    pub(super) resources: AtomicIsize,
}

/// What has become of a context.
#[derive(Default, Debug)]
pub(super) struct Node {
    pub(super) inside: Option<Id>,
    /// Entered by the context function of the context that it is inside.
    pub(super) is_part: bool,
    /// The inner one of a tuple, whose outer one it shares a frame with.
    pub(super) shares_frame: bool,
    pub(super) set_up: bool,
    pub(super) teardowns: usize,
    pub(super) over: bool,
    /// What its teardown is to be told; `None` where that isn't known here.
    pub(super) exit: Option<ExitKind>,
    pub(super) body: Option<Result<u32, Failure>>,
    pub(super) teardown: Option<Result<(), Failure>>,
}

/// Something that a future waits for.
pub(super) struct Gate {
    pub(super) number: usize,
    pub(super) open: bool,
    pub(super) waker: Option<Waker>,
}

impl World {
    pub(super) fn new_node(&self, inside: Option<Id>) -> Id {
        let mut nodes = lock(&self.nodes);
        nodes.push(Node {
            inside,
            ..Node::default()
        });
        nodes.len() - 1
    }

    pub(super) fn has_room(&self, depth: usize) -> bool {
        depth < DEEPEST && lock(&self.nodes).len() < MOST_CONTEXTS
    }

    pub(super) fn node<R>(&self, id: Id, f: impl FnOnce(&mut Node) -> R) -> R {
        f(&mut lock(&self.nodes)[id])
    }

    /// The teardown of `id` starts: everything inside it has to be over.
    pub(super) fn teardown_starts(&self, id: Id, exit: Option<ExitKind>) {
        let mut nodes = lock(&self.nodes);
        let inside = |mut other: Id| {
            while let Some(outer) = nodes[other].inside {
                if outer == id {
                    // What the context has entered itself is its own part; only contexts around it wait for that too.
                    return !nodes[other].is_part;
                }
                other = outer;
            }
            false
        };
        let early = (0..nodes.len())
            .find(|other| nodes[*other].set_up && !nodes[*other].over && inside(*other));
        let node = &mut nodes[id];
        node.teardowns += 1;
        let (teardowns, expected) = (node.teardowns, node.exit);
        drop(nodes);
        assert_eq!(
            early, None,
            "the teardown of {id} starts before this one is over"
        );
        assert_eq!(teardowns, 1, "{id} is torn down again");
        if let (Some(exit), Some(expected)) = (exit, expected) {
            assert_eq!(exit, expected, "{id} is told a wrong exit");
        }
    }

    pub(super) fn assert_balanced(&self, lost: usize, dropped: usize) {
        // Fewer, where one was dropped that only waited for its parts.
        assert!(
            lost <= dropped,
            "{lost} rollbacks lost, {dropped} dropped by the schedule"
        );
        let nodes = lock(&self.nodes);
        let is_lost = |node: &Node| node.set_up && node.teardowns == 0;
        // A tuple is lost as one.
        let with_its_outer = |node: &Node| {
            node.shares_frame && node.inside.is_some_and(|outer| is_lost(&nodes[outer]))
        };
        let never = nodes
            .iter()
            .filter(|node| is_lost(node) && !with_its_outer(node))
            .count();
        assert!(
            never <= lost,
            "{never} contexts never torn down, {lost} lost: {nodes:?}"
        );
        assert!(nodes.iter().all(|node| !node.set_up || node.over));
        assert_eq!(self.resources.load(Ordering::SeqCst), 0, "resources left");
        assert!(lock(&self.gates).is_empty(), "something is still waiting");
        assert_eq!(background::pending(), 0);
        assert_eq!(lanes_in_use(), 0);
    }
}

/// A resource that is counted.
pub(super) struct Resource(pub(super) Arc<World>);

impl Drop for Resource {
    fn drop(&mut self) {
        self.0.resources.fetch_sub(1, Ordering::SeqCst);
    }
}
