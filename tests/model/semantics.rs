//! The model: what the library promises, as a plain interpreter of trees that knows nothing of futures.
//!
//! It walks the tree as if everything were a call, and keeps a stack of the contexts that it is inside. Where the caller goes away (it is dropped at a
//! numbered suspension point, or a timeout around it has elapsed), the outermost context there that goes on by itself takes over: a teardown that runs,
//! or a setup that is to be finished, goes on from there as a strand of its own, and its caller is gone. Where there is none, everything is left from the
//! inside to the outside, and each context that was set up leaves a strand in which it is torn down.

use crate::{
    trace,
    trace::{Event, Failure, Foretold, Strand, Told},
    tree::{
        Body, End, Entry, Id, Leave, Node, Part, Phase, Several, Sort, StackLeave, Step, Style,
        UNIT, Via,
    },
};
use std::sync::Arc;

/// Says what happens in `root` if it is dropped at the suspension point with the number `cut`.
pub(crate) fn foretell(root: &Node, cut: Option<usize>) -> Foretold {
    let mut machine = Machine {
        frames: Vec::new(),
        strands: vec![Strand::default()],
        strand: 0,
        clock: 0,
        steps: 0,
        cut,
        target: None,
        reports: Vec::new(),
        unexited: 0,
    };
    let end = match machine.node(root) {
        Ok(value) => trace::End::Returned(Ok(value)),
        Err(Stop::Failed(failure)) => trace::End::Returned(Err(failure)),
        Err(Stop::Panicked(failure)) => trace::End::Panicked(failure),
        Err(Stop::Gone) => trace::End::Dropped,
    };
    Foretold {
        strands: machine.strands,
        end,
        reports: machine.reports,
        unexited: machine.unexited,
        steps: machine.steps,
    }
}

/// Why something didn't come to its end.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Failed(Failure),
    Panicked(Failure),
    /// Whoever waited for it is gone.
    Gone,
}

/// How a body ended, or a context and what is inside it.
type Flow = Result<Option<Id>, Stop>;

/// What a caller gets of a context in closure style.
enum Ended {
    /// It was not set up, or has ended its body.
    Early(Failure),
    /// What the body came to, and the teardown.
    Both(Flow, Result<(), Stop>),
}

struct Machine {
    /// The contexts around, from the outermost on.
    frames: Vec<Frame>,
    strands: Vec<Strand>,
    /// Where things happen; the caller's is the first.
    strand: usize,
    clock: u64,
    /// Suspension points so far, on the caller's side.
    steps: usize,
    cut: Option<usize>,
    /// Where [`Stop::Gone`] leads to: a context that has dropped its yield point, or out of the tree.
    target: Option<usize>,
    reports: Vec<String>,
    unexited: usize,
}

struct Frame {
    stage: Stage,
    goes_on: GoesOn,
    /// When it drops its yield point.
    deadline: Option<u64>,
    /// The strands that its body has left.
    below: Vec<usize>,
    /// Those that its own setup and teardown have left.
    parts: Vec<usize>,
    /// It runs in a strand of its own; where its caller was then.
    taken_over: Option<Caller>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Setup,
    Body,
    Teardown,
}

/// What goes on without a caller.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GoesOn {
    Nothing,
    Teardown,
    SetupToo,
}

struct Caller {
    strand: usize,
    clock: u64,
    target: Option<usize>,
}

impl Frame {
    fn new(stage: Stage, goes_on: GoesOn) -> Self {
        Frame {
            stage,
            goes_on,
            deadline: None,
            below: Vec::new(),
            parts: Vec::new(),
            taken_over: None,
        }
    }
}

fn goes_on(sort: Sort) -> GoesOn {
    match sort {
        Sort::Drop => GoesOn::Nothing,
        Sort::Finish => GoesOn::SetupToo,
        _ => GoesOn::Teardown,
    }
}

fn told(flow: Flow) -> Told {
    match flow {
        Ok(_) => Told::Completed,
        Err(Stop::Failed(failure)) => Told::Failed(failure),
        Err(Stop::Panicked(failure)) => Told::Panicked(failure),
        Err(Stop::Gone) => Told::Cancelled,
    }
}

// ---- Time, strands, and going away.

impl Machine {
    fn event(&mut self, event: Event) {
        self.strands[self.strand].events.push(event);
    }

