//! `cargo bench -p contextlib-benches`: every comparison, on this machine. The README beside it says what each table means.

#![forbid(unsafe_code)]

mod baseline;
mod behaviour;
mod compile;
mod costs;
#[cfg(feature = "database")]
mod database;
mod instructions;
mod machine;
mod plot;
#[cfg(feature = "database")]
mod postgres;
mod python;
mod scaling_table;
mod sizes_table;
mod table;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Measures, and returns the text that belongs into the README.
type Section = fn(&Options) -> Result<String, String>;

/// What can be asked for.
const SECTIONS: &[(&str, &str, Section)] = &[
    (
        "costs",
        "this library and its peers, beside the same by hand",
        costs::run,
    ),
    (
        "behaviour",
        "what each way of cleaning up does",
        behaviour::run,
    ),
    #[cfg(feature = "database")]
    (
        "database",
        "a transaction on SQLite and PostgreSQL",
        database::run,
    ),
    ("scaling", "from one to very many", scaling_table::run),
    (
        "sizes",
        "of futures, guards and their boxes",
        sizes_table::run,
    ),
    ("compile", "what a context costs the compiler", compile::run),
];

/// How to go about it.
#[derive(Clone, Copy)]
struct Options {
    /// A look, no measurement.
    quick: bool,
    /// Put the tables and plots where the docs show them.
    write: bool,
}

const HELP: &str = "\
cargo bench -p contextlib-benches                         everything; writes the tables and plots into this folder too
cargo bench -p contextlib-benches -- SECTION…             these sections, on the terminal only
cargo bench -p contextlib-benches -- --write SECTION…     and into this folder
cargo bench -p contextlib-benches -- --quick SECTION…     fewer turns, nothing written: for a look

cargo bench -p contextlib-benches --no-default-features -- check      compares instructions and allocations with baseline.tsv
cargo bench -p contextlib-benches --no-default-features -- bless      replaces baseline.tsv
";

fn main() -> ExitCode {
    // cargo adds `--bench`.
    let (options, words): (Vec<String>, Vec<String>) = env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .partition(|arg| arg.starts_with('-'));
    let known = ["--quick", "--write"];
    if let Some(unknown) = options
        .iter()
        .find(|option| !known.contains(&option.as_str()))
    {
        return said(Err(format!("{unknown}?\n\n{}", help())));
    }
    let asked = |option: &str| options.iter().any(|asked| asked == option);
    if option_env!("CARGO_INCREMENTAL").is_some_and(|on| on != "0") {
        return said(Err(
            "CARGO_INCREMENTAL is set, which builds in many small units that nothing is inlined across: unset it, or set it to 0".to_owned(),
        ));
    }
    let options = Options {
        quick: asked("--quick"),
        write: !asked("--quick") && (words.is_empty() || asked("--write")),
    };
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [instructions::COUNTED, set] => {
            instructions::run_counted(set);
            ExitCode::SUCCESS
        }
        ["check"] => said(costs::counted().and_then(|rows| baseline::check(&rows))),
        ["bless"] => said(costs::counted().and_then(|rows| baseline::bless(&rows))),
        ["help"] => {
            print!("{}", help());
            ExitCode::SUCCESS
        }
        ref words => said(sections(words, &options)),
    }
}

fn sections(wanted: &[&str], options: &Options) -> Result<(), String> {
    if let Some(unknown) = wanted
        .iter()
        .find(|wanted| !SECTIONS.iter().any(|(name, ..)| name == *wanted))
    {
        return Err(format!("no section is called {unknown}.\n\n{}", help()));
    }
    println!("{}", machine::description());
    let mut failed = Vec::new();
    for &(name, what, run) in SECTIONS {
        if wanted.is_empty() || wanted.contains(&name) {
            println!("\n## {name}: {what}\n");
            let written = run(options).and_then(|text| {
                println!("{text}");
                if options.write {
                    write(name, &text)
                } else {
                    Ok(())
                }
            });
            // The rest is worth having all the same.
            if let Err(error) = written {
                eprintln!("{name}: {error}");
                failed.push(name);
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("failed: {}", failed.join(", ")))
}

/// Puts a section's text between its marks in the README.
fn write(section: &str, text: &str) -> Result<(), String> {
    let path = folder().join("README.md");
    let failed = |error| format!("{}: {error}", path.display());
    let readme = fs::read_to_string(&path).map_err(failed)?;
    let (start, end) = (
        format!("<!-- {section} -->\n"),
        format!("<!-- end of {section} -->"),
    );
    let parts = readme.split_once(&start).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(&end)?;
        Some((before, after))
    });
    let Some((before, after)) = parts else {
        return Err(format!("{}: no marks {start}… {end}", path.display()));
    };
    let machine = machine::description();
    let text = format!(
        "{before}{start}\n{machine}\n\n{}\n\n{end}{after}",
        text.trim()
    );
    fs::write(&path, text).map_err(failed)
}

fn help() -> String {
    let sections = SECTIONS
        .iter()
        .map(|(name, what, _)| format!("  {name:<12} {what}\n"));
    format!("{HELP}\n{}", sections.collect::<String>())
}

fn said(end: Result<(), String>) -> ExitCode {
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Where this package is.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}
