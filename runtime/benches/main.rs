//! `cargo bench -p contextlib-benches`: every comparison, on this machine. The README beside it says what each table means.

#![forbid(unsafe_code)]

mod baseline;
mod costs;
mod instructions;
mod table;

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// What can be asked for.
const SECTIONS: [(&str, &str, fn(&Options) -> Result<(), String>); 1] = [(
    "costs",
    "this library and every peer, beside the same by hand",
    costs::run,
)];

/// How to go about it.
#[derive(Clone, Copy)]
struct Options {
    /// A look, no measurement.
    quick: bool,
}

const HELP: &str = "\
cargo bench -p contextlib-benches                      everything
cargo bench -p contextlib-benches -- SECTION…          these sections
cargo bench -p contextlib-benches -- --quick …         fewer turns: for a look

cargo bench -p contextlib-benches --no-default-features -- check      compares instructions and allocations with baseline.tsv
cargo bench -p contextlib-benches --no-default-features -- bless      replaces baseline.tsv
";

fn main() -> ExitCode {
    // cargo adds `--bench`.
    let (options, words): (Vec<String>, Vec<String>) = env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .partition(|arg| arg.starts_with('-'));
    if let Some(unknown) = options.iter().find(|option| *option != "--quick") {
        return said(Err(format!("{unknown}?\n\n{}", help())));
    }
    if option_env!("CARGO_INCREMENTAL").is_some_and(|on| on != "0") {
        return said(Err(
            "CARGO_INCREMENTAL is set, which builds in many small units that nothing is inlined across: unset it, or set it to 0".to_owned(),
        ));
    }
    let options = Options {
        quick: !options.is_empty(),
    };
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [instructions::COUNTED] => {
            instructions::run_counted(&contextlib_benches::rows());
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
    let mut failed = Vec::new();
    for (name, what, run) in SECTIONS {
        if wanted.is_empty() || wanted.contains(&name) {
            println!("\n## {name}: {what}\n");
            // The rest is worth having all the same.
            if let Err(error) = run(options) {
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

fn help() -> String {
    let sections = SECTIONS.map(|(name, what, _)| format!("  {name:<12} {what}\n"));
    format!("{HELP}\n{}", sections.concat())
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
