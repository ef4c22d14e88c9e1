//! A bounded soak: a server on loopback that is shut down under load. Its clients hang up; its handlers fail, panic and time out.
//!
//! ```console
//! cargo run --release --example soak                       # ten seconds each way, on SQLite
//! cargo run --release --example soak -- --seconds 60 --database postgres://…
//! ```
//!
//! Every request takes a lease and, inside it, a transaction. After the transaction the lease is given back, and a row is written that says so. The
//! same load is served three times:
//!
//! - with contexts;
//! - with sqlx's own transactions;
//! - with guards that spawn their teardown when they are dropped, which is what people write who have no contexts.
//!
//! In the end the program's figures are compared with what the database says. The last line is `lost: 0`, or what the contexts have lost. The exit
//! code follows it.
//!
//! A database that isn't in a temporary folder gets the tables `soak_accounts`, `soak_ledger`, `soak_leases` and `soak_audit`, which are dropped in the end.

#![forbid(unsafe_code)]

mod bank;
mod contexts;
mod figures;
mod load;
mod plain;
mod server;
mod spawn_on_drop;

use bank::Database;
use contextlib::report::{Failure, Whose};
use figures::{Figures, table};
use server::Style;
use std::{
    env,
    error::Error,
    panic,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// What the deliberate panics carry, so that only the others are printed.
struct Deliberate;

/// How often a server is started and shut down.
const LIVES: u32 = 4;

/// Reports of teardowns that failed or were lost.
static REPORTS: AtomicU64 = AtomicU64::new(0);

/// Reports of bodies that failed, as they were meant to, and whose clients hung up during the teardown.
static UNHEARD: AtomicU64 = AtomicU64::new(0);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (seconds, database) = arguments()?;
    let default = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !info.payload().is::<Deliberate>() {
            default(info);
        }
    }));
    contextlib::set_report_hook(|report| {
        // Dropped guards, and bodies that fail, are part of the load; anything else would be a loss.
        match (report.whose, &report.failure) {
            (_, Failure::Unexited) => {}
            (Whose::Body, _) => {
                UNHEARD.fetch_add(1, Ordering::Relaxed);
            }
            _ => {
                REPORTS.fetch_add(1, Ordering::Relaxed);
                eprintln!("reported: {report}");
            }
        }
    });
    sqlx::any::install_default_drivers();

    let folder = tempfile::tempdir()?;
    let database = Arc::new(match database {
        Some(url) => Database::postgres_at(url)?,
        None => Database::sqlite_in(folder.path()),
    });
    println!(
        "{} seconds each way on {}, with {} clients",
        seconds.as_secs(),
        database.kind(),
        database.clients()
    );
    let mut columns = Vec::new();
    for style in [Style::Contexts, Style::Plain, Style::SpawnOnDrop] {
        columns.push((style.name(), soak(style, &database, seconds)?));
    }
    print!("\n{}", table(&columns));

    let (_, contexts) = &columns[0];
    let unseen = contexts.unseen();
    for what in &unseen {
        println!("\nthis soak was too short to see {what}");
    }
    println!(
        "\nbodies that failed, whose clients hung up during the teardown, told to the report hook: {}",
        UNHEARD.load(Ordering::Relaxed)
    );
    let lost = contexts.lost() + REPORTS.load(Ordering::Relaxed);
    println!("\nlost: {lost}");
    Ok(match lost == 0 && unseen.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Runs the load against one kind of server, which is shut down and started again in the middle of it.
fn soak(
    style: Style,
    database: &Arc<Database>,
    duration: Duration,
) -> Result<Figures, Box<dyn Error>> {
    // The clients have a runtime of their own: each of the server's ends with it, as a process would.
    let outside = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    outside.block_on(database.create_tables())?;
    let figures = Arc::new(Figures::default());
    let (listener, address) = server::listen(None)?;
    let clients =
        outside.block_on(async { load::start(database.clients(), address, figures.clone()) });
    let mut listener = Some(listener);
    for _ in 0..LIVES {
        let listener = match listener.take() {
            Some(listener) => listener,
            None => server::listen(Some(address))?.0,
        };
        let duration = duration / LIVES;
        server::live(style, database.clone(), figures.clone(), listener, duration)?;
    }
    outside.block_on(clients.stop());
    outside.block_on(database.examine(&figures))?;
    Arc::into_inner(figures).ok_or_else(|| "something of the server has outlived it".into())
}

fn arguments() -> Result<(Duration, Option<String>), Box<dyn Error>> {
    let usage = "usage: soak [--seconds N] [--database postgres://…]";
    let (mut seconds, mut database) = (10, None);
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or(usage)?;
        match &*argument {
            "--seconds" => seconds = value.parse::<u64>()?.clamp(1, 3600),
            "--database" => database = Some(value),
            _ => return Err(usage.into()),
        }
    }
    Ok((Duration::from_secs(seconds), database))
}
