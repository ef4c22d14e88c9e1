//! Real work: a transaction with one statement in it, on SQLite and on PostgreSQL.

use crate::{
    Options,
    postgres::Server,
    table::{Table, figure, ratio},
};
use contextlib::{async_context, yield_resource};
use contextlib_benches::{
    harness::{Effort, On, Row, Runtimes, nanoseconds},
    row,
};
use sqlx::{
    Connection, PgPool, Pool, Postgres, Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{env, fmt::Write, sync::OnceLock, time::Duration};

/// All rows of a database do this.
const STATEMENT: &str = "UPDATE accounts SET balance = balance + 1 WHERE id = 1";
const TABLE: &str = "CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)";
const ACCOUNT: &str = "INSERT INTO accounts VALUES (1, 0)";

/// Rows are plain functions, so what they work with lies here.
static SQLITE: OnceLock<SqlitePool> = OnceLock::new();
static POSTGRES: OnceLock<PgPool> = OnceLock::new();

fn pool<DB: sqlx::Database>(of: &'static OnceLock<Pool<DB>>) -> &'static Pool<DB> {
    of.get().expect("connected before the rows are run")
}

macro_rules! rows_of {
    ($module:ident, $database:ty, $pool:expr) => {
        mod $module {
            use super::*;

            #[async_context]
            async fn transaction(
                pool: Pool<$database>,
            ) -> Result<Transaction<'static, $database>, sqlx::Error> {
                let mut tx = pool.begin().await?;
                if yield_resource!(tx).is_completed() {
                    tx.commit().await?;
                } else {
                    tx.rollback().await?;
                }
            }

            async fn inline() -> Result<u64, sqlx::Error> {
                let mut tx = pool($pool).begin().await?;
                match sqlx::query(STATEMENT).execute(&mut *tx).await {
                    Ok(done) => {
                        tx.commit().await?;
                        Ok(done.rows_affected())
                    }
                    Err(error) => {
                        tx.rollback().await?;
                        Err(error)
                    }
                }
            }

            async fn closure() -> Result<u64, sqlx::Error> {
                let mut connection = pool($pool).acquire().await?;
                connection
                    .transaction(|tx| {
                        Box::pin(async move {
                            let done = sqlx::query(STATEMENT).execute(&mut **tx).await?;
                            Ok(done.rows_affected())
                        })
                    })
                    .await
            }

            async fn with() -> Result<u64, sqlx::Error> {
                transaction(pool($pool).clone())
                    .with(async |tx| {
                        let done = sqlx::query(STATEMENT).execute(&mut **tx).await?;
                        Ok(done.rows_affected())
                    })
                    .await
            }

            async fn guard() -> Result<u64, sqlx::Error> {
                let mut tx = transaction(pool($pool).clone()).enter().await?;
                let done = sqlx::query(STATEMENT).execute(&mut **tx).await;
                tx.exit_with(done.map(|done| done.rows_affected())).await
            }

            pub(super) fn rows() -> Vec<Row> {
                vec![
                    row!("`begin` and `commit` inline", beside "`begin` and `commit` inline", inline()),
                    row!("sqlx's `transaction` with a closure", beside "`begin` and `commit` inline", closure()),
                    row!("`transaction(pool).with(…)`", beside "`begin` and `commit` inline", with()),
                    row!("`transaction(pool).enter()` and `exit_with`", beside "`begin` and `commit` inline", guard()),
                ]
            }
        }
    };
}

rows_of!(sqlite, Sqlite, &SQLITE);
rows_of!(postgres, Postgres, &POSTGRES);

pub(crate) fn run(options: &Options) -> Result<String, String> {
    let effort = if options.quick {
        Effort {
            turns: 5,
            turn: Duration::from_millis(5),
        }
    } else {
        Effort {
            turns: 101,
            turn: Duration::from_millis(10),
        }
    };
    let runtimes = Runtimes::new();
    let mut text = String::new();

    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let file = folder.path().join("accounts.db");
    let connect = async {
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal);
        let pool = SqlitePoolOptions::new().max_connections(1);
        let pool = pool.connect_with(options).await?;
        sqlx::query(TABLE).execute(&pool).await?;
        sqlx::query(ACCOUNT).execute(&pool).await?;
        Ok(pool)
    };
    let pool = runtimes.on(On::CurrentThread).block_on(connect);
    let pool = pool.map_err(|error: sqlx::Error| format!("SQLite: {error}"))?;
    let _ = writeln!(
        text,
        "### SQLite, a file with a write-ahead log\n\n{}",
        table(&runtimes, SQLITE.get_or_init(|| pool), sqlite::rows, effort)
    );

    match with_postgres(&runtimes, effort) {
        Ok(table) => {
            let _ = writeln!(text, "### PostgreSQL, through a socket\n\n{table}");
        }
        Err(error) => {
            let _ = writeln!(text, "Without PostgreSQL: {error}");
        }
    }
    Ok(text)
}

fn with_postgres(runtimes: &Runtimes, effort: Effort) -> Result<Table, String> {
    // It lives as long as it is measured.
    let (_server, url) = match env::var("DATABASE_URL") {
        Ok(url) if url.starts_with("postgres") => (None, url),
        _ => {
            let server = Server::start()?;
            let url = server.url();
            (Some(server), url)
        }
    };
    let connect = async {
        let pool = sqlx::postgres::PgPoolOptions::new().max_connections(1);
        let pool = pool.connect(&url).await?;
        // A table of this connection's own.
        sqlx::query(sqlx::AssertSqlSafe(
            TABLE.replace("CREATE", "CREATE TEMPORARY"),
        ))
        .execute(&pool)
        .await?;
        sqlx::query(ACCOUNT).execute(&pool).await?;
        Ok(pool)
    };
    let runtime = runtimes.on(On::CurrentThread);
    let pool = runtime.block_on(connect);
    let pool = pool.map_err(|error: sqlx::Error| format!("PostgreSQL: {error}"))?;
    let pool = POSTGRES.get_or_init(|| pool);
    let table = table(runtimes, pool, postgres::rows, effort);
    runtime.block_on(pool.close());
    Ok(table)
}

fn table<DB: sqlx::Database>(
    runtimes: &Runtimes,
    _: &Pool<DB>,
    rows: fn() -> Vec<Row>,
    effort: Effort,
) -> Table {
    let rows = rows();
    let nanoseconds = nanoseconds(runtimes, &rows, effort);
    let mut table = Table::new(&["a transaction of one statement", "µs", "ratio"]);
    for (row, own) in rows.iter().zip(&nanoseconds) {
        table.row([
            row.name.to_owned(),
            figure(own / 1000.0),
            ratio(Some(*own), Some(nanoseconds[0])),
        ]);
    }
    table
}