    fn top(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("a context is open")
    }

    fn report(&mut self, stop: Stop, told: Told) {
        let after = match told {
            Told::Completed => "Completed",
            Told::Failed(_) => "Failed",
            Told::Panicked(_) => "Panicked",
            Told::Cancelled | Told::Nothing => "Cancelled",
        };
        match stop {
            Stop::Failed(failure) => self.reports.push(format!("{failure:?} after {after}")),
            Stop::Panicked(failure) => self
                .reports
                .push(format!("panic {failure:?} after {after}")),
            Stop::Gone => {}
        }
    }

    /// Things go on in a new strand, for the context at `index`, whose caller is gone.
    fn take_over(&mut self, index: usize, target: Option<usize>) {
        self.frames[index].taken_over = Some(Caller {
            strand: self.strand,
            clock: self.clock,
            target,
        });
        let begins_after = Some((self.strand, self.strands[self.strand].events.len()));
        self.strand = self.strands.len();
        self.strands.push(Strand {
            begins_after,
            ..Strand::default()
        });
    }

    /// The caller of what is around from `outermost` on goes away.
    fn go_away(&mut self, outermost: usize, target: Option<usize>) -> Result<(), Stop> {
        let goes_on = |frame: &Frame| match frame.stage {
            Stage::Setup => frame.goes_on == GoesOn::SetupToo,
            Stage::Body => false,
            Stage::Teardown => frame.goes_on != GoesOn::Nothing,
        };
        match self.frames[outermost..].iter().position(goes_on) {
            Some(at) => {
                self.take_over(outermost + at, target);
                Ok(())
            }
            None => {
                self.target = target;
                Err(Stop::Gone)
            }
        }
    }

    fn pause(&mut self) -> Result<(), Stop> {
        if self.strand == 0 {
            self.steps += 1;
            if self.cut == Some(self.steps - 1) {
                return self.go_away(0, None);
            }
        }
        Ok(())
    }

    fn wait_until(&mut self, time: u64) -> Result<(), Stop> {
        loop {
            let first = self
                .frames
                .iter()
                .rposition(|frame| frame.taken_over.is_some());
            let first = first.unwrap_or(0);
            let due = (first..self.frames.len())
                .filter_map(|at| Some((self.frames[at].deadline?, at)))
                .filter(|(deadline, _)| *deadline < time)
                .min();
            let Some((deadline, at)) = due else {
                self.clock = self.clock.max(time);
                return Ok(());
            };
            self.clock = self.clock.max(deadline);
            self.frames[at].deadline = None;
            self.go_away(at + 1, Some(at))?;
        }
    }

    fn wait_for(&mut self, strands: Vec<usize>) -> Result<(), Stop> {
        let last = strands
            .iter()
            .map(|strand| self.strands[*strand].ends_at)
            .max();
        self.wait_until(last.unwrap_or(0))?;
        let strand = &mut self.strands[self.strand];
        strand.waits.push((strand.events.len(), strands));
        Ok(())
    }

    /// Waits for what the body of the innermost context has left, or leaves that to who is around.
    fn wait_below(&mut self) -> Result<(), Stop> {
        let below = std::mem::take(&mut self.top().below);
        let waited = self.wait_for(below.clone());
        if waited.is_err() {
            self.top().below = below;
        }
        waited
    }

    /// Leaves the innermost context: what it has left behind is the next one's to wait for.
    fn pop(&mut self) {
        let frame = self.frames.pop().expect("a context is open");
        let mut left = frame.below;
        left.extend(frame.parts);
        if let Some(caller) = frame.taken_over {
            self.strands[self.strand].ends_at = self.clock;
            left.push(self.strand);
            self.strand = caller.strand;
            self.clock = caller.clock;
            self.target = caller.target;
        }
        if let Some(around) = self.frames.last_mut() {
            match around.stage {
                Stage::Body => around.below.extend(left),
                Stage::Setup | Stage::Teardown => around.parts.extend(left),
            }
        }
    }
}

// ---- One context.

impl Machine {
    fn steps(&mut self, steps: &[Step], tolerant: bool) -> Result<(), Stop> {
        for step in steps {
            match step {
                Step::Yield => self.pause()?,
                Step::Sleep => {
                    self.pause()?;
                    self.wait_until(self.clock + UNIT)?;
                }
                Step::Run(node) => match self.node(node) {
                    Err(Stop::Failed(_)) if tolerant => {}
                    returned => drop(returned?),
                },
            }
        }
        Ok(())
    }

