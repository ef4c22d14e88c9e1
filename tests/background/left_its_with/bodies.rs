//! In bodies that are inside each other.

use super::{Kept, OPENED, Opened, inner, open, open_guard, outer};
use crate::shared::{Broken, Inner, Log};
use contextlib::{
    async_context,
    background::{drain, lane},
    null_context, yield_resource,
};
use futures::{FutureExt, future::BoxFuture};
use std::future::pending;
use tokio::{select, sync::oneshot};

/// The bodies, inside each other, in which a guard and something else are entered one after the other, and come to their end, the inner one first.
#[derive(Clone, Copy, Debug)]
struct Depths {
    outer_entered: u32,
    inner_entered: u32,
    inner_dropped: u32,
    outer_dropped: u32,
    /// It is exited instead.
    exits: bool,
}

impl Depths {
    fn all() -> impl Iterator<Item = Self> {
        let from = |depth: u32| depth..4;
        from(0).flat_map(move |outer_entered| {
            from(outer_entered).flat_map(move |inner_entered| {
                from(inner_entered).flat_map(move |inner_dropped| {
                    from(inner_dropped).flat_map(move |outer_dropped| {
                        [false, true].map(|exits| Depths {
                            outer_entered,
                            inner_entered,
                            inner_dropped,
                            outer_dropped,
                            exits,
                        })
                    })
                })
            })
        })
    }
}

struct Nested {
    log: Log,
    first: Opened,
    second: Opened,
    outer: Option<Inner>,
    inner: Option<Kept>,
    depths: Depths,
}

impl Nested {
    /// What is to be done in the body of this depth, and in those inside it.
    fn run(mut self, depth: u32) -> BoxFuture<'static, ()> {
        let Depths {
            outer_entered,
            inner_entered,
            inner_dropped,
            outer_dropped,
            exits,
        } = self.depths;
        let work = async move {
            if depth == outer_entered {
                self.outer = Some(open_guard(self.first, outer(&self.log)).await);
            }
            if depth == inner_entered {
                self.inner = Some(open(self.second, inner(&self.log)).await);
            }
            if depth == inner_dropped {
                self.inner = None;
            }
            if depth < outer_dropped {
                let deeper = async |_: &mut ()| self.run(depth + 1).await;
                return null_context(()).run(deeper).await;
            }
            match self.outer.take() {
                Some(outer) if exits => outer.exit().await.unwrap(),
                outer => drop(outer),
            }
        };
        work.boxed()
    }
}

async fn in_all_depths() {
    for first in OPENED
        .into_iter()
        .filter(|first| !matches!(first, Opened::OnAStack))
    {
        for second in OPENED {
            for depths in Depths::all() {
                let log = Log::default();
                let all = Nested {
                    log: log.clone(),
                    first,
                    second,
                    outer: None,
                    inner: None,
                    depths,
                };
                all.run(0).await;
                drain().await;
                let end = if depths.exits {
                    "Completed"
                } else {
                    "Cancelled"
                };
                let said = format!("+outer, +inner, -inner, -outer {end}");
                assert_eq!(log.said(), said, "{first:?}, {second:?}, {depths:?}");
            }
        }
    }
}

#[tokio::test]
async fn in_bodies_inside_of_each_other() {
    in_all_depths().await;
    lane(in_all_depths()).await;
    null_context(()).run(async |_| in_all_depths().await).await;
}

#[tokio::test]
async fn in_bodies_inside_of_each_other_in_a_rollback() {
    #[async_context]
    async fn runs_them(done: oneshot::Sender<()>) -> Result<(), Broken> {
        let _ = yield_resource!();
        in_all_depths().await;
        done.send(()).unwrap();
    }
    let (done, is_done) = oneshot::channel();
    drop(runs_them(done).enter().await.unwrap());
    is_done.await.unwrap();
}

/// How an earlier `with` comes to go on.
#[derive(Clone, Copy, Debug)]
enum Earlier {
    /// In the later one's body.
    InIt,
    /// In another branch of the task.
    BesideIt,
}

/// The body of an earlier `with` isn't around what a later one has entered, though the task that has entered it drops it there: the later one waits for that as well.
#[tokio::test]
async fn dropped_in_the_body_of_an_earlier_one() {
    // Of so many before it nothing is known any more.
    for contexts_meanwhile in [0, 5_000] {
        for earlier in [Earlier::InIt, Earlier::BesideIt] {
            for opened in OPENED {
                let log = Log::default();
                let (hand_over, handed_over) = oneshot::channel::<Kept>();
                let (is_dropped, dropped) = oneshot::channel();
                let takes = async |_: &mut ()| {
                    drop(handed_over.await);
                    is_dropped.send(()).unwrap();
                    pending::<()>().await;
                };
                let mut taking = null_context(()).run(takes).boxed();
                assert!((&mut taking).now_or_never().is_none());
                let (mut in_it, beside_it) = match earlier {
                    Earlier::InIt => (Some(taking), None),
                    Earlier::BesideIt => (None, Some(taking)),
                };
                let hands_over = async |_: &mut ()| -> Result<(), Broken> {
                    let kept = open(opened, inner(&log)).await;
                    for _ in 0..contexts_meanwhile {
                        null_context(()).run(async |_| {}).await;
                    }
                    hand_over.send(kept).ok().unwrap();
                    if let Some(taking) = &mut in_it {
                        assert!(taking.now_or_never().is_none());
                    }
                    dropped.await.unwrap();
                    Ok(())
                };
                let later = outer(&log).with(hands_over);
                let beside_it = async { beside_it.unwrap_or_else(|| pending().boxed()).await };
                select! {
                    later = later => later.unwrap(),
                    () = beside_it => unreachable!("it goes on for ever"),
                }
                let when = format!("{contexts_meanwhile}, {earlier:?}, {opened:?}");
                assert_eq!(
                    log.said(),
                    "+outer, +inner, -inner, -outer Completed",
                    "{when}"
                );
                drain().await;
            }
        }
    }
}
