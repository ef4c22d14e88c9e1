//! A subscriber that remembers in which spans things happened.

use std::{
    fmt::{self, Debug},
    sync::{Arc, Mutex, MutexGuard},
};
use tracing::{
    Event, Id, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Record},
    subscriber::DefaultGuard,
};
use tracing_core::span::Current;

/// Remembers what is said while it is the subscriber of this thread. Clones remember the same.
#[derive(Clone)]
pub(crate) struct Events {
    level: Level,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    spans: Vec<Open>,
    entered: Vec<u64>,
    lines: Vec<String>,
}

struct Open {
    metadata: &'static Metadata<'static>,
    path: String,
    references: usize,
}

impl Events {
    /// Starts listening on this thread.
    pub(crate) fn listen(level: Level) -> (Self, DefaultGuard) {
        let events = Events {
            level,
            inner: Arc::default(),
        };
        let listening = tracing::subscriber::set_default(events.clone());
        (events, listening)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Each event since the last call, after the spans that it happened in.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().lines)
    }

    /// How many spans are open.
    pub(crate) fn open(&self) -> usize {
        let inner = self.inner();
        inner
            .spans
            .iter()
            .filter(|span| span.references > 0)
            .count()
    }
}

fn index(id: &Id) -> usize {
    usize::try_from(id.into_u64()).unwrap() - 1
}

impl Subscriber for Events {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut inner = self.inner();
        let parent = match attributes.parent() {
            Some(parent) => Some(parent.into_u64()),
            None if attributes.is_contextual() => inner.entered.last().copied(),
            None => None,
        };
        let around = parent.map_or(String::new(), |parent| {
            format!("{}/", inner.spans[parent as usize - 1].path)
        });
        let mut fields = Fields(String::new());
        attributes.record(&mut fields);
        inner.spans.push(Open {
            metadata: attributes.metadata(),
            path: format!("{around}{}", attributes.metadata().name()),
            references: 1,
        });
        Id::from_u64(inner.spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let mut inner = self.inner();
        let spans = match inner.entered.last() {
            Some(span) => inner.spans[*span as usize - 1].path.clone(),
            None => String::from("nowhere"),
        };
        inner.lines.push(format!(
            "{} {spans}: {}",
            event.metadata().level(),
            fields.0
        ));
    }

    fn enter(&self, span: &Id) {
        self.inner().entered.push(span.into_u64());
    }

    fn exit(&self, span: &Id) {
        let left = self.inner().entered.pop();
        assert_eq!(left, Some(span.into_u64()), "left in the wrong order");
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.inner().spans[index(id)].references += 1;
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let mut inner = self.inner();
        let span = &mut inner.spans[index(&id)];
        span.references -= 1;
        span.references == 0
    }

    fn current_span(&self) -> Current {
        let inner = self.inner();
        match inner.entered.last() {
            Some(span) => Current::new(
                Id::from_u64(*span),
                inner.spans[*span as usize - 1].metadata,
            ),
            None => Current::none(),
        }
    }
}

/// An event's fields, its message first.
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        use fmt::Write as _;
        if field.name() == "message" {
            self.0.insert_str(0, &format!("{value:?}"));
        } else {
            write!(self.0, " {}={value:?}", field.name()).unwrap();
        }
    }
}
