//! A yield point inside another context's body, cancelled at each poll; contexts fifty deep.

use contextlib::{async_context, background, yield_resource};
use contextlib_tests::{BodyError, Census, ContextError, Counted, DropAt, Log, drop_at, yields};
use std::pin::Pin;

#[async_context]
async fn inner(name: &'static str, log: Log, census: Census) -> Result<Counted, ContextError> {
    let local = census.value("local");
    let mut resource = census.value("resource");
    yields(1).await;
    log.say(format!("{name} set up"));
    let exit = yield_resource!(resource);
    yields(1).await;
    local.touch();
    log.say(format!("{name} torn down {:?}", exit.kind()));
    resource.touch();
    Ok(())
}

/// Yields inside the inner context's body.
#[async_context]
async fn outer(log: Log, census: Census) -> Result<Counted, ContextError> {
    let result: Result<(), BodyError> = inner("inner", log.clone(), census.clone())
        .with(async |resource: &mut Counted| {
            let own = census.value("own");
            resource.touch();
            log.say("outer set up");
            let (own, exit) = yield_resource!(move own);
            yields(1).await;
            resource.touch();
            own.touch();
            log.say(format!("outer torn down {:?}", exit.kind()));
            Ok(())
        })
        .await;
    result.map_err(|_| ContextError("inner"))
}

/// The inner context is inside the outer one: it has to be torn down after it.
#[tokio::test]
async fn a_yield_in_a_nested_body() {
    let mut ended = false;
    for polls in 0..30 {
        let (log, census) = (Log::new(), Census::new());
        let (log_of_body, census_of_body) = (log.clone(), census.clone());
        let with = outer(log.clone(), census.clone()).with(
            async |resource: &mut Counted| -> Result<(), BodyError> {
                let nested = outer(Log::new(), census_of_body.clone()).with(
                    async |other: &mut Counted| -> Result<(), BodyError> {
                        std::mem::swap(resource, other);
                        yields(2).await;
                        resource.touch();
                        Ok(())
                    },
                );
                nested.await?;
                log_of_body.say("body");
                Ok(())
            },
        );
        let run = drop_at(polls, with).await;
        ended |= matches!(run, DropAt::Ended(Ok(Ok(()))));
        drop(run);
        background::drain().await;
        let lines = log.lines();
        for name in ["inner", "outer"] {
            let said = |what: &str| {
                lines
                    .iter()
                    .filter(|line| line.starts_with(&format!("{name} {what}")))
                    .count()
            };
            assert_eq!(said("set up"), said("torn down"), "{polls}: {lines:?}");
        }
        if let Some(at) = lines
            .iter()
            .position(|line| line.starts_with("outer torn down"))
        {
            assert!(
                lines[at + 1..]
                    .iter()
                    .any(|line| line.starts_with("inner torn down")),
                "{polls}: {lines:?}"
            );
        }
        census.assert_balanced(polls);
    }
    assert!(ended);
}

fn recurse(
    depth: usize,
    census: Census,
) -> Pin<Box<dyn Future<Output = Result<usize, BodyError>> + Send>> {
    Box::pin(async move {
        if depth == 0 {
            return Ok(0);
        }
        let with =
            inner("deep", Log::new(), census.clone()).with(async |resource: &mut Counted| {
                resource.touch();
                recurse(depth - 1, census.clone())
                    .await
                    .map(|below| below + 1)
            });
        with.await
    })
}

/// Every poll goes through all levels, for which an interpreter takes its time.
const DEEP: usize = if cfg!(miri) { 5 } else { 50 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_deep() {
    let census = Census::new();
    assert_eq!(
        tokio::spawn(recurse(DEEP, census.clone())).await.unwrap(),
        Ok(DEEP)
    );
    census.assert_balanced("fifty deep");
    assert_eq!(census.born("resource"), DEEP);
    // Cancelled on its way down, and up.
    for polls in (0..3 * DEEP).step_by(7) {
        let census = Census::new();
        let recursion = recurse(DEEP, census.clone());
        tokio::spawn(async move { drop(drop_at(polls, recursion).await) })
            .await
            .unwrap();
        background::drain().await;
        census.assert_balanced(polls);
    }
}
