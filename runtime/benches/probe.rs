//! What a way of cleaning up *does*: observed, not copied from a README.

use crate::work::{Broken, Work};
use futures::FutureExt;
use std::{
    any::Any,
    fmt,
    future::{Future, pending, poll_fn},
    panic::{AssertUnwindSafe, resume_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};
use tokio::time::sleep;

/// The cleanup takes so long.
const CLEANUP: Duration = Duration::from_millis(10);
/// After which nobody waits for it any more.
const PATIENCE: Duration = Duration::from_millis(150);

/// Work that notes what becomes of it.
#[derive(Clone)]
pub struct Probe(Arc<Notes>);

struct Notes {
    body: Body,
    reached: AtomicU32,
    began: AtomicU32,
    ended: AtomicU32,
}

/// How the body ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Body {
    Succeeds,
    Fails,
    Panics,
    Hangs,
}

const VALUE: u64 = 2;
const ERROR: u64 = 7;

/// What a panicking body panics with.
struct Payload;

/// For a peer whose setup has no arguments.
static CURRENT: Mutex<Option<Probe>> = Mutex::new(None);

impl Probe {
    fn new(body: Body) -> Self {
        let probe = Probe(Arc::new(Notes {
            body,
            reached: AtomicU32::new(0),
            began: AtomicU32::new(0),
            ended: AtomicU32::new(0),
        }));
        *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(probe.clone());
        probe
    }

    fn reached(&self) -> bool {
        self.0.reached.load(SeqCst) > 0
    }

    fn ended(&self) -> bool {
        self.0.ended.load(SeqCst) > 0
    }

    fn under_way(&self) -> bool {
        self.0.began.load(SeqCst) > self.0.ended.load(SeqCst)
    }

    /// What has become of the cleanup some time after everybody is gone.
    async fn afterwards(&self) -> Seen {
        sleep(PATIENCE).await;
        match (self.0.began.load(SeqCst), self.0.ended.load(SeqCst)) {
            (_, 2..) | (2.., _) => Seen::Twice,
            (_, 1) => Seen::Background,
            (1, 0) => Seen::CutOff,
            _ => Seen::Lost,
        }
    }
}

impl Work for Probe {
    async fn acquire(&self) -> Result<u64, Broken> {
        tokio::task::yield_now().await;
        Ok(1)
    }

    async fn work(&self, number: &mut u64) -> Result<u64, Broken> {
        self.0.reached.fetch_add(1, SeqCst);
        match self.0.body {
            Body::Succeeds => {
                *number += 1;
                Ok(VALUE)
            }
            Body::Fails => Err(Broken(ERROR)),
            // No message on the terminal.
            Body::Panics => resume_unwind(Box::new(Payload)),
            Body::Hangs => pending().await,
        }
    }

    async fn release(&self, _: u64) -> Result<(), Broken> {
        self.0.began.fetch_add(1, SeqCst);
        sleep(CLEANUP).await;
        self.0.ended.fetch_add(1, SeqCst);
        Ok(())
    }

    fn current() -> Self {
        let current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        current.clone().expect("a probe is made before it is used")
    }
}

/// What becomes of a cleanup.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// The caller went on when it was over, and other tasks went on meanwhile.
    Awaited,
    /// It was over when the caller went on; the thread did nothing else meanwhile.
    Blocks,
    /// It was over some time later.
    Background,
    /// It began, and never ended.
    CutOff,
    /// It never began.
    Lost,
    /// It ran twice.
    Twice,
    /// It can't be: nobody awaits it.
    NotApplicable,
    /// It was as in the box, but the caller got something else than the body's own end.
    WrongEnd(&'static Seen),
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Seen::Awaited => "awaited",
            Seen::Blocks => "blocks the thread",
            Seen::Background => "background",
            Seen::CutOff => "cut off",
            Seen::Lost => "lost",
            Seen::Twice => "twice",
            Seen::NotApplicable => "–",
            Seen::WrongEnd(seen) => return write!(f, "{seen}, and the body's end is lost"),
        })
    }
}

type Way = Pin<Box<dyn Future<Output = Result<u64, Broken>> + Send>>;

/// A way of cleaning up.
pub struct Candidate {
    /// Its name.
    pub name: &'static str,
    /// Does the work in that way.
    pub run: fn(Probe) -> Way,
}

/// How often what is dropped is looked at.
pub struct Behaviour {
    /// After a body that succeeds, fails, panics, is dropped, and with a cleanup that is dropped half-way.
    pub seen: [Seen; 5],
}

