//! The database: accounts, the ledger that explains their balances, the leases that are out, and the audit of those given back.

use crate::figures::Figures;
use sqlx::{AnyConnection, AnyPool, Connection, Row, any::AnyPoolOptions};
use std::{error::Error, path::Path, time::Duration};
use tokio::time::{sleep, timeout};

pub(crate) const ACCOUNTS: i64 = 16;
const OPENING: i64 = 1000;
/// By which the database knows the server's connections.
const NAME: &str = "contextlib-soak";

pub(crate) struct Database {
    /// As the server uses it.
    url: String,
    /// As the examiner uses it.
    from_outside: String,
    is_postgres: bool,
}

impl Database {
    pub(crate) fn sqlite_in(folder: &Path) -> Self {
        let url = format!("sqlite://{}/soak.sqlite?mode=rwc", folder.display());
        Database {
            from_outside: url.clone(),
            url,
            is_postgres: false,
        }
    }

    pub(crate) fn postgres_at(url: String) -> Result<Self, &'static str> {
        if !url.starts_with("postgres") {
            return Err(
                "--database takes a postgres:// URL; without it, the database is an SQLite file",
            );
        }
        let and = if url.contains('?') { '&' } else { '?' };
        Ok(Database {
            url: format!("{url}{and}application_name={NAME}"),
            from_outside: url,
            is_postgres: true,
        })
    }

    pub(crate) fn kind(&self) -> &'static str {
        if self.is_postgres {
            "PostgreSQL"
        } else {
            "SQLite"
        }
    }

    /// SQLite has one writer at a time; those who wait for it poll.
    pub(crate) fn connections(&self) -> u32 {
        if self.is_postgres { 16 } else { 4 }
    }

    /// Enough for some to wait for a connection, and not so many that most hang up before they have got one.
    pub(crate) fn clients(&self) -> u64 {
        u64::from(self.connections()) * 2
    }

    /// The server's pool.
    pub(crate) async fn open(&self) -> Result<AnyPool, sqlx::Error> {
        let is_postgres = self.is_postgres;
        AnyPoolOptions::new()
            .max_connections(self.connections())
            .acquire_timeout(Duration::from_secs(60))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if is_postgres {
                        return Ok(());
                    }
                    sqlx::query("PRAGMA busy_timeout = 60000")
                        .execute(&mut *connection)
                        .await?;
                    // Nobody pulls the plug here.
                    sqlx::query("PRAGMA synchronous = OFF")
                        .execute(connection)
                        .await?;
                    Ok(())
                })
            })
            .connect(&self.url)
            .await
    }

    pub(crate) async fn create_tables(&self) -> Result<(), sqlx::Error> {
        let mut db = AnyConnection::connect(&self.from_outside).await?;
        if !self.is_postgres {
            sqlx::query("PRAGMA journal_mode = WAL")
                .execute(&mut db)
                .await?;
        }
        drop_tables(&mut db).await?;
        for table in [
            "CREATE TABLE soak_accounts (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL)",
            "CREATE TABLE soak_ledger (request BIGINT NOT NULL, account BIGINT NOT NULL, amount BIGINT NOT NULL)",
            "CREATE TABLE soak_leases (request BIGINT PRIMARY KEY)",
            "CREATE TABLE soak_audit (request BIGINT PRIMARY KEY, ending TEXT NOT NULL)",
        ] {
            sqlx::query(table).execute(&mut db).await?;
        }
        for account in 0..ACCOUNTS {
            sqlx::query("INSERT INTO soak_accounts VALUES ($1, $2)")
                .bind(account)
                .bind(OPENING)
                .execute(&mut db)
                .await?;
        }
        db.close().await
    }

    /// How many of the pool's connections don't come back to it, or come inside a transaction.
    pub(crate) async fn missing_connections(&self, pool: &AnyPool) -> i64 {
        let mut held = Vec::new();
        for _ in 0..self.connections() {
            match timeout(Duration::from_secs(5), pool.acquire()).await {
                Ok(Ok(connection)) => held.push(connection),
                _ => break,
            }
        }
        let mut missing = i64::from(self.connections()) - held.len() as i64;
        if self.is_postgres {
            let inside = "SELECT COUNT(*) FROM pg_stat_activity \
                 WHERE application_name = 'contextlib-soak' AND state LIKE 'idle in transaction%'";
            missing += match held.first_mut() {
                Some(connection) => ask(connection, inside).await.unwrap_or(1),
                None => 0,
            };
        } else {
            for connection in &mut held {
                // Fails inside a transaction.
                let begun = sqlx::query("BEGIN").execute(&mut **connection).await;
                let ended = sqlx::query("ROLLBACK").execute(&mut **connection).await;
                missing += i64::from(begun.is_err() || ended.is_err());
            }
        }
        missing
    }

    /// Asks the database what there is, and drops the tables.
    pub(crate) async fn examine(&self, figures: &Figures) -> Result<(), Box<dyn Error>> {
        let mut db = AnyConnection::connect(&self.from_outside).await?;
        if self.is_postgres {
            // A process of the database server takes a moment to see that its client is gone.
            let connections = || "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = 'contextlib-soak'";
            let patience = async {
                while ask(&mut db, connections()).await? > 0 {
                    sleep(Duration::from_millis(20)).await;
                }
                Ok::<_, sqlx::Error>(())
            };
            let _ = timeout(Duration::from_secs(5), patience).await;
            figures
                .connections_left
                .add(ask(&mut db, connections()).await?);
            let locks = "SELECT COUNT(*) FROM pg_locks JOIN pg_class ON pg_class.oid = pg_locks.relation \
                 WHERE relname LIKE 'soak_%' AND pid <> pg_backend_pid()";
            figures.locks_left.add(ask(&mut db, locks).await?);
        } else {
            sqlx::query("PRAGMA busy_timeout = 0")
                .execute(&mut db)
                .await?;
            if sqlx::query("BEGIN EXCLUSIVE")
                .execute(&mut db)
                .await
                .is_err()
            {
                figures.locks_left.add_one();
            } else {
                sqlx::query("ROLLBACK").execute(&mut db).await?;
            }
        }
        let leases = ask(&mut db, "SELECT COUNT(*) FROM soak_leases").await?;
        figures.leases_left.add(leases);
        let audits = ask(&mut db, "SELECT COUNT(*) FROM soak_audit").await?;
        figures.audited.add(audits);
        let transfers = ask(&mut db, "SELECT COUNT(DISTINCT request) FROM soak_ledger").await?;
        figures.transfers_in_ledger.add(transfers);
        let sum = ask(
            &mut db,
            "SELECT CAST(SUM(balance) AS BIGINT) FROM soak_accounts",
        )
        .await?;
        figures.wrong_sum.add(sum - ACCOUNTS * OPENING);
        let wrong = "SELECT COUNT(*) FROM soak_accounts LEFT JOIN \
             (SELECT account, SUM(amount) AS change FROM soak_ledger GROUP BY account) AS changes ON account = id \
             WHERE balance <> 1000 + COALESCE(change, 0)";
        figures.wrong_accounts.add(ask(&mut db, wrong).await?);
        drop_tables(&mut db).await?;
        db.close().await?;
        Ok(())
    }
}