    fn phase(&mut self, phase: &Phase, failure: Failure) -> Result<(), Stop> {
        self.steps(&phase.steps, true)?;
        match phase.ends {
            End::Well => Ok(()),
            End::Fails => Err(Stop::Failed(failure)),
            End::Panics => Err(Stop::Panicked(failure)),
        }
    }

    /// Enters a context; its frame is the innermost one then.
    fn set_up(&mut self, part: &Part, goes_on: GoesOn) -> Result<(), Stop> {
        self.frames.push(Frame::new(Stage::Setup, goes_on));
        self.event(Event::SetupBegins(part.id));
        let set_up = self.phase(&part.setup, Failure::Setup(part.id));
        let taken_over = self.top().taken_over.is_some();
        match set_up {
            Ok(()) => {
                self.event(Event::SetUp(part.id));
                // Its teardown waits for what its setup has left, though that is not promised.
                let frame = self.top();
                frame.below = std::mem::take(&mut frame.parts);
                if !taken_over {
                    frame.stage = Stage::Body;
                    return Ok(());
                }
                let torn = self.tear_down(part, Told::Cancelled);
                self.report_stop(torn, Told::Cancelled);
            }
            Err(stop) => {
                self.event(Event::FrameIsGone(part.id));
                if !taken_over {
                    self.pop();
                    return Err(stop);
                }
                self.report(stop, Told::Cancelled);
            }
        }
        self.pop();
        Err(Stop::Gone)
    }

    fn report_stop(&mut self, ended: Result<(), Stop>, told: Told) {
        if let Err(stop) = ended {
            self.report(stop, told);
        }
    }

    /// Nobody is left who would get what a teardown was told.
    fn report_told(&mut self, told: Told) {
        match told {
            Told::Failed(failure) => self.report(Stop::Failed(failure), told),
            Told::Panicked(failure) => self.report(Stop::Panicked(failure), told),
            Told::Completed | Told::Cancelled | Told::Nothing => {}
        }
    }

    /// The caller of the innermost context is gone, now or before its teardown came to `torn`: whatever has failed is reported.
    fn report_both(&mut self, part: &Part, torn: Result<(), Stop>, told: Told) {
        self.report_stop(torn, told);
        if !part.sort.suppresses() {
            self.report_told(told);
        }
    }

    /// The teardown of the innermost context, whose frame stays.
    fn tear_down(&mut self, part: &Part, told: Told) -> Result<(), Stop> {
        let frame = self.top();
        frame.stage = Stage::Teardown;
        frame.deadline = None;
        let torn = self.wait_below().and_then(|()| {
            self.event(Event::TeardownBegins(part.id, told));
            self.phase(&part.teardown, Failure::Teardown(part.id))
        });
        if torn.is_ok() {
            self.event(Event::TornDown(part.id));
        }
        self.event(Event::FrameIsGone(part.id));
        torn
    }

    /// The teardown of the innermost context, which somebody waits for until he is gone.
    fn close(&mut self, part: &Part, told: Told) -> Result<(), Stop> {
        let torn = self.tear_down(part, told);
        self.leave_closed(part, told, torn)
    }

    fn leave_closed(
        &mut self,
        part: &Part,
        told: Told,
        torn: Result<(), Stop>,
    ) -> Result<(), Stop> {
        let gone = self.top().taken_over.is_some() || matches!(torn, Err(Stop::Gone));
        if gone {
            self.report_both(part, torn, told);
        }
        self.pop();
        if gone { Err(Stop::Gone) } else { torn }
    }

    /// The innermost context is left with its body open.
    fn abandon(&mut self, part: &Part, told: Told) {
        if self.top().goes_on == GoesOn::Nothing {
            self.event(Event::FrameIsGone(part.id));
        } else {
            self.take_over(self.frames.len() - 1, self.target);
            let torn = self.tear_down(part, told);
            self.report_stop(torn, Told::Cancelled);
        }
        self.pop();
    }

