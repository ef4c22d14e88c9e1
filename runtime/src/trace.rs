//! Spans around setup, body and teardown, and the span in which a context was entered. Without the feature `tracing`, nothing at all.

#[cfg(feature = "tracing")]
pub(crate) use on::{Around, BodySpan, Spans};

#[cfg(not(feature = "tracing"))]
pub(crate) use off::{Around, BodySpan, Spans};

#[cfg(feature = "tracing")]
mod on {
    use crate::Definition;
    use tracing::{Span, dispatcher, span::Entered, trace_span};

    /// A context's spans. Nothing is looked up before the process has a subscriber, and no span is made that it doesn't want.
    pub(crate) struct Spans {
        around: Around,
        stage: Option<Span>,
    }

    impl Spans {
        pub(crate) fn none() -> Self {
            Spans {
                around: Around(None),
                stage: None,
            }
        }

        /// The span of the setup.
        #[inline]
        pub(crate) fn setup(&mut self, context: Definition) -> Step {
            if !dispatcher::has_been_set() {
                return Step(None);
            }
            if self.stage.is_none() {
                self.around = Around(Some(Span::current()));
                self.stage = Some(trace_span!(
                    target: "contextlib",
                    "setup",
                    context = context.name(),
                    defined = %context.location(),
                ));
            }
            Step(self.stage.clone())
        }

        /// The span of the teardown.
        #[inline]
        pub(crate) fn teardown(&mut self, context: Definition) -> Step {
            if !dispatcher::has_been_set() {
                return Step(None);
            }
            if self.stage.is_none() {
                self.stage = Some(trace_span!(
                    target: "contextlib",
                    "teardown",
                    context = context.name(),
                    defined = %context.location(),
                ));
            }
            Step(self.stage.clone())
        }

        /// The setup or teardown is over.
        pub(crate) fn end(&mut self) {
            self.stage = None;
        }

        pub(crate) fn around(&self) -> Around {
            self.around.clone()
        }
    }

    /// The span in which something is to be run, if any.
    pub(crate) struct Step(Option<Span>);

    impl Step {
        #[inline]
        pub(crate) fn enter(&self) -> Option<Entered<'_>> {
            self.0.as_ref().map(Span::enter)
        }
    }

    /// The span in which a context was entered.
    #[derive(Clone)]
    pub struct Around(Option<Span>);

    impl Around {
        pub(crate) fn none() -> Self {
            Around(None)
        }

        /// The first of the two that is known.
        pub(crate) fn or(self, other: Self) -> Self {
            Around(self.0.or(other.0))
        }

        pub(crate) fn enter(&self) -> Option<Entered<'_>> {
            self.0.as_ref().map(Span::enter)
        }
    }

    /// A body's span, in whatever its context has put around the yield point.
    pub(crate) struct BodySpan(Option<Span>);

    impl BodySpan {
        pub(crate) fn none() -> Self {
            BodySpan(None)
        }

        #[inline]
        pub(crate) fn enter(&mut self, context: Definition) -> Option<Entered<'_>> {
            if !dispatcher::has_been_set() {
                return None;
            }
            let span = self.0.get_or_insert_with(|| {
                trace_span!(target: "contextlib", "body", context = context.name(), defined = %context.location())
            });
            Some(span.enter())
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use crate::Definition;

    pub(crate) struct Spans;

    impl Spans {
        pub(crate) fn none() -> Self {
            Spans
        }

        pub(crate) fn setup(&mut self, _: Definition) -> Step {
            Step
        }

        pub(crate) fn teardown(&mut self, _: Definition) -> Step {
            Step
        }

        pub(crate) fn end(&mut self) {}

        pub(crate) fn around(&self) -> Around {
            Around
        }
    }

    pub(crate) struct Step;

    impl Step {
        pub(crate) fn enter(&self) -> Nothing {
            Nothing
        }
    }

    #[derive(Clone)]
    pub struct Around;

    impl Around {
        pub(crate) fn none() -> Self {
            Around
        }

        pub(crate) fn or(self, _: Self) -> Self {
            self
        }

        pub(crate) fn enter(&self) -> Nothing {
            Nothing
        }
    }

    pub(crate) struct BodySpan;

    impl BodySpan {
        pub(crate) fn none() -> Self {
            BodySpan
        }

        pub(crate) fn enter(&mut self, _: Definition) -> Nothing {
            Nothing
        }
    }

    /// What would leave the span.
    pub(crate) struct Nothing;
}
