//! Several contexts in one `async with`: entered from left to right, exited from right to left, whatever happens on the way.
//!
//! ```console
//! cargo run --example combine
//! ```
//!
//! The Python it mirrors:
//!
//! ```python
//! async with open_file("in.txt") as source, open_file("out.txt", "w") as target, stopwatch() as watch:
//!     await copy(source, target)
//! ```

#![forbid(unsafe_code)]

use contextlib::{
    Exit, IntoContextManager, async_context, async_with, background, contexts::suppress_if,
    kind::OneOf, yield_resource,
};
use std::{
    fmt, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncWriteExt},
};

/// What can go wrong, for the application: made from what each context can fail with.
#[derive(Debug)]
enum CopyError {
    File(io::Error),
    Quota(QuotaExceeded),
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> Self {
        CopyError::File(error)
    }
}

impl From<QuotaExceeded> for CopyError {
    fn from(error: QuotaExceeded) -> Self {
        CopyError::Quota(error)
    }
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CopyError::File(error) => error.fmt(f),
            CopyError::Quota(error) => error.fmt(f),
        }
    }
}

#[derive(Debug)]
struct QuotaExceeded(u64);

impl fmt::Display for QuotaExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a quota of {} bytes is exceeded", self.0)
    }
}

/// How many contexts are open: the indentation of what is printed.
static DEPTH: AtomicUsize = AtomicUsize::new(1);

fn entered(what: impl fmt::Display) {
    println!(
        "{:width$}┌ {what}",
        "",
        width = 2 * DEPTH.fetch_add(1, Ordering::Relaxed)
    );
}

fn exited(what: impl fmt::Display) {
    println!(
        "{:width$}└ {what}",
        "",
        width = 2 * (DEPTH.fetch_sub(1, Ordering::Relaxed) - 1)
    );
}

fn say(what: impl fmt::Display) {
    println!(
        "{:width$}· {what}",
        "",
        width = 2 * DEPTH.load(Ordering::Relaxed)
    );
}

/// A file that is read.
#[async_context]
async fn source(path: PathBuf) -> Result<File, io::Error> {
    let mut file = File::open(&path).await?;
    entered(format_args!("{} opened", name(&path)));
    let exit = yield_resource!(file).kind();
    exited(format_args!("{} closed: {exit:?}", name(&path)));
}

/// A file that is written, and that is there in the end only if all went well.
#[async_context]
async fn target(path: PathBuf) -> Result<File, io::Error> {
    let part = path.with_extension("part");
    let mut file = File::create(&part).await?;
    entered(format_args!("{} created", name(&part)));
    let complete = yield_resource!(file).is_completed();
    if complete {
        file.sync_all().await?;
        tokio::fs::rename(&part, &path).await?;
        exited(format_args!("renamed to {}", name(&path)));
    } else {
        tokio::fs::remove_file(&part).await?;
        exited(format_args!("{} removed", name(&part)));
    }
}

/// So many bytes may be spent, of which none may be left to be paid.
#[async_context]
async fn quota(bytes: u64) -> Result<u64, QuotaExceeded> {
    let mut spent = 0;
    entered(format_args!("a quota of {bytes} bytes"));
    let exit = yield_resource!(spent).kind();
    exited(format_args!("{spent} of {bytes} bytes spent: {exit:?}"));
    if spent > bytes {
        return Err(QuotaExceeded(bytes));
    }
}

/// It can't fail, and sees the time go by.
#[async_context]
async fn stopwatch() -> Instant {
    let mut start = Instant::now();
    entered("the watch is running");
    let exit = yield_resource!(start);
    let how = match exit {
        Exit::Failed(error) => format!("Failed({error:?})"),
        exit => format!("{exit:?}"),
    };
    exited(format_args!(
        "{} ms later: {how}",
        start.elapsed().as_millis()
    ));
}

fn name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// Copies inside four contexts, in one frame. The errors of all of them become the one of the body.
async fn copy(from: &Path, to: &Path, bytes: u64) -> Result<usize, CopyError> {
    (
        source(from.into()),
        target(to.into()),
        quota(bytes),
        stopwatch(),
    )
        .with(async |(source, target, spent, _)| {
            let mut text = String::new();
            let length = source.read_to_string(&mut text).await?;
            target.write_all(text.as_bytes()).await?;
            *spent += length as u64;
            say(format_args!("{length} bytes copied"));
            Ok(length)
        })
        .await
}

async fn run(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let (from, to) = (folder.join("in.txt"), folder.join("out.txt"));
    tokio::fs::write(&from, "to be copied").await?;

    println!("all goes well: entered from left to right, exited from right to left");
    let copied = copy(&from, &to, 100).await;
    println!("  = {copied:?}\n");
    assert!(copied.is_ok() && to.exists());
    tokio::fs::remove_file(&to).await?;

    println!("the third one fails in its teardown: those around it see that");
    let failed = copy(&from, &to, 5)
        .await
        .expect_err("the quota is too small");
    println!("  = {failed}\n");
    assert!(!to.exists());

    println!("the second one fails in its setup: the first is exited, the others never start");
    let failed = copy(&from, &folder.join("nowhere/out.txt"), 100)
        .await
        .expect_err("no such folder");
    println!("  = {failed}\n");

    println!("the outer one forgives what goes wrong inside it, so that the value may be missing");
    let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let optional = (
        stopwatch(),
        suppress_if(missing),
        source(folder.join("no such file")),
    )
        .with(async |(_, (), source)| source.metadata().await.map(|metadata| metadata.len()))
        .await?;
    println!("  = {optional:?}\n");

    println!("entered with a guard; dropped, it is rolled back as one, in the background");
    let guard = (source(from.clone()), target(to.clone()), quota(1))
        .enter()
        .await;
    match guard {
        Ok(mut guard) => guard.2 += 1,
        // Two that can fail with different errors: one of both.
        Err(OneOf::Outer(error)) => return Err(error.either(Box::from, Box::from)),
        Err(OneOf::Inner(error)) => return Err(error.to_string().into()),
    }
    background::drain().await;
    assert!(!to.exists());

    println!("\ncontexts that need the ones before: a block");
    let copied = async_with!(
        source = source(from.clone()),
        spent = quota(source.metadata().await?.len()),
        target = target(to.clone()),
        async || -> Result<u64, CopyError> {
            *spent = tokio::io::copy(source, target).await?;
            say(format_args!("{spent} bytes copied"));
            Ok(*spent)
        }
    )
    .await;
    println!("  = {copied:?}");
    assert!(to.exists());
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let folder = tempfile::tempdir().expect("a temporary folder");
    match run(folder.path()).await {
        Ok(()) if DEPTH.load(Ordering::Relaxed) == 1 => ExitCode::SUCCESS,
        Ok(()) => {
            eprintln!("a context is still open");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