    /// What a context comes to whose body has come to `body`, and its own teardown to `torn`.
    fn combined(&mut self, body: Flow, torn: Result<(), Stop>, suppresses: bool) -> Flow {
        match (body, torn) {
            (_, Err(Stop::Gone)) => Err(Stop::Gone),
            (Ok(value), torn) => torn.map(|()| value),
            (Err(_), torn) if suppresses => torn.map(|()| None),
            (Err(stop), Ok(())) => Err(stop),
            (Err(error @ Stop::Failed(_)), Err(panic @ Stop::Panicked(_))) => {
                self.report(error, told(body));
                Err(panic)
            }
            (Err(first), Err(second)) => {
                self.report(second, told(body));
                Err(first)
            }
        }
    }

    fn body(&mut self, id: Id, body: &Body) -> Flow {
        self.event(Event::BodyBegins(id));
        let ended = match (self.steps(&body.steps, body.tolerant), body.ends) {
            (Err(stop), _) => Err(stop),
            (Ok(()), End::Well) => Ok(Some(id)),
            (Ok(()), End::Fails) => Err(Stop::Failed(Failure::Body(id))),
            (Ok(()), End::Panics) => Err(Stop::Panicked(Failure::Body(id))),
        };
        self.event(Event::BodyIsGone(id));
        ended
    }

    fn with(&mut self, part: &Part, body: impl FnOnce(&mut Self) -> Flow) -> Flow {
        match self.enclosed(part, body)? {
            Ended::Early(failure) => Err(Stop::Failed(failure)),
            Ended::Both(body, torn) => self.combined(body, torn, part.sort.suppresses()),
        }
    }

    /// Closure style, up to what the caller makes of both outcomes.
    fn enclosed(
        &mut self,
        part: &Part,
        body: impl FnOnce(&mut Self) -> Flow,
    ) -> Result<Ended, Stop> {
        match self.set_up(part, goes_on(part.sort)) {
            Err(Stop::Failed(failure)) => return Ok(Ended::Early(failure)),
            set_up => set_up?,
        }
        if let Sort::Wrapping(delay) = part.sort {
            self.top().deadline = Some(self.clock + delay.millis());
        }
        let ended = body(self);
        if let Err(Stop::Gone) = ended {
            if self.target == Some(self.frames.len() - 1) {
                return self.left(part).map(Ended::Early);
            }
            self.abandon(part, Told::Cancelled);
            return Err(Stop::Gone);
        }
        match self.close(part, told(ended)) {
            Err(Stop::Gone) => Err(Stop::Gone),
            torn => Ok(Ended::Both(ended, torn)),
        }
    }

    /// The innermost context has dropped its yield point, and goes on. It fails, since it has no value of the body's.
    fn left(&mut self, part: &Part) -> Result<Failure, Stop> {
        self.target = None;
        self.top().stage = Stage::Teardown;
        self.event(Event::Left(part.id));
        let ended = self.phase(&part.teardown, Failure::Teardown(part.id));
        let ended = ended.and(Err(Stop::Failed(Failure::Left(part.id))));
        self.event(Event::FrameIsGone(part.id));
        if self.top().taken_over.is_some() {
            self.report_stop(ended, Told::Cancelled);
            self.pop();
            return Err(Stop::Gone);
        }
        if let Err(stop) = self.settle() {
            self.report_stop(ended, Told::Cancelled);
            return Err(stop);
        }
        match ended {
            Err(Stop::Failed(failure)) => Ok(failure),
            Err(stop) => Err(stop),
            Ok(()) => unreachable!("it has failed"),
        }
    }

    /// The innermost context is over, but for what its body has left.
    fn settle(&mut self) -> Result<(), Stop> {
        let frame = self.top();
        frame.goes_on = GoesOn::Nothing;
        frame.stage = Stage::Teardown;
        frame.deadline = None;
        // It waits for what the context has left since, though that is not promised.
        let parts = std::mem::take(&mut frame.parts);
        frame.below.extend(parts);
        let settled = self.wait_below();
        self.pop();
        settled
    }
}

// ---- Whatever is entered.

