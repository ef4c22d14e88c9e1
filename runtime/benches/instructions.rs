//! Instruction counts by valgrind's callgrind: they don't depend on the machine's load, and hardly on the machine.
//!
//! Those of the C library aren't counted. What an allocation costs there depends on what was freed before it, and that on no more than the length of a
//! path: the same program in another folder needed half as many again for a task of tokio's. And which `memcpy` it takes depends on the processor.
//! Allocations are counted by themselves.
//!
//! The maintained harnesses for this (gungraun, iai-callgrind) want a runner to be installed in the very version of the library. All that is needed of
//! callgrind are two of its options, so this asks it itself: it counts in one function only, and writes down its counter whenever that function ends.

use contextlib_benches::harness::{On, Row, Runtimes};
use std::{
    collections::HashMap,
    env, fs,
    hint::black_box,
    io,
    path::Path,
    process::{Command, Stdio},
};

/// Enough that a list that grows by doubling has settled, few enough for valgrind.
const TIMES: u32 = 256;

/// The argument with which this program runs itself under valgrind.
pub(crate) const COUNTED: &str = "counted";

/// What callgrind looks for.
const FUNCTION: &str = "benches::instructions::contextlib_benches_counted";

#[inline(never)]
fn contextlib_benches_counted(runtimes: &Runtimes, row: &Row, times: u32) {
    runtimes.run(row, times);
    // After a tail call callgrind wouldn't see where this function ends.
    black_box(times);
}

/// What is counted together.
#[derive(Clone, Copy)]
pub(crate) enum Set {
    Costs,
    Scaling,
}

impl Set {
    const ALL: [Set; 2] = [Set::Costs, Set::Scaling];

    fn name(self) -> &'static str {
        match self {
            Set::Costs => "costs",
            Set::Scaling => "scaling",
        }
    }

    fn rows(self) -> Vec<Row> {
        match self {
            Set::Costs => contextlib_benches::rows(),
            Set::Scaling => contextlib_benches::scaling::rows(),
        }
    }
}

/// What runs under valgrind: two counts for each row.
pub(crate) fn run_counted(set: &str) {
    let runtimes = Runtimes::new();
    let set = Set::ALL.into_iter().find(|known| known.name() == set);
    let rows = set.map(Set::rows).unwrap_or_default();
    for row in countable(&rows) {
        let times = row.times(TIMES);
        runtimes.run(row, times);
        contextlib_benches_counted(&runtimes, row, times);
        contextlib_benches_counted(&runtimes, row, 2 * times);
    }
}

/// A counter belongs to a thread, so only rows that stay on theirs are counted.
fn countable(rows: &[Row]) -> impl Iterator<Item = &Row> {
    rows.iter().filter(|row| row.on == On::CurrentThread)
}

/// Instructions for one of each row's parts, by name; or why there are none.
pub(crate) fn count(set: Set) -> Result<HashMap<&'static str, f64>, String> {
    let folder = env::temp_dir().join(format!(
        "contextlib-benches-callgrind-{}",
        std::process::id()
    ));
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let counts = count_in(&folder, set);
    let _ = fs::remove_dir_all(&folder);
    counts
}

fn count_in(folder: &Path, set: Set) -> Result<HashMap<&'static str, f64>, String> {
    let rows = &set.rows();
    let out = folder.join("out");
    let own = env::current_exe().map_err(|error| format!("no path of this program: {error}"))?;
    let run = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={FUNCTION}"))
        .arg(format!("--dump-after={FUNCTION}"))
        .args(["--compress-strings=no", "--compress-pos=no"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(own)
        .args([COUNTED, set.name()])
        .stdout(Stdio::null())
        .output();
    match run {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(
                "valgrind is missing: Debian, Ubuntu and Fedora have it as valgrind".into(),
            );
        }
        Err(error) => return Err(format!("valgrind doesn't start: {error}")),
        Ok(run) if !run.status.success() => {
            let said = String::from_utf8_lossy(&run.stderr).into_owned();
            return Err(format!("valgrind ended with {}:\n{said}", run.status));
        }
        Ok(_) => {}
    }
    let dump = |number: usize| {
        let path = folder.join(format!("out.{number}"));
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        instructions(&text).ok_or_else(|| format!("{}: no costs in it", path.display()))
    };
    let mut counts = HashMap::new();
    for (at, row) in countable(rows).enumerate() {
        let (once, twice) = (dump(2 * at + 1)?, dump(2 * at + 2)?);
        let runs = f64::from(row.times(TIMES)) * f64::from(row.parts);
        // What is done once, such as starting the task, falls out.
        counts.insert(row.name, (twice - once) / runs);
    }
    Ok(counts)
}

/// The sum of what each function itself took, but for those of the C library. `None` if the dump isn't as its manual says.
fn instructions(dump: &str) -> Option<f64> {
    let mut sum = None;
    let mut in_c_library = false;
    let mut lines = dump.lines();
    while let Some(line) = lines.next() {
        if let Some(object) = line.strip_prefix("ob=") {
            in_c_library = object.contains("/libc.so") || object.contains("/libc-");
        } else if line.starts_with("calls=") {
            // The next line is what the callee took: it has lines of its own.
            lines.next()?;
        } else if line.starts_with(|first: char| first.is_ascii_digit()) && !in_c_library {
            let (_line, cost) = line.split_once(' ')?;
            *sum.get_or_insert(0.0) += cost.parse::<f64>().ok()?;
        }
    }
    sum
}
