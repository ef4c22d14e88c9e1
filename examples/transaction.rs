//! A small bank on an SQLite file: every transfer runs inside the context `transaction`, and ends in each of the ways in which a body can end.
//!
//! ```console
//! cargo run --example transaction
//! ```
//!
//! The Python it mirrors:
//!
//! ```python
//! @asynccontextmanager
//! async def transaction(pool):
//!     tx = await pool.begin()
//!     try:
//!         yield tx
//!     except BaseException:
//!         await tx.rollback()
//!         raise
//!     else:
//!         await tx.commit()
//! ```

#![forbid(unsafe_code)]

use contextlib::{async_context, background, yield_resource};
use sqlx::{
    ConnectOptions, Connection, Row, Sqlite, SqliteConnection, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use std::{
    error::Error,
    fmt,
    future::pending,
    panic,
    path::Path,
    process::ExitCode,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio::time::timeout;

/// A database transaction: committed if the body completes, rolled back however else it ends.
#[async_context]
async fn transaction(pool: SqlitePool) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    let mut tx = pool.begin().await?;
    say("setup", "BEGIN");

    let exit = yield_resource!(tx); // The body runs here.

    if exit.is_completed() {
        say("teardown", "is told that the body completed: COMMIT");
        tx.commit().await?;
    } else {
        say("teardown", format_args!("is told {exit:?}: ROLLBACK"));
        tx.rollback().await?;
    }
}

/// Closure style: the body is inside the context, and the teardown is awaited.
async fn transfer(pool: &SqlitePool, from: &str, to: &str, amount: i64) -> Result<(), BankError> {
    transaction(pool.clone())
        .with(async |tx| {
            deposit(tx, to, amount).await?;
            withdraw(tx, from, amount).await
        })
        .await
}

/// Guard style: the context is a value, and `exit` runs the teardown.
async fn transfer_with_a_guard(
    pool: &SqlitePool,
    from: &str,
    to: &str,
    amount: i64,
) -> Result<(), BankError> {
    let mut tx = transaction(pool.clone()).enter().await?;
    deposit(&mut tx, to, amount).await?;
    withdraw(&mut tx, from, amount).await?; // An error drops the guard here.
    tx.exit().await?;
    Ok(())
}

/// Crashes half-way.
async fn transfer_with_a_bug(pool: &SqlitePool, from: &str, to: &str) -> Result<(), BankError> {
    transaction(pool.clone())
        .with(async |tx| {
            deposit(tx, to, 5).await?;
            withdraw(tx, from, 5 + fee().expect("there is always a fee")).await
        })
        .await
}

fn fee() -> Option<i64> {
    None
}

/// Never comes to its end.
async fn transfer_that_hangs(pool: &SqlitePool, from: &str, to: &str) -> Result<(), BankError> {
    transaction(pool.clone())
        .with(async |tx| {
            deposit(tx, to, 5).await?;
            say(
                "body",
                "waits for the anti-fraud service, which doesn't answer",
            );
            pending::<()>().await;
            withdraw(tx, from, 5).await
        })
        .await
}

async fn deposit(db: &mut SqliteConnection, to: &str, amount: i64) -> Result<(), BankError> {
    // Nobody looks whether there is such an account, but the ledger's foreign key does: at COMMIT, since it is a deferred one.
    sqlx::query("INSERT INTO ledger (account, amount) VALUES (?, ?)")
        .bind(to)
        .bind(amount)
        .execute(&mut *db)
        .await?;
    sqlx::query("UPDATE accounts SET balance = balance + ? WHERE name = ?")
        .bind(amount)
        .bind(to)
        .execute(db)
        .await?;
    say("body", format_args!("{to} {amount:+}"));
    Ok(())
}

async fn withdraw(db: &mut SqliteConnection, from: &str, amount: i64) -> Result<(), BankError> {
    let paid =
        sqlx::query("UPDATE accounts SET balance = balance - ?1 WHERE name = ?2 AND balance >= ?1")
            .bind(amount)
            .bind(from)
            .execute(db)
            .await?;
    if paid.rows_affected() == 0 {
        say("body", format_args!("{from} hasn't got {amount}"));
        return Err(BankError::TooPoor(from.to_owned()));
    }
    say("body", format_args!("{from} {:+}", -amount));
    Ok(())
}

#[derive(Debug)]
enum BankError {
    TooPoor(String),
    Database(sqlx::Error),
}

impl From<sqlx::Error> for BankError {
    fn from(error: sqlx::Error) -> Self {
        BankError::Database(error)
    }
}

impl fmt::Display for BankError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BankError::TooPoor(who) => write!(f, "{who} is too poor"),
            BankError::Database(error) => error.fmt(f),
        }
    }
}

impl Error for BankError {}