impl Machine {
    fn node(&mut self, node: &Node) -> Flow {
        let (id, returned) = match node {
            Node::One {
                style: Style::With,
                part,
                body,
            } => (part.id, self.with(part, |m| m.body(part.id, body))),
            Node::One {
                style: Style::Outcome,
                part,
                body,
            } => (part.id, self.outcome(part, body)),
            Node::One {
                style: Style::Guard(leave),
                part,
                body,
            } => (part.id, self.guard(part, body, *leave)),
            Node::Several {
                id,
                how: Several::Block,
                parts,
                body,
            } => (*id, self.nested(parts, &mut |m| m.body(*id, body))),
            Node::Several {
                id,
                how,
                parts,
                body,
            } => (
                *id,
                self.tuple(parts, *id, body, *how == Several::DroppedTuple),
            ),
            Node::Stack {
                id,
                leave,
                entries,
                body,
                ..
            } => (*id, self.stack(entries, *id, body, *leave)),
            Node::Timeout {
                id,
                moves_on,
                delay,
                body,
            } => (*id, self.timeout(*id, *moves_on, delay.millis(), body)),
        };
        match returned {
            Ok(value) => self.event(Event::Returned(id, Ok(value))),
            Err(Stop::Failed(failure)) => self.event(Event::Returned(id, Err(failure))),
            Err(Stop::Panicked(_) | Stop::Gone) => {}
        }
        returned
    }

    /// One `with` inside another.
    fn nested(&mut self, parts: &[Arc<Part>], body: &mut dyn FnMut(&mut Self) -> Flow) -> Flow {
        match parts {
            [] => body(self),
            [outermost, others @ ..] => self.with(outermost, |m| m.nested(others, body)),
        }
    }

    /// Both outcomes. A panic is what it is in `with`; else nothing is reported, for all is returned.
    fn outcome(&mut self, part: &Part, body: &Body) -> Flow {
        let id = part.id;
        let (body, suppressed, context) = match self.enclosed(part, |m| m.body(id, body))? {
            Ended::Early(failure) => (None, false, Err(failure)),
            Ended::Both(body, torn) => {
                let suppressed = body.is_err() && part.sort.suppresses();
                let panics = |stop| matches!(stop, Err(Stop::Panicked(_)));
                if panics(torn) || panics(body.map(|_| ())) && !suppressed {
                    return self.combined(body, torn, suppressed);
                }
                let body = match body {
                    Ok(value) => value.map(Ok),
                    Err(Stop::Failed(failure)) => Some(Err(failure)),
                    Err(_) => None,
                };
                match torn {
                    Err(Stop::Failed(failure)) => (body, suppressed, Err(failure)),
                    _ => (body, suppressed, Ok(())),
                }
            }
        };
        self.event(Event::Outcome(id, body, suppressed, context));
        match (context, body) {
            (Err(failure), _) => Err(Stop::Failed(failure)),
            (Ok(()), Some(Err(failure))) if !suppressed => Err(Stop::Failed(failure)),
            (Ok(()), body) => Ok(body.and_then(Result::ok)),
        }
    }

    fn guard(&mut self, part: &Part, body: &Body, leave: Leave) -> Flow {
        self.set_up(part, goes_on(part.sort))?;
        let ended = self.body(part.id, body);
        let dropped = match (ended, leave) {
            (Err(Stop::Panicked(_)), _) => true,
            (Err(Stop::Gone), _) | (_, Leave::Drop) | (Err(_), Leave::QuestionMark) => {
                self.unexited += 1;
                true
            }
            _ => false,
        };
        if dropped {
            self.abandon(part, Told::Cancelled);
            return ended;
        }
        match leave {
            Leave::ExitWith => {
                let torn = self.close(part, told(ended));
                self.combined(ended, torn, part.sort.suppresses())
            }
            Leave::Cancel => self.close(part, Told::Cancelled).and(ended),
            _ => self.close(part, Told::Completed).and(ended),
        }
    }

    fn timeout(&mut self, id: Id, moves_on: bool, delay: u64, body: &Body) -> Flow {
        let mut frame = Frame::new(Stage::Body, GoesOn::Nothing);
        frame.deadline = Some(self.clock + delay);
        self.frames.push(frame);
        let ended = self.body(id, body);
        match ended {
            Err(Stop::Gone) if self.target == Some(self.frames.len() - 1) => {
                self.target = None;
                let elapsed = match moves_on {
                    true => Ok(()),
                    false => Err(Stop::Failed(Failure::Elapsed)),
                };
                if let Err(stop) = self.settle() {
                    self.report_stop(elapsed, Told::Cancelled);
                    return Err(stop);
                }
                elapsed.map(|()| None)
            }
            Err(Stop::Gone) => {
                self.pop();
                ended
            }
            _ => {
                if let Err(stop) = self.settle() {
                    self.report_told(told(ended));
                    return Err(stop);
                }
                ended
            }
        }
    }

