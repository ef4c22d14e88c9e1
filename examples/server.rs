//! A bank behind HTTP: the server runs inside the context `lifespan`, each request inside the context `transaction`, and a shutdown loses neither.
//!
//! ```console
//! cargo run --example server                  # shows itself to a client of its own, and ends
//! cargo run --example server -- --serve       # stays up until Ctrl-C
//! DATABASE_URL=postgres://… cargo run --example server
//! ```
//!
//! By default the bank is an SQLite file in a temporary folder. In another database it is the table `contextlib_accounts`, which is dropped in the end.
//!
//! The Python it mirrors:
//!
//! ```python
//! @asynccontextmanager
//! async def lifespan(app):                    # FastAPI(lifespan=lifespan)
//!     async with create_pool(url) as app.state.pool:
//!         yield
//!
//! @app.post("/transfer")
//! async def transfer(pay: Payment):
//!     async with transaction(app.state.pool) as tx:
//!         ...
//! ```

#![forbid(unsafe_code)]

use axum::{
    Router,
    extract::{Path, Query, Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use contextlib::{async_context, background, within, yield_resource};
use serde::Deserialize;
use sqlx::{Any, AnyConnection, AnyPool, Row, Transaction, any::AnyPoolOptions};
use std::{
    env,
    error::Error,
    fmt, io,
    net::SocketAddr,
    process::ExitCode,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    select,
    sync::watch,
    time::{sleep, timeout},
};

// ---- The contexts.

/// What the server needs for as long as it runs.
#[async_context]
async fn lifespan(url: String) -> Result<Bank, BankError> {
    let pool = AnyPoolOptions::new()
        .max_connections(8)
        .connect(&url)
        .await?;
    create_tables(&pool).await?;
    let mut bank = Bank::new(pool);
    say("lifespan", "pool opened, tables made");

    let exit = yield_resource!(bank); // The server runs here.

    say(
        "lifespan",
        format_args!(
            "the server has ended: {exit:?}; rollbacks under way: {}",
            background::pending()
        ),
    );
    // The one line that makes sure that none is lost: what the last clients left behind is rolled back before the pool goes.
    if let Err(stuck) = background::drain_timeout(Duration::from_secs(10)).await {
        say("lifespan", stuck);
    }
    sqlx::query("DROP TABLE contextlib_accounts")
        .execute(&bank.pool)
        .await?;
    bank.pool.close().await;
    say("lifespan", "tables dropped, pool closed");
}

/// A database transaction: committed if the body completes, rolled back however else it ends.
#[async_context]
async fn transaction(bank: Bank) -> Result<Transaction<'static, Any>, BankError> {
    let mut tx = bank.pool.begin().await?;
    bank.count(|counts| counts.begun += 1);

    let exit = yield_resource!(tx); // The handler's body runs here.

    if exit.is_completed() {
        tx.commit().await?;
        bank.count(|counts| counts.committed += 1);
        say("transaction", "COMMIT");
    } else {
        tx.rollback().await?;
        bank.count(|counts| counts.rolled_back += 1);
        say("transaction", format_args!("{exit:?}: ROLLBACK"));
    }
}

// ---- The handlers. Any of them is dropped where it stands when its client hangs up.

#[derive(Clone)]
struct Bank {
    pool: AnyPool,
    counts: watch::Sender<Counts>,
}

/// What has happened so far; the demonstration waits for it, and checks it in the end.
#[derive(Clone, Copy, Default, Debug)]
struct Counts {
    begun: u32,
    committed: u32,
    rolled_back: u32,
    checks: u32,
}

/// `/transfer?from=…&to=…&amount=…`, perhaps with `&check=` and the milliseconds that the anti-fraud service takes.
#[derive(Deserialize)]
struct Payment {
    from: String,
    to: String,
    amount: i64,
    #[serde(default)]
    check: u64,
}

/// Closure style: the teardown is awaited, and the body's error comes back as it is.
async fn transfer(
    State(bank): State<Bank>,
    Query(payment): Query<Payment>,
) -> Result<String, BankError> {
    let Payment {
        from,
        to,
        amount,
        check,
    } = payment;
    transaction(bank.clone())
        .with(async |tx| -> Result<(), BankError> {
            change(tx, &to, amount).await?;
            bank.count(|counts| counts.checks += 1);
            sleep(Duration::from_millis(check)).await;
            change(tx, &from, -amount).await
        })
        .await?;
    Ok(format!("{from} has paid {amount} to {to}"))
}

/// Guard style: the context is a value; where `?` leaves, it rolls back in the background.
async fn open_account(
    State(bank): State<Bank>,
    Path(name): Path<String>,
) -> Result<String, BankError> {
    let mut tx = transaction(bank).enter().await?;
    sqlx::query("INSERT INTO contextlib_accounts (name, balance) VALUES ($1, 0)")
        .bind(&name)
        .execute(&mut **tx)
        .await?;
    tx.exit().await?;
    Ok(format!("welcome, {name}"))
}

/// As a decorator: the whole handler runs inside the context, and `tx` is no argument of the route but the context's resource.
#[within(tx = transaction(bank.clone()))]
async fn pay_interest(
    State(bank): State<Bank>,
    tx: &mut Transaction<'static, Any>,
) -> Result<String, BankError> {
    let sql = "UPDATE contextlib_accounts SET balance = balance + balance / 10";
    let paid = sqlx::query(sql).execute(&mut **tx).await?;
    Ok(format!(
        "{} accounts get a tenth more",
        paid.rows_affected()
    ))
}

/// No context: one statement is its own transaction.
async fn accounts(State(bank): State<Bank>) -> Result<String, BankError> {
    let rows = sqlx::query("SELECT name, balance FROM contextlib_accounts ORDER BY name")
        .fetch_all(&bank.pool)
        .await?;
    let accounts = rows.iter().map(|row| {
        let (name, balance): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
        Ok(format!("{name} {balance}"))
    });
    let accounts: Vec<_> = accounts.collect::<Result<_, sqlx::Error>>()?;
    Ok(accounts.join("   "))
}

async fn change(tx: &mut AnyConnection, name: &str, amount: i64) -> Result<(), BankError> {
    let changed = sqlx::query(
        "UPDATE contextlib_accounts SET balance = balance + $1 WHERE name = $2 AND balance + $1 >= 0",
    )
    .bind(amount)
    .bind(name)
    .execute(tx)
    .await?;
    match changed.rows_affected() {
        0 => Err(BankError::Refused(format!("{name} can't pay"))),
        _ => Ok(()),
    }
}

// ---- The server.

/// How long requests may go on after the server was told to stop.
const GRACE: Duration = Duration::from_secs(1);

/// Serves until `stop`, and then until the requests under way are over; those that take longer than [`GRACE`] are cut off, which drops their handlers.
async fn serve(bank: Bank, listener: TcpListener, stop: impl Future) -> io::Result<()> {
    let (cut, is_cut) = watch::channel(false);
    let (stopped, mut is_stopped) = watch::channel(false);
    let router = Router::new()
        .route("/accounts", get(accounts))
        .route("/accounts/{name}", post(open_account))
        .route("/interest", post(pay_interest))
        .route("/transfer", post(transfer))
        .layer(middleware::from_fn_with_state(is_cut, unless_cut))
        .with_state(bank);
    let serving = axum::serve(listener, router).with_graceful_shutdown(async move {
        let _ = is_stopped.wait_for(|stopped| *stopped).await;
    });
    let ending = async {
        stop.await;
        stopped.send_replace(true);
        sleep(GRACE).await;
        cut.send_replace(true);
        // A client that doesn't even read its answer shall not keep the server up.
        sleep(GRACE).await;
    };
    select! {
        served = serving.into_future() => served,
        () = ending => Ok(()),
    }
}

async fn unless_cut(
    State(mut is_cut): State<watch::Receiver<bool>>,
    request: Request,
    next: Next,
) -> Response {
    select! {
        response = next.run(request) => response,
        _ = is_cut.wait_for(|cut| *cut) => (StatusCode::SERVICE_UNAVAILABLE, "the server is going down").into_response(),
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    sqlx::any::install_default_drivers();
    let folder = tempfile::tempdir()?;
    let url = env::var("DATABASE_URL")
        .unwrap_or_else(|_| format!("sqlite://{}/bank.sqlite?mode=rwc", folder.path().display()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;

    let stay_up = env::args().any(|argument| argument == "--serve");
    let counts = lifespan(url)
        .with(async |bank| -> Result<_, BankError> {
            say("server", format_args!("listens on http://{address}"));
            if stay_up {
                println!("Ctrl-C stops it. In the meantime:");
                println!("   curl http://{address}/accounts");
                println!("   curl -X POST 'http://{address}/transfer?from=alice&to=bob&amount=30&check=5000'");
                serve(bank.clone(), listener, tokio::signal::ctrl_c()).await?;
            } else {
                let (stop, mut stopped) = watch::channel(false);
                let (served, shown) = tokio::join!(
                    serve(bank.clone(), listener, stopped.wait_for(|stopped| *stopped)),
                    demonstration(bank, address, stop),
                );
                served?;
                shown?;
            }
            Ok(bank.counts.subscribe())
        })
        .await?;

    let Counts {
        begun,
        committed,
        rolled_back,
        ..
    } = *counts.borrow();
    headline("in the end");
    say(
        "transaction",
        format_args!("{begun} begun, {committed} committed, {rolled_back} rolled back"),
    );
    let nothing_lost = begun == committed + rolled_back && background::pending() == 0;
    Ok(if nothing_lost {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

// ---- The demonstration.

async fn demonstration(
    bank: &Bank,
    address: SocketAddr,
    stop: watch::Sender<bool>,
) -> Result<(), BankError> {
    headline("a transfer that succeeds");
    ask(address, "POST /transfer?from=alice&to=bob&amount=30").await?;

    headline("one that fails in the middle, when carol has bob's money already");
    ask(address, "POST /transfer?from=bob&to=carol&amount=500").await?;

    headline("guard style: an account is opened, and then once more");
    ask(address, "POST /accounts/dave").await?;
    ask(address, "POST /accounts/dave").await?;

    headline("as a decorator of the whole handler");
    ask(address, "POST /interest").await?;
    // The second guard's rollback, which nobody awaited, comes to its end.
    bank.until(|counts| counts.begun == counts.committed + counts.rolled_back)
        .await?;

    headline(
        "a client hangs up while its transfer waits for the anti-fraud service, which takes a minute",
    );
    let before = bank.counts();
    let started = Instant::now();
    let slow = "POST /transfer?from=alice&to=bob&amount=5&check=60000";
    let client = begin(address, slow).await?;
    bank.until(|counts| counts.checks > before.checks).await?;
    say("client", format_args!("{slow}: hangs up"));
    drop(client);
    bank.until(|counts| counts.rolled_back > before.rolled_back)
        .await?;
    say(
        "server",
        format_args!("was rid of it after {} ms", started.elapsed().as_millis()),
    );
    ask(address, "GET /accounts").await?;

    headline(
        "the server is told to stop while two transfers are under way, one of which would take a minute",
    );
    let before = bank.counts();
    let quick = tokio::spawn(ask(
        address,
        "POST /transfer?from=alice&to=bob&amount=7&check=300",
    ));
    bank.until(|counts| counts.checks > before.checks).await?;
    let slow = tokio::spawn(ask(
        address,
        "POST /transfer?from=bob&to=carol&amount=1&check=60000",
    ));
    bank.until(|counts| counts.begun > before.begun + 1).await?;
    say("server", "stops listening");
    stop.send_replace(true);
    for client in [quick, slow] {
        client.await.expect("a client doesn't panic")?;
    }
    Ok(())
}

/// One request from a client that is polite enough to wait for the answer.
async fn ask(address: SocketAddr, request: &'static str) -> io::Result<()> {
    let mut connection = begin(address, request).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    let status = answer.lines().next().unwrap_or_default();
    let text = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    say(
        "client",
        format_args!(
            "{request}: {}, {text:?}",
            status.trim_start_matches("HTTP/1.1 ")
        ),
    );
    Ok(())
}

async fn begin(address: SocketAddr, request: &str) -> io::Result<TcpStream> {
    let mut connection = TcpStream::connect(address).await?;
    let head = format!(
        "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await?;
    Ok(connection)
}

// ---- What is left.

impl Bank {
    fn new(pool: AnyPool) -> Self {
        Bank {
            pool,
            counts: watch::Sender::default(),
        }
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.counts.send_modify(change);
    }

    fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    /// Waits for something to have happened in the server.
    async fn until(&self, happened: impl FnMut(&Counts) -> bool) -> io::Result<()> {
        let mut counts = self.counts.subscribe();
        match timeout(Duration::from_secs(20), counts.wait_for(happened)).await {
            Ok(_) => Ok(()),
            Err(elapsed) => Err(elapsed.into()),
        }
    }
}

async fn create_tables(pool: &AnyPool) -> Result<(), sqlx::Error> {
    for statement in [
        "DROP TABLE IF EXISTS contextlib_accounts",
        "CREATE TABLE contextlib_accounts (name TEXT PRIMARY KEY, balance BIGINT NOT NULL)",
        "INSERT INTO contextlib_accounts VALUES ('alice', 100), ('bob', 50), ('carol', 0)",
    ] {
        sqlx::query(statement).execute(pool).await?;
    }
    Ok(())
}

#[derive(Debug)]
enum BankError {
    Refused(String),
    Database(sqlx::Error),
    Server(io::Error),
}

impl From<sqlx::Error> for BankError {
    fn from(error: sqlx::Error) -> Self {
        BankError::Database(error)
    }
}

impl From<io::Error> for BankError {
    fn from(error: io::Error) -> Self {
        BankError::Server(error)
    }
}

impl fmt::Display for BankError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BankError::Refused(why) => f.write_str(why),
            BankError::Database(error) => error.fmt(f),
            BankError::Server(error) => error.fmt(f),
        }
    }
}

impl Error for BankError {}

impl IntoResponse for BankError {
    fn into_response(self) -> Response {
        let status = match &self {
            BankError::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            BankError::Database(error)
                if error
                    .as_database_error()
                    .is_some_and(|error| error.is_unique_violation()) =>
            {
                StatusCode::CONFLICT
            }
            BankError::Database(_) | BankError::Server(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, self.to_string()).into_response()
    }
}

fn headline(what: &str) {
    println!("\n-- {what}");
}

fn say(who: &str, what: impl fmt::Display) {
    println!("   {who:<12} {what}");
}