impl Candidate {
    /// Tries it out, on a multi-thread runtime.
    pub async fn behaviour(&self) -> Behaviour {
        Behaviour {
            seen: [
                self.ended(Body::Succeeds).await,
                self.ended(Body::Fails).await,
                self.ended(Body::Panics).await,
                self.dropped(Body::Hangs).await,
                self.dropped(Body::Succeeds).await,
            ],
        }
    }

    /// The body ends by itself.
    async fn ended(&self, body: Body) -> Seen {
        let probe = Probe::new(body);
        let mut awaited = false;
        let end = {
            let mut run = pin!(AssertUnwindSafe((self.run)(probe.clone())).catch_unwind());
            poll_fn(|cx| {
                let polled = run.as_mut().poll(cx);
                awaited |= polled.is_pending() && probe.under_way();
                polled
            })
            .await
        };
        let seen = match probe.ended() {
            true if awaited => Seen::Awaited,
            true => Seen::Blocks,
            false => probe.afterwards().await,
        };
        if own_end(body, end) {
            seen
        } else {
            match seen {
                Seen::Awaited => Seen::WrongEnd(&Seen::Awaited),
                Seen::Background => Seen::WrongEnd(&Seen::Background),
                _ => Seen::WrongEnd(&Seen::Lost),
            }
        }
    }

    /// It is dropped: where the body hangs, else in the middle of the cleanup.
    async fn dropped(&self, body: Body) -> Seen {
        let probe = Probe::new(body);
        let there = || match body {
            Body::Hangs => probe.reached(),
            _ => probe.under_way(),
        };
        let got_there = {
            let mut run = pin!((self.run)(probe.clone()));
            poll_fn(|cx| match run.as_mut().poll(cx) {
                Poll::Pending if there() => Poll::Ready(true),
                Poll::Pending => Poll::Pending,
                Poll::Ready(_) => Poll::Ready(false),
            })
            .await
        };
        match (got_there, probe.ended()) {
            (false, _) => Seen::NotApplicable,
            (true, true) => Seen::Blocks,
            (true, false) => probe.afterwards().await,
        }
    }
}

fn own_end(body: Body, end: Result<Result<u64, Broken>, Box<dyn Any + Send>>) -> bool {
    match (body, end) {
        (Body::Succeeds, Ok(Ok(value))) => value == VALUE,
        (Body::Fails, Ok(Err(Broken(error)))) => error == ERROR,
        (Body::Panics, Err(payload)) => payload.is::<Payload>(),
        _ => false,
    }
}

macro_rules! candidates {
    ($($name:literal, $way:path;)*) => {
        vec![$(Candidate { name: $name, run: |probe| Box::pin($way(probe)) },)*]
    };
}

/// By hand, this library, and where they are built, its peers.
pub fn candidates() -> Vec<Candidate> {
    use crate::contexts;

    #[cfg_attr(not(feature = "peers"), allow(unused_mut))]
    let mut candidates = candidates![
        "by hand, inline", contexts::inline;
        "by hand, inline, catching panics", contexts::inline_catching;
        "contextlib `with`, `spawn`", contexts::with_spawning;
        "contextlib `enter` and `exit_with`, `spawn`", contexts::guard_spawning;
        "contextlib `enter`, `?` and `exit`, `spawn`", contexts::guard_question_mark;
        "contextlib `with`, `block`", contexts::with_blocking;
        "contextlib `with`, `drop`", contexts::with_dropping;
    ];
    #[cfg(feature = "peers")]
    {
        use crate::peers;
        candidates.extend(candidates![
            "guarden 0.4.4, `trigger().await`", peers::guarden;
            "guarden 0.4.4, dropped", peers::guarden_dropped;
            "cobalt-async 0.4.0 `try_finally`", peers::cobalt;
            "async-safe-defer 0.2.0 `send_async_scope!`", peers::async_safe_defer;
            "scopeguard 1.2.0 and a task", peers::scopeguard;
            "async-stream 0.3.6 as a generator", peers::async_stream;
            "genawaiter 0.99.1", peers::genawaiter;
            "stillwater 1.0.0 `bracket`", peers::stillwater;
            "test-context 0.5.8", peers::test_context;
            "async-dropper 0.3.1", peers::async_dropper;
            "tokio-async-drop 0.1.0", peers::tokio_async_drop;
        ]);
    }
    candidates
}