    /// As nested ones, but that they are one when their caller is gone, and that what their body's end is nobody's then is reported when all is over.
    fn tuple(&mut self, parts: &[Arc<Part>], id: Id, body: &Body, dropped: bool) -> Flow {
        let goes_on = if dropped {
            GoesOn::Nothing
        } else {
            GoesOn::Teardown
        };
        self.frames.push(Frame::new(Stage::Setup, goes_on));
        let whole = self.frames.len() - 1;
        let mut entered = Vec::new();
        let mut flow = Ok(None);
        for part in parts {
            if let Err(stop) = self.set_up(part, GoesOn::Nothing) {
                flow = Err(stop);
                break;
            }
            let left = std::mem::take(&mut self.top().below);
            self.frames[whole].below.extend(left);
            entered.push(part);
        }
        let (mut bodys_own, mut covered, mut unreturned) = (None, None, None);
        if flow.is_ok() {
            self.frames[whole].stage = Stage::Body;
            flow = self.body(id, body);
            bodys_own = Some(told(flow));
        }
        if let Err(Stop::Gone) = flow {
            if dropped || entered.is_empty() {
                self.drop_tuple(entered);
                return flow;
            }
            self.take_over(whole, self.target);
        }
        // How the body of whoever has failed had ended.
        let mut after = bodys_own.unwrap_or(Told::Cancelled);
        self.frames[whole].stage = Stage::Teardown;
        // The tuple waits for what its setups have left, though that is not promised.
        if !entered.is_empty() {
            let frame = &self.frames[whole];
            let left = frame.below.iter().chain(&frame.parts);
            let last = left.map(|strand| self.strands[*strand].ends_at).max();
            if let Err(stop) = self.wait_until(last.unwrap_or(0)) {
                self.report_stop(flow.map(drop), after);
                self.drop_tuple(entered);
                return Err(stop);
            }
        }
        while let Some(part) = entered.pop() {
            let told = told(flow);
            let torn = self.tear_down(part, told);
            self.pop();
            if let (Err(Stop::Gone), true) = (torn, dropped) {
                self.report_stop(flow.map(drop), after);
                if let Some((error, after)) = covered {
                    self.report(error, after);
                }
                self.drop_tuple(entered);
                return Err(Stop::Gone);
            }
            let failed = matches!(flow, Err(Stop::Failed(_)));
            let gone = self.frames[whole].taken_over.is_some() && !entered.is_empty();
            if let Err(Stop::Gone) = flow {
                self.report_stop(torn, Told::Cancelled);
            } else if gone {
                // Its caller has gone since it was told: to those around it, their body is cancelled.
                self.report_stop(torn, told);
                if !part.sort.suppresses() {
                    unreturned = flow.err();
                }
                flow = Err(Stop::Gone);
            } else if let (true, false, Err(Stop::Panicked(_))) =
                (failed, part.sort.suppresses(), torn)
            {
                // Reported when all is over.
                covered = flow.err().map(|error| (error, after));
                (flow, after) = (torn.map(|()| None), told);
            } else {
                // With what covers it swallowed, it is nobody's any more.
                if let (Some((error, _)), Err(_), true) = (covered, flow, part.sort.suppresses()) {
                    self.report(error, self::told(Err(error)));
                    covered = None;
                }
                if flow.is_ok() || part.sort.suppresses() {
                    after = told;
                }
                flow = self.combined(flow, torn, part.sort.suppresses());
            }
        }
        let alone = self.frames[whole].taken_over.is_some();
        if let Some((error, after)) = covered {
            self.report(error, after);
        }
        if alone {
            let bodys_own = bodys_own.unwrap_or(Told::Cancelled);
            let unreturned = unreturned.or(flow.err());
            if let Some(stop) = unreturned {
                self.report(stop, bodys_own);
            }
            flow = Err(Stop::Gone);
        }
        self.pop();
        flow
    }

    fn drop_tuple(&mut self, mut entered: Vec<&Arc<Part>>) {
        while let Some(part) = entered.pop() {
            self.event(Event::FrameIsGone(part.id));
            self.pop();
        }
        self.pop();
    }

