//! Which contexts are inside which.
//!
//! A context is inside another one if that has to wait for it: it was entered in that one's body, or after it in the same lane, or after it on the same
//! stack. So everything inside it has to be over when its teardown begins.
//!
//! What is handed over to another task leaves what it was inside, but for the entries before it on its stack. When it has been dropped there, it is inside what
//! that task had entered before it, and of what is still open in the lane that it was entered in.

use crate::record::{Id, Node, Record, Style};
use std::collections::BTreeSet;

impl Record {
    pub(crate) fn put_inside(&mut self, outer: Id, inner: Id) {
        if !self.nodes[inner].inside.contains(&outer) {
            self.nodes[inner].inside.push(outer);
            self.nodes[outer].contains.push(inner);
        }
    }

    /// It is handed over.
    pub(crate) fn take_out(&mut self, id: Id) {
        for outer in std::mem::take(&mut self.nodes[id].inside) {
            if self.nodes[id].goes_with(outer) {
                self.nodes[id].inside.push(outer);
            } else {
                self.nodes[outer].contains.retain(|inner| *inner != id);
            }
        }
    }

    /// It was handed over, and has been left now.
    pub(crate) fn put_back(&mut self, id: Id) {
        self.put_in_its_lane(id);
        let node = &self.nodes[id];
        let Some(here) = node.left_in else { return };
        // Where a stack's exit moves on to another task and is given up there, it isn't known what an entry's teardown has dropped before.
        if node.left_in_teardown && self.nodes[here].style == Style::Entry {
            return;
        }
        self.put_inside_of_earlier(id, here);
    }

    /// Inside the innermost context that is still open in the lane that it was entered in.
    fn put_in_its_lane(&mut self, id: Id) {
        let mut around = self.nodes[id].home;
        while let Some(outer) = around {
            let node = &self.nodes[outer];
            if !node.leaving {
                return self.put_inside(outer, id);
            }
            // The lane ends with its owner.
            around = node.home.filter(|_| !node.owns_lanes());
        }
    }

    /// Inside `here` if that was entered before it, else of what is around that and was.
    fn put_inside_of_earlier(&mut self, id: Id, here: Id) {
        let node = &self.nodes[here];
        if node.is_entered_before(&self.nodes[id]) {
            return self.put_inside(here, id);
        }
        for outer in node.inside.clone() {
            self.put_inside_of_earlier(id, outer);
        }
    }

    /// What is inside it and not over, its own parts apart.
    pub(crate) fn alive_inside(&self, id: Id) -> Vec<Id> {
        let mut inside = BTreeSet::new();
        // What is dropped by a rollback doesn't wait for what was entered since that began, but on its stack.
        let mut around = vec![(id, self.nodes[id].left_in_teardown)];
        while let Some((outer, only_its_stack)) = around.pop() {
            for inner in &self.nodes[outer].contains {
                let node = &self.nodes[*inner];
                let is_on_its_stack = node.goes_with(outer);
                let counts = !only_its_stack && !node.is_part_of(id) || is_on_its_stack;
                if !counts || !inside.insert(*inner) {
                    continue;
                }
                // What is inside something that was handed over has stayed in its lane, where only that one waits for it; but for its stack, and where it is the lane.
                let is_elsewhere = node.handed_over && !node.is_region();
                if !is_elsewhere || is_on_its_stack {
                    around.push((*inner, is_elsewhere));
                }
            }
        }
        inside.retain(|inner| self.nodes[*inner].is_alive());
        inside.into_iter().collect()
    }
}

impl Node {
    /// It is known to be.
    pub(crate) fn is_entered_before(&self, other: &Node) -> bool {
        self.entered.is_some_and(|entered| entered < other.made)
    }

    /// Wherever the two are handed over to, it is inside that: on one stack, or in one tuple.
    fn goes_with(&self, outer: Id) -> bool {
        self.after == Some(outer) || self.style == Style::Inner(outer)
    }

    /// What is entered in it, or by it, has a lane of its own.
    fn owns_lanes(&self) -> bool {
        !matches!(self.style, Style::Guard | Style::Entry)
    }

    fn is_part_of(&self, outer: Id) -> bool {
        self.style == Style::Part && self.home == Some(outer)
    }
}
