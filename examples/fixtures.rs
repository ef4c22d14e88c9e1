//! Tests with a temporary database: `#[within]` as a fixture.
//!
//! ```console
//! cargo run --example fixtures                            # runs the tests and shows what their fixtures do
//! cargo test -p contextlib-examples --example fixtures    # the same tests under cargo's own harness
//! ```
//!
//! The Python it mirrors:
//!
//! ```python
//! @pytest_asyncio.fixture
//! async def database(tmp_path):
//!     pool = await connect(tmp_path / "bank.db")
//!     await pool.execute("CREATE TABLE account …")
//!     yield pool
//!     await pool.close()
//!
//! @pytest_asyncio.fixture
//! async def tx(database):
//!     tx = await database.begin()
//!     yield tx
//!     await tx.rollback()
//!
//! async def test_a_deposit_adds_up(tx):
//!     ...
//! ```

#![forbid(unsafe_code)]

use contextlib::{async_context, within, yield_resource};
use sqlx::{
    Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use std::{
    error::Error,
    path::{Path, PathBuf},
};

type Tx = Transaction<'static, Sqlite>;
/// What a test returns: every fixture's error becomes this one.
type TestResult = Result<(), Box<dyn Error + Send + Sync>>;

/// A database of its own for each test, in a folder that is gone afterwards.
#[async_context]
async fn database() -> Result<SqlitePool, Box<dyn Error + Send + Sync>> {
    let folder = tempfile::Builder::new().prefix(&prefix()).tempdir()?;
    let mut pool = opened(&folder.path().join("bank.db")).await?;
    say("database", "is set up");

    let exit = yield_resource!(pool); // The test runs here.

    say(
        "database",
        format_args!("is told {:?}, and is removed", exit.kind()),
    );
    pool.close().await;
    folder.close()?;
}

/// A transaction that leaves nothing behind.
#[async_context]
async fn scratch(pool: SqlitePool) -> Result<Tx, sqlx::Error> {
    let mut tx = pool.begin().await?;
    say("scratch", "BEGIN");
    let _ = yield_resource!(tx);
    tx.rollback().await?;
    say("scratch", "ROLLBACK");
}

/// A fixture that fails before there is anything to lend.
#[async_context]
async fn unreachable_database(path: PathBuf) -> Result<SqlitePool, sqlx::Error> {
    let mut pool = opened(&path).await?;
    let _ = yield_resource!(pool);
    pool.close().await;
}

// ---- The tests. Their fixtures are arguments, and nobody passes them.

#[within(pool = database(), tx = scratch(pool.clone()))]
#[cfg_attr(test, tokio::test)]
async fn a_deposit_adds_up(tx: &mut Tx) -> TestResult {
    deposit(tx, "ann", 30).await?;
    deposit(tx, "ann", 12).await?;
    assert_eq!(balance(tx, "ann").await?, 42);
    Ok(())
}

#[within(pool = database(), tx = scratch(pool.clone()))]
#[cfg_attr(test, tokio::test)]
async fn an_overdraft_breaks_the_constraint(tx: &mut Tx) -> TestResult {
    deposit(tx, "ben", 10).await?;
    let overdraft = deposit(tx, "ben", -11).await;
    assert!(overdraft.is_err_and(|error| error.to_string().contains("CHECK")));
    Ok(())
}

/// A failed assertion: every teardown runs before the test fails.
#[within(pool = database(), tx = scratch(pool.clone()))]
#[cfg_attr(test, tokio::test)]
#[cfg_attr(test, should_panic(expected = "as it should"))]
async fn a_test_that_fails(tx: &mut Tx) {
    deposit(tx, "cleo", 1).await.unwrap();
    assert_eq!(balance(tx, "cleo").await.unwrap(), 2, "as it should");
}

/// A fixture whose setup fails names itself.
#[within(pool = unreachable_database("/no/such/folder/bank.db".into()))]
#[cfg_attr(test, tokio::test)]
#[cfg_attr(test, should_panic(expected = "unreachable_database"))]
async fn a_fixture_that_fails(pool: &mut SqlitePool) {
    pool.close().await;
}

// ---- What is tested.

async fn deposit(tx: &mut Tx, owner: &str, amount: i64) -> Result<(), sqlx::Error> {
    say("test", format_args!("{owner} {amount:+}"));
    let sql = "INSERT INTO account VALUES (?, ?) ON CONFLICT (owner) DO UPDATE SET balance = balance + excluded.balance";
    sqlx::query(sql)
        .bind(owner)
        .bind(amount)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn balance(tx: &mut Tx, owner: &str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT balance FROM account WHERE owner = ?")
        .bind(owner)
        .fetch_one(&mut **tx)
        .await
}

async fn opened(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true);
    let pool = SqlitePoolOptions::new().connect_with(options).await?;
    sqlx::query("CREATE TABLE account (owner TEXT PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0))")
        .execute(&pool)
        .await?;
    Ok(pool)
}

/// Of the folders of this process.
fn prefix() -> String {
    format!("fixtures-{}-", std::process::id())
}

fn say(who: &str, what: impl std::fmt::Display) {
    println!("    {who:9} {what}");
}

// ---- A harness, for those who run this instead of testing it.

#[cfg(not(test))]
#[tokio::main]
async fn main() -> std::process::ExitCode {
    use std::{panic, process::ExitCode};

    panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("?");
        say(
            "test",
            format_args!("panics: {}", text.lines().next().unwrap_or_default()),
        );
    }));
    let mut as_expected = true;
    let mut test = |name: &str, fails: bool, ended: Result<bool, tokio::task::JoinError>| {
        let failed = !matches!(ended, Ok(true));
        println!(
            "{}  {name}{}\n",
            if failed { "FAILED" } else { "ok    " },
            if fails { ", as it should" } else { "" }
        );
        as_expected &= failed == fails;
    };
    println!("Four tests, with a database each.\n");
    let ended = tokio::spawn(async { a_deposit_adds_up().await.is_ok() }).await;
    test("a_deposit_adds_up", false, ended);
    let ended = tokio::spawn(async { an_overdraft_breaks_the_constraint().await.is_ok() }).await;
    test("an_overdraft_breaks_the_constraint", false, ended);
    let ended = tokio::spawn(async {
        a_test_that_fails().await;
        true
    });
    test("a_test_that_fails", true, ended.await);
    let ended = tokio::spawn(async {
        a_fixture_that_fails().await;
        true
    });
    test("a_fixture_that_fails", true, ended.await);

    let left = std::fs::read_dir(std::env::temp_dir())
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix()))
        .count();
    println!("Databases left behind: {left}");
    if as_expected && left == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
