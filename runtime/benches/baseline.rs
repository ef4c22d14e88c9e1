//! What every row cost when somebody last looked: `baseline.tsv`, which `.ci/run bench` compares with.

use std::{collections::BTreeMap, fmt::Write, fs, path::PathBuf, process::Command};

/// What may be lost unnoticed: this part of a count, and besides so many of what is counted, for rows of next to nothing.
const TOLERANCE: f64 = 0.05;
const SLACK: f64 = 3.0;
/// Another compiler writes other code, which is nobody's regression; but it is no licence either.
const TOLERANCE_OF_ANOTHER_COMPILER: f64 = 0.25;

#[derive(Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
    pub(crate) bytes: f64,
}

type Rows = BTreeMap<String, Counts>;

fn path() -> PathBuf {
    crate::folder().join("baseline.tsv")
}

/// Replaces the baseline.
pub(crate) fn bless(rows: &Rows) -> Result<(), String> {
    let mut text = format!(
        "# {}\n# row\tinstructions\tallocations\tbytes\n",
        compiler()?
    );
    for (name, counts) in rows {
        let _ = writeln!(
            text,
            "{name}\t{:.1}\t{:.2}\t{:.1}",
            counts.instructions, counts.allocations, counts.bytes
        );
    }
    fs::write(path(), text).map_err(|error| format!("{}: {error}", path().display()))
}

/// Whether a row is this library's, and not what it is compared with: a runtime's own instructions vary more than ours from build to build.
fn is_ours(name: &str) -> bool {
    !name.contains("by hand") && !name.starts_with("`tokio::")
}

/// Compares, and says what has become dearer, and whether that is too much. What has become cheaper is said too, so that somebody blesses it.
pub(crate) fn check(rows: &Rows) -> Result<(), String> {
    let text =
        fs::read_to_string(path()).map_err(|error| format!("{}: {error}", path().display()))?;
    let (compiled_by, baseline) = parse(&text)?;
    let here = compiler()?;
    let tolerance = if compiled_by == here {
        TOLERANCE
    } else {
        println!(
            "The baseline was made with {compiled_by}; this is {here}. Its code differs, so {:.0} % more instructions are let pass instead of {:.0} %.\n",
            TOLERANCE_OF_ANOTHER_COMPILER * 100.0,
            TOLERANCE * 100.0
        );
        TOLERANCE_OF_ANOTHER_COMPILER
    };
    let mut dearer = Vec::new();
    let mut cheaper = 0;
    for (name, counts) in rows {
        let Some(before) = baseline.get(name) else {
            dearer.push(format!("{name}: isn't in the baseline"));
            continue;
        };
        for (what, before, now, slack) in [
            (
                "instructions",
                before.instructions,
                counts.instructions,
                SLACK,
            ),
            ("allocations", before.allocations, counts.allocations, 0.01),
            ("bytes", before.bytes, counts.bytes, SLACK),
        ] {
            let change = 100.0 * (now - before) / before.max(1.0);
            if now > before * (1.0 + tolerance) + slack && !is_ours(name) {
                println!(
                    "{name}: {now:.1} {what} instead of {before:.1} ({change:+.1} %); none of this library's"
                );
            } else if now > before * (1.0 + tolerance) + slack {
                dearer.push(format!(
                    "{name}: {now:.1} {what} instead of {before:.1} ({change:+.1} %)"
                ));
            } else if now < before * (1.0 - tolerance) - slack {
                println!("{name}: {now:.1} {what} instead of {before:.1} ({change:+.1} %)");
                cheaper += 1;
            }
        }
    }
    for name in baseline.keys().filter(|name| !rows.contains_key(*name)) {
        dearer.push(format!(
            "{name}: is in the baseline, but no longer measured"
        ));
    }
    if cheaper > 0 {
        println!("\nCheaper than the baseline says. Keep it so: `{BLESS}`\n");
    }
    if dearer.is_empty() {
        println!("{} rows cost no more than the baseline says.", rows.len());
        return Ok(());
    }
    Err(format!(
        "{}\n\nIf that is meant to be: `{BLESS}`, and say why in the commit.",
        dearer.join("\n")
    ))
}

const BLESS: &str = "cargo bench -p contextlib-benches --no-default-features -- bless";

fn parse(text: &str) -> Result<(String, Rows), String> {
    let mut compiled_by = None;
    let mut rows = Rows::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            compiled_by.get_or_insert_with(|| comment.to_owned());
            continue;
        }
        let row = || {
            let mut cells = line.split('\t');
            let name = cells.next()?.to_owned();
            let mut figure = || cells.next()?.parse().ok();
            let counts = Counts {
                instructions: figure()?,
                allocations: figure()?,
                bytes: figure()?,
            };
            Some((name, counts))
        };
        let (name, counts) = row().ok_or_else(|| format!("no row of a baseline: {line}"))?;
        rows.insert(name, counts);
    }
    Ok((compiled_by.unwrap_or_default(), rows))
}

/// Which compiler, for which machine.
pub(crate) fn compiler() -> Result<String, String> {
    let output = Command::new("rustc").arg("-vV").output();
    let output = output.map_err(|error| format!("rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
    match (line("release: "), line("host: ")) {
        (Some(release), Some(host)) => Ok(format!("rustc {release} for {host}")),
        _ => Err("rustc doesn't tell its version".to_owned()),
    }
}
