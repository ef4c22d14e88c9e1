//! In bodies that are inside of each other.

use super::{Kept, OPENED, Opened, inner, open, open_guard, outer};
use crate::shared::{Broken, Inner, Log};
use contextlib::{
    async_context,
    background::{drain, lane},
    null_context, yield_resource,
};
use futures::{FutureExt, future::BoxFuture};
use tokio::sync::oneshot;

/// The bodies, inside of each other, in which a guard and something else are entered one after the other, and come to their end, the inner one first.
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
    /// What is to be done in the body of this depth, and in those inside of it.
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