async fn drop_tables(db: &mut AnyConnection) -> Result<(), sqlx::Error> {
    for table in [
        "DROP TABLE IF EXISTS soak_accounts",
        "DROP TABLE IF EXISTS soak_ledger",
        "DROP TABLE IF EXISTS soak_leases",
        "DROP TABLE IF EXISTS soak_audit",
    ] {
        sqlx::query(table).execute(&mut *db).await?;
    }
    Ok(())
}

async fn ask(db: &mut AnyConnection, question: &'static str) -> Result<i64, sqlx::Error> {
    sqlx::query(question).fetch_one(db).await?.try_get(0)
}

pub(crate) async fn take_lease(pool: &AnyPool, request: i64) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO soak_leases VALUES ($1)")
        .bind(request)
        .execute(pool)
        .await?;
    Ok(())
}

/// Gives it back, and writes it into the audit.
pub(crate) async fn give_back_lease(
    pool: &AnyPool,
    request: i64,
    ending: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM soak_leases WHERE request = $1")
        .bind(request)
        .execute(pool)
        .await?;
    sqlx::query("INSERT INTO soak_audit VALUES ($1, $2)")
        .bind(request)
        .bind(ending)
        .execute(pool)
        .await?;
    Ok(())
}

/// One side of a transfer.
pub(crate) async fn change(
    tx: &mut AnyConnection,
    request: i64,
    account: i64,
    amount: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE soak_accounts SET balance = balance + $1 WHERE id = $2")
        .bind(amount)
        .bind(account)
        .execute(&mut *tx)
        .await?;
    sqlx::query("INSERT INTO soak_ledger VALUES ($1, $2, $3)")
        .bind(request)
        .bind(account)
        .bind(amount)
        .execute(tx)
        .await?;
    Ok(())
}
