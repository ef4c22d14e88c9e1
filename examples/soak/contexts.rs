//! The way of this library: two contexts, each four lines of what it is about.

use crate::{
    bank,
    figures::Cause,
    server::{Failure, Job, transfer},
};
use contextlib::{Exit, async_context, yield_resource};
use sqlx::{Any, Transaction};

/// A lease, given back when everything inside it is over. Its setup is finished though the client be gone: the database may have granted it already.
#[async_context(setup = finish)]
async fn lease(job: Job) -> Result<(), Failure> {
    bank::take_lease(&job.pool, job.id).await?;
    job.figures.leased.add_one();

    let exit = yield_resource!();

    job.progress.gives_back();
    bank::give_back_lease(&job.pool, job.id, &format!("{exit:?}")).await?;
    job.figures.given_back.add_one();
}

/// A transaction: committed if the body completes, rolled back however else it ends.
#[async_context(setup = finish)]
async fn transaction(job: Job) -> Result<Transaction<'static, Any>, Failure> {
    let mut tx = job.pool.begin().await?;
    job.progress.begins(&job.figures);

    let exit = yield_resource!(tx);

    if exit.is_completed() {
        tx.commit().await?;
        job.progress.committed(&job.figures);
    } else {
        tx.rollback().await?;
        job.progress.rolled_back(&job.figures, cause(&job, exit));
    }
}

fn cause(job: &Job, exit: Exit<'_>) -> Cause {
    match exit {
        Exit::Failed(_) => Cause::Failed,
        Exit::Panicked(_) => Cause::Panicked,
        Exit::Completed | Exit::Cancelled => job.cause(),
    }
}

/// Closure style for every other request, guard style for the rest.
pub(crate) async fn handle(job: &Job) -> Result<(), Failure> {
    if job.id % 2 == 0 {
        lease(job.clone())
            .with(async |_| {
                transaction(job.clone())
                    .with(async |tx| transfer(tx, job).await)
                    .await
            })
            .await
    } else {
        let lease = lease(job.clone()).enter().await?;
        let mut tx = transaction(job.clone()).enter().await?;
        let transferred = transfer(&mut tx, job).await;
        let transferred = tx.exit_with(transferred).await;
        lease.exit_with(transferred).await
    }
}
