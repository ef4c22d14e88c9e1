//! What one writes without contexts: guards whose `Drop` spawns the teardown.
//!
//! Nobody orders these tasks, nobody awaits them, and nobody knows of them when the server ends.

use crate::{
    bank,
    server::{Failure, Job, transfer},
};
use sqlx::{Any, Transaction};

struct LeaseGuard(Job);

impl LeaseGuard {
    async fn take(job: &Job) -> Result<Self, Failure> {
        bank::take_lease(&job.pool, job.id).await?;
        job.figures.leased.add_one();
        Ok(LeaseGuard(job.clone()))
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        let job = self.0.clone();
        job.figures.spawned.add(1);
        tokio::spawn(async move {
            job.progress.gives_back();
            if bank::give_back_lease(&job.pool, job.id, "over")
                .await
                .is_ok()
            {
                job.figures.given_back.add_one();
            }
            job.figures.spawned.add(-1);
        });
    }
}

struct TransactionGuard {
    job: Job,
    tx: Option<Transaction<'static, Any>>,
}

impl TransactionGuard {
    async fn begin(job: &Job) -> Result<Self, Failure> {
        let tx = job.pool.begin().await?;
        job.progress.begins(&job.figures);
        Ok(TransactionGuard {
            job: job.clone(),
            tx: Some(tx),
        })
    }

    async fn commit(mut self) -> Result<(), Failure> {
        if let Some(tx) = self.tx.take() {
            tx.commit().await?;
            self.job.progress.committed(&self.job.figures);
        }
        Ok(())
    }
}

impl Drop for TransactionGuard {
    fn drop(&mut self) {
        let Some(tx) = self.tx.take() else { return };
        let job = self.job.clone();
        job.figures.spawned.add(1);
        tokio::spawn(async move {
            if tx.rollback().await.is_ok() {
                job.progress.rolled_back(&job.figures, job.cause());
            }
            job.figures.spawned.add(-1);
        });
    }
}

pub(crate) async fn handle(job: &Job) -> Result<(), Failure> {
    let _lease = LeaseGuard::take(job).await?;
    let mut guard = TransactionGuard::begin(job).await?;
    if let Some(tx) = &mut guard.tx {
        transfer(tx, job).await?;
    }
    guard.commit().await
}
