//! Opens any number of files at once, reads them side by side, and closes them all, whatever happens on the way.
//!
//! ```console
//! cargo run --example exit_stack                         # reads the sources of these examples
//! cargo run --example exit_stack -- Cargo.toml README.md
//! ```
//!
//! The Python it mirrors:
//!
//! ```python
//! async with AsyncExitStack() as stack:
//!     files = [await stack.enter_async_context(open_file(path)) for path in paths]
//!     stack.push_async_exit(summary)
//!     for line in merge(files):
//!         ...
//! ```

#![forbid(unsafe_code)]

use contextlib::{ExitStack, async_context, yield_resource};
use std::{
    env, fmt, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    fs::{self, File},
    io::{AsyncBufReadExt, BufReader, Lines},
};

/// An open file, and what has been found in it so far.
struct Source {
    lines: Lines<BufReader<File>>,
    name: String,
    count: Count,
}

#[derive(Clone, Default)]
struct Count {
    lines: usize,
    words: usize,
    comments: usize,
}

/// A file that is open for as long as the context is.
#[async_context]
async fn open(path: PathBuf) -> Result<Source, ReadError> {
    let name = short(&path);
    let file = File::open(&path)
        .await
        .map_err(|error| ReadError(name.clone(), error))?;
    println!("  open   {name}");
    let mut source = Source {
        lines: BufReader::new(file).lines(),
        name,
        count: Count::default(),
    };

    let exit = yield_resource!(source); // The stack's body runs here.

    let Source { name, count, .. } = source;
    println!(
        "  close  {name:<18} {:>5} lines read, told {exit:?}",
        count.lines
    );
}

/// Reads all files side by side, a line of each in turn, and returns what is in them.
async fn read_all(paths: &[PathBuf]) -> Result<Vec<(String, Count)>, ReadError> {
    ExitStack::scope(async |stack| {
        let total = Arc::new(AtomicUsize::new(0));
        // Put on the stack first, so it runs last, when every file is closed.
        let seen = total.clone();
        stack.push(async move |exit| {
            let total = seen.load(Ordering::Relaxed);
            match exit.error() {
                None => println!("  all closed: {total} lines"),
                Some(error) => println!("  all closed: {total} lines, then {error:?}"),
            }
        });

        let mut sources = Vec::new();
        for path in paths {
            sources.push(stack.enter(open(path.clone())).await?); // If this fails, those before it are closed.
        }

        let mut open = sources.len();
        while open > 0 {
            open = 0;
            for source in &mut sources {
                if source.read_line().await? {
                    total.fetch_add(1, Ordering::Relaxed);
                    open += 1;
                }
            }
        }
        let counts = sources
            .iter()
            .map(|source| (source.name.clone(), source.count.clone()));
        Ok(counts.collect())
    })
    .await
}

impl Source {
    /// Counts the next line; `false` at the end.
    async fn read_line(&mut self) -> Result<bool, ReadError> {
        let line = self.lines.next_line().await;
        let line = line.map_err(|error| ReadError(self.name.clone(), error))?;
        let Some(line) = line else {
            return Ok(false);
        };
        self.count.lines += 1;
        self.count.words += line.split_whitespace().count();
        self.count.comments += usize::from(line.trim_start().starts_with("//"));
        Ok(true)
    }
}

struct ReadError(String, io::Error);

impl fmt::Debug for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0, self.1)
    }
}

fn short(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

fn print(counts: &[(String, Count)]) {
    println!(
        "\n  {:<16} {:>6} {:>6} {:>9}",
        "", "lines", "words", "comments"
    );
    for (name, count) in counts {
        println!(
            "  {name:<16} {:>6} {:>6} {:>9}",
            count.lines, count.words, count.comments
        );
    }
}

/// The sources of the examples.
async fn own_sources() -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folder = fs::read_dir(env!("CARGO_MANIFEST_DIR")).await?;
    while let Some(entry) = folder.next_entry().await? {
        if entry.path().extension().is_some_and(|name| name == "rs") {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

#[tokio::main]
async fn main() -> Result<ExitCode, io::Error> {
    let mut paths: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let shows_failure = paths.is_empty();
    if shows_failure {
        paths = own_sources().await?;
    }

    println!("Reading {} files side by side:", paths.len());
    match read_all(&paths).await {
        Ok(counts) => print(&counts),
        Err(error) => {
            eprintln!("\n{error:?}");
            return Ok(ExitCode::FAILURE);
        }
    }

    if shows_failure {
        paths.truncate(2);
        paths.push("no such file".into());
        println!("\nWith one that isn't there, those that were open are closed, and told why:");
        if let Err(error) = read_all(&paths).await {
            println!("  the caller gets {error:?}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
