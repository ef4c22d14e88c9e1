//! Spans around setup, body and teardown, and the span in which a context was entered. Without the feature `tracing`, nothing at all.

#[cfg(feature = "tracing")]
pub(crate) use on::{BodySpan, OuterSpan, Spans, Step, is_watched};

#[cfg(not(feature = "tracing"))]
pub(crate) use off::{BodySpan, OuterSpan, Spans, Step, is_watched};

#[cfg(feature = "tracing")]
mod on {
    use crate::Definition;
    use std::sync::Arc;
    use tracing::{Span, dispatcher, span::Entered, trace_span};

    /// Whether anybody may want to see a span. Before the process has a subscriber, nothing else is looked up, and no span is made.
    #[inline(always)]
    pub(crate) fn is_watched() -> bool {
        dispatcher::has_been_set()
    }

    // A macro, since each name needs a callsite of its own.
    macro_rules! span {
        ($name:literal, $context:expr) => {
            trace_span!(
                target: "contextlib",
                $name,
                context = $context.name(),
                defined = %$context.location(),
            )
        };
    }

    /// A context's spans: one word, and nothing else where nobody wants to see any. No span is made that the subscriber doesn't want.
    pub(crate) struct Spans(Option<Box<Seen>>);

    struct Seen {
        outer_span: OuterSpan,
        stage: Option<Span>,
    }

    impl Spans {
        #[inline]
        pub(crate) fn none() -> Self {
            Spans(None)
        }

        /// The span of the setup. The first time, this also notes the span around it.
        #[cold]
        pub(crate) fn setup(&mut self, context: Definition) -> Step {
            let outer_span = || OuterSpan(Some(Arc::new(Span::current())));
            self.step(outer_span, || span!("setup", context))
        }

        /// The span of the teardown.
        #[cold]
        pub(crate) fn teardown(&mut self, context: Definition) -> Step {
            self.step(OuterSpan::none, || span!("teardown", context))
        }

        fn step(&mut self, outer_span: fn() -> OuterSpan, stage: impl FnOnce() -> Span) -> Step {
            let seen = self.0.get_or_insert_with(|| {
                Box::new(Seen {
                    outer_span: outer_span(),
                    stage: None,
                })
            });
            Step(seen.stage.get_or_insert_with(stage).clone())
        }

        /// The setup or teardown is over.
        #[inline]
        pub(crate) fn end(&mut self) {
            if let Some(seen) = &mut self.0 {
                seen.stage = None;
            }
        }

        pub(crate) fn outer_span(&self) -> OuterSpan {
            match &self.0 {
                Some(seen) => seen.outer_span.clone(),
                None => OuterSpan(None),
            }
        }
    }

    /// The span in which a setup or a teardown is polled.
    pub(crate) struct Step(Span);

    impl Step {
        pub(crate) fn enter(&self) -> Entered<'_> {
            self.0.enter()
        }
    }

    /// The span that a context was entered in. One word, since every rollback has room for it, and hardly any has a span.
    #[derive(Clone)]
    pub struct OuterSpan(Option<Arc<Span>>);

    impl OuterSpan {
        pub(crate) fn none() -> Self {
            OuterSpan(None)
        }

        /// This one if it is known, else the other one.
        pub(crate) fn or(self, other: Self) -> Self {
            OuterSpan(self.0.or(other.0))
        }

        pub(crate) fn enter(&self) -> Option<Entered<'_>> {
            self.0.as_deref().map(Span::enter)
        }
    }

    /// A body's span. It is made at the yield point, inside whatever span the context has put around that.
    pub(crate) struct BodySpan(Option<Box<Span>>);

    impl BodySpan {
        #[inline]
        pub(crate) fn none() -> Self {
            BodySpan(None)
        }

        #[cold]
        pub(crate) fn enter(&mut self, context: Definition) -> Entered<'_> {
            self.0
                .get_or_insert_with(|| Box::new(span!("body", context)))
                .enter()
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use crate::Definition;

    #[inline(always)]
    pub(crate) fn is_watched() -> bool {
        false
    }

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

        pub(crate) fn outer_span(&self) -> OuterSpan {
            OuterSpan
        }
    }

    pub(crate) struct Step;

    impl Step {
        pub(crate) fn enter(&self) -> Nothing {
            Nothing
        }
    }

    #[derive(Clone)]
    pub struct OuterSpan;

    impl OuterSpan {
        pub(crate) fn none() -> Self {
            OuterSpan
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

    /// In place of the guard that leaves a span when it is dropped.
    pub(crate) struct Nothing;
}