    fn stack(&mut self, entries: &[Entry], id: Id, body: &Body, leave: StackLeave) -> Flow {
        if leave != StackLeave::Scope {
            return self.entries(entries, id, body, leave);
        }
        self.frames.push(Frame::new(Stage::Body, GoesOn::Nothing));
        let flow = self.entries(entries, id, body, leave);
        self.pop();
        flow
    }

    fn entries(&mut self, entries: &[Entry], id: Id, body: &Body, leave: StackLeave) -> Flow {
        let scope = leave == StackLeave::Scope;
        let outermost = self.frames.len();
        let mut entered: Vec<&Entry> = Vec::new();
        let mut flow = Ok(None);
        for entry in entries {
            if matches!(entry.via, Via::Enter | Via::EnterKey) {
                if let Err(stop) = self.set_up(&entry.part, goes_on(entry.part.sort)) {
                    flow = Err(stop);
                    break;
                }
            } else {
                self.frames.push(Frame::new(Stage::Body, GoesOn::Teardown));
            }
            entered.push(entry);
        }
        let all = flow.is_ok();
        if all {
            flow = self.body(id, body);
        }
        let dropped = match flow {
            Err(Stop::Gone) => true,
            Err(Stop::Panicked(_)) => !scope,
            _ => !scope && (!all || leave == StackLeave::Drop),
        };
        if dropped {
            if !matches!(flow, Err(Stop::Panicked(_))) && !scope && !entered.is_empty() {
                self.unexited += 1;
            }
            self.abandon_entries(entered);
            return flow;
        }
        if scope {
            // It is a context itself: before its teardown comes all that has been left in its body.
            self.frames[outermost - 1].stage = Stage::Teardown;
            let inside = self.frames[outermost - 1..].iter();
            let left = inside.flat_map(|frame| frame.below.iter().chain(&frame.parts));
            let left = left.copied().collect();
            if let Err(stop) = self.wait_for(left) {
                self.report_told(told(flow));
                self.abandon_entries(entered);
                return Err(stop);
            }
        }
        let body = flow;
        let first_told = match leave {
            StackLeave::Exit => Ok(None),
            StackLeave::Cancel => Err(Stop::Gone),
            _ => body,
        };
        let mut flow = first_told;
        // What the entry was told whose failure that is.
        let mut after = None;
        while let Some(entry) = entered.pop() {
            let told = told(flow);
            let torn = self.close_entry(entry, told);
            if let Err(Stop::Gone) = torn {
                self.abandon_entries(entered);
                return Err(Stop::Gone);
            }
            let suppresses = entry.part.sort.suppresses();
            let stands = matches!(flow, Err(Stop::Failed(_) | Stop::Panicked(_))) && !suppresses;
            flow = match (flow, torn) {
                // Told that it is cancelled, nobody has failed.
                (Err(Stop::Gone), Ok(())) => flow,
                (Err(Stop::Gone), Err(stop)) => Err(stop),
                (Err(error @ Stop::Failed(_)), Err(panic @ Stop::Panicked(_))) if stands => {
                    self.report(error, after.unwrap_or(told));
                    Err(panic)
                }
                _ => self.combined(flow, torn, suppresses),
            };
            if !stands {
                after = torn.is_err().then_some(told);
            }
        }
        match leave {
            StackLeave::Exit | StackLeave::Cancel => match flow {
                Err(stop @ (Stop::Failed(_) | Stop::Panicked(_))) => Err(stop),
                _ => body,
            },
            // The body's value is there, whatever was swallowed of the entries.
            _ => match (body, flow) {
                (Ok(value), Ok(_)) => Ok(value),
                (_, flow) => flow,
            },
        }
    }

    fn untold(entry: &Entry, told: Told) -> Told {
        match entry.via {
            Via::Callback | Via::AsyncCallback => Told::Nothing,
            _ => told,
        }
    }

    fn close_entry(&mut self, entry: &Entry, told: Told) -> Result<(), Stop> {
        // What is reported says how the body ended, though the callback isn't told.
        let torn = self.tear_down(&entry.part, Self::untold(entry, told));
        self.leave_closed(&entry.part, told, torn)
    }

    fn abandon_entries(&mut self, mut entered: Vec<&Entry>) {
        while let Some(entry) = entered.pop() {
            self.abandon(&entry.part, Self::untold(entry, Told::Cancelled));
        }
    }
}
