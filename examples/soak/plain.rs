//! Without contexts: sqlx's own transaction closure, and code after it.
//!
//! A transaction whose future is dropped is rolled back by sqlx itself, when its connection goes back to the pool. What the program wanted to do
//! after the transaction has no such help.

use crate::{
    bank,
    figures::Cause,
    server::{Failure, Job, transfer},
};
use sqlx::Connection;

pub(crate) async fn handle(job: &Job) -> Result<(), Failure> {
    bank::take_lease(&job.pool, job.id).await?;
    job.figures.leased.add_one();

    let transferred = transaction(job).await;

    job.progress.gives_back();
    bank::give_back_lease(&job.pool, job.id, "over").await?;
    job.figures.given_back.add_one();
    transferred
}

async fn transaction(job: &Job) -> Result<(), Failure> {
    let mut connection = job.pool.acquire().await?;
    let job = job.clone();
    let transferred = connection
        .transaction(|tx| {
            let job = job.clone();
            Box::pin(async move {
                job.progress.begins(&job.figures);
                transfer(tx, &job).await
            })
        })
        .await;
    match &transferred {
        Ok(()) => job.progress.committed(&job.figures),
        Err(_) => job.progress.rolled_back(&job.figures, Cause::Failed),
    }
    transferred
}