// One thread, so that what is printed comes in the same order every time.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("bank.sqlite");
    let pool = open(&file).await?;
    panic::set_hook(Box::new(|info| {
        let what = info.payload_as_str().unwrap_or("with some payload");
        say("body", format_args!("panics: {what}"));
    }));

    println!(
        "A bank. Each transfer runs inside a context: its setup begins a transaction, its body moves the money,"
    );
    println!("and its teardown commits or rolls back, whatever becomes of the body.");
    println!();
    show(&file).await?;

    headline(1, "a transfer that succeeds: alice pays bob 30");
    let end = transfer(&pool, "alice", "bob", 30).await;
    caller(&end);
    show(&file).await?;

    headline(2, "one that fails in the body: bob pays carol 500");
    let end = transfer(&pool, "bob", "carol", 500).await;
    caller(&end);
    show(&file).await?;

    headline(
        3,
        "one that the database refuses at COMMIT: bob pays mallory, who has no account",
    );
    let end = transfer(&pool, "bob", "mallory", 10).await;
    caller(&end);
    show(&file).await?;

    headline(4, "one that panics between deposit and withdrawal");
    let task = {
        let pool = pool.clone();
        tokio::spawn(async move { transfer_with_a_bug(&pool, "alice", "carol").await })
    };
    match task.await {
        Ok(end) => caller(&end),
        Err(crash) => say(
            "caller",
            format_args!("gets the panic, after the teardown: {crash}"),
        ),
    }
    show(&file).await?;

    headline(5, "one that a timeout cancels in the middle");
    match timeout(
        Duration::from_millis(50),
        transfer_that_hangs(&pool, "alice", "carol"),
    )
    .await
    {
        Ok(end) => caller(&end),
        Err(elapsed) => say(
            "caller",
            format_args!("gives up: {elapsed}; the body is dropped"),
        ),
    }
    drain().await;
    show(&file).await?;

    headline(6, "guard style: one whose guard is dropped by `?`");
    let end = transfer_with_a_guard(&pool, "alice", "carol", 500).await;
    caller(&end);
    drain().await;
    show(&file).await?;

    headline(7, "guard style: one that comes to its `exit`");
    let end = transfer_with_a_guard(&pool, "bob", "carol", 20).await;
    caller(&end);
    show(&file).await?;

    // What every program with background rollbacks does before it ends: one line.
    background::drain().await;
    verify(&pool, &file).await
}

const ACCOUNTS: [(&str, i64); 3] = [("alice", 100), ("bob", 50), ("carol", 0)];
const IN_THE_END: [i64; 3] = [70, 60, 20];
const CONNECTIONS: u32 = 3;

async fn open(file: &Path) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .foreign_keys(true);
    let pool = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(options)
        .await?;
    sqlx::raw_sql(
        "CREATE TABLE accounts (name TEXT PRIMARY KEY, balance INTEGER NOT NULL);
         CREATE TABLE ledger (
             account TEXT NOT NULL REFERENCES accounts (name) DEFERRABLE INITIALLY DEFERRED,
             amount INTEGER NOT NULL
         );",
    )
    .execute(&pool)
    .await?;
    for (name, balance) in ACCOUNTS {
        sqlx::query("INSERT INTO accounts VALUES (?, ?)")
            .bind(name)
            .bind(balance)
            .execute(&pool)
            .await?;
    }
    Ok(pool)
}

/// Waits for the rollbacks that nobody awaits.
async fn drain() {
    say(
        "background",
        format_args!("rollbacks under way: {}", background::pending()),
    );
    background::drain().await;
}

/// The balances, read back from the file through a connection of its own: what is committed, and nothing else.
async fn balances(file: &Path) -> Result<Vec<i64>, sqlx::Error> {
    let mut db = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .connect()
        .await?;
    let rows = sqlx::query("SELECT balance FROM accounts ORDER BY name")
        .fetch_all(&mut db)
        .await?;
    db.close().await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

async fn show(file: &Path) -> Result<(), sqlx::Error> {
    let balances = balances(file).await?;
    let accounts = ACCOUNTS.iter().zip(&balances);
    let accounts: String = accounts
        .map(|((name, _), balance)| format!("{name} {balance}   "))
        .collect();
    let total: i64 = balances.iter().sum();
    say("on file", format_args!("{accounts}(in all {total})"));
    Ok(())
}

/// No money made or lost, and every connection back in the pool and out of its transaction.
async fn verify(pool: &SqlitePool, file: &Path) -> Result<ExitCode, Box<dyn Error>> {
    println!("\nIn the end");
    let opening: i64 = ACCOUNTS.iter().map(|(_, balance)| balance).sum();
    let balances = balances(file).await?;
    let total: i64 = balances.iter().sum();
    let sums = check(
        total == opening && balances == IN_THE_END,
        format_args!(
            "money: {opening} at first, {total} now; transfers 1 and 7 went through, and no other"
        ),
    );

    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let Ok(mut connection) = pool.acquire().await else {
            break;
        };
        // Fails on a connection that was left inside a transaction.
        let clean = sqlx::raw_sql("BEGIN; ROLLBACK")
            .execute(&mut *connection)
            .await;
        if clean.is_ok() {
            connections.push(connection);
        }
    }
    let connections = check(
        connections.len() == CONNECTIONS as usize,
        format_args!(
            "pool: {} of {CONNECTIONS} connections are back and out of their transactions",
            connections.len()
        ),
    );

    let (setups, teardowns) = (
        SETUPS.load(Ordering::Relaxed),
        TEARDOWNS.load(Ordering::Relaxed),
    );
    let teardowns = check(
        setups == teardowns && background::pending() == 0,
        format_args!("contexts: {setups} set up, {teardowns} torn down"),
    );
    Ok(if sums && connections && teardowns {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn check(right: bool, what: impl fmt::Display) -> bool {
    println!("   {} {what}", if right { "ok   " } else { "WRONG" });
    right
}

fn headline(number: u32, what: &str) {
    println!("\n{number}. {what}");
}

fn caller(end: &Result<(), BankError>) {
    match end {
        Ok(()) => say("caller", "gets Ok"),
        Err(error) => say("caller", format_args!("gets an error: {error}")),
    }
}

static SETUPS: AtomicU32 = AtomicU32::new(0);
static TEARDOWNS: AtomicU32 = AtomicU32::new(0);

/// Prints a line of what happens, and counts for the check in the end.
fn say(who: &str, what: impl fmt::Display) {
    match who {
        "setup" => SETUPS.fetch_add(1, Ordering::Relaxed),
        "teardown" => TEARDOWNS.fetch_add(1, Ordering::Relaxed),
        _ => 0,
    };
    println!("   {who:<11} {what}");
}
