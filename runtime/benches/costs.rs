//! Nanoseconds, instructions, allocations: of this library, of its peers, and of the same by hand.

use crate::{
    Options,
    baseline::Counts,
    instructions::{self, Set},
    plot::{Bar, Bars, Kind},
    python::{self, Cost},
    table::{NONE, Table, figure, figure_or_none, ratio},
};
use contextlib_benches::{
    contexts,
    harness::{Effort, Row, Runtimes, nanoseconds},
};
use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
    process::Command,
};

/// What there is to be known of a row.
#[derive(Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) nanoseconds: f64,
    pub(crate) instructions: Option<f64>,
    pub(crate) allocations: Option<f64>,
    pub(crate) bytes: Option<f64>,
}

pub(crate) type Measured = HashMap<&'static str, Figures>;

/// The baseline's part of it, of the rows that it has.
pub(crate) fn counted() -> Result<BTreeMap<String, Counts>, String> {
    let rows = contextlib_benches::contexts::rows();
    let instructions = instructions::count(Set::Costs)?;
    let allocations = allocations()?;
    let counted = rows.iter().map(|row| {
        let (allocations, bytes) = allocations.get(row.name).copied().unwrap_or_default();
        let counts = Counts {
            instructions: instructions[row.name],
            allocations,
            bytes,
        };
        (row.name.to_owned(), counts)
    });
    Ok(counted.collect())
}

/// Allocations and bytes for one of each row's parts, by the program whose allocator counts.
pub(crate) fn allocations() -> Result<HashMap<String, (f64, f64)>, String> {
    let run = Command::new(env!("CARGO_BIN_EXE_allocations")).output();
    let run = run.map_err(|error| format!("the program that counts allocations: {error}"))?;
    if !run.status.success() {
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        return Err(format!("the program that counts allocations: {said}"));
    }
    let text = String::from_utf8_lossy(&run.stdout);
    let line = |line: &str| {
        let mut cells = line.split('\t');
        let name = cells.next()?.to_owned();
        let mut figure = || cells.next()?.parse().ok();
        Some((name, (figure()?, figure()?)))
    };
    Ok(text.lines().filter_map(line).collect())
}

pub(crate) fn run(options: &Options) -> Result<String, String> {
    let rows = contextlib_benches::rows();
    let own = contexts::rows();
    let effort = if options.quick {
        Effort::QUICK
    } else {
        Effort::FULL
    };
    let measured = measured(Set::Costs, &rows, effort)?;
    let mut text = format!("### This library\n\n{}\n", table(&own, &measured));
    if rows.len() > own.len() {
        // The same work, everywhere.
        let mut ways = contexts::by_hand();
        ways.extend(contexts::styles());
        ways.extend(rows[own.len()..].iter().copied());
        let (suspending, ready): (Vec<Row>, Vec<Row>) = ways
            .into_iter()
            .partition(|row| row.name.ends_with("suspending"));
        let _ = writeln!(
            text,
            "### Beside its peers: ready\n\n{}",
            table(&ready, &measured)
        );
        let _ = writeln!(
            text,
            "### Beside its peers: suspending\n\n{}",
            table(&suspending, &measured)
        );
    }
    if options.write && rows.len() > own.len() {
        for (ready, title) in [(true, "ready"), (false, "suspending")] {
            bars(&rows, &measured, ready).write(&format!("peers-{title}"))?;
            let _ = writeln!(
                text,
                "![Beside its peers: {title}](plots/peers-{title}.svg)\n"
            );
        }
    }
    let python = python::costs(options.quick).unwrap_or_else(|error| {
        let _ = writeln!(text, "Without Python: {error}.\n");
        Vec::new()
    });
    if !python.is_empty() {
        let _ = writeln!(
            text,
            "### Beside CPython\n\n{}",
            beside_python(&python, &measured)
        );
    }
    let _ = writeln!(text, "### Targets\n\n{}", targets(&measured));
    Ok(text)
}

/// The ways to do the same work, as a plot.
fn bars(rows: &[Row], measured: &Measured, ready: bool) -> Bars {
    let own = contexts::styles();
    let by_hand = contexts::by_hand();
    let peers = &rows[contexts::rows().len()..];
    let kinds = [
        (&by_hand[..], Kind::ByHand),
        (&own[..], Kind::Own),
        (peers, Kind::Peer),
    ];
    let mut bars: Vec<Bar> = kinds
        .into_iter()
        .flat_map(|(rows, kind)| rows.iter().map(move |row| (row, kind)))
        .filter(|(row, _)| row.name.ends_with(", suspending") != ready)
        .map(|(row, kind)| Bar {
            name: row.name.trim_end_matches(", suspending").replace('`', ""),
            value: measured[row.name].nanoseconds,
            kind,
        })
        .collect();
    bars.sort_by(|one, other| one.value.total_cmp(&other.value));
    let title = if ready {
        "Setup, body and awaited teardown, none of which suspends"
    } else {
        "Setup, body and awaited teardown, each of which suspends once"
    };
    Bars {
        title: title.to_owned(),
        horizontal: "ns (logarithmic); grey: by hand, blue: contextlib, orange: others".to_owned(),
        bars,
    }
}

fn beside_python(python: &[Cost], measured: &Measured) -> Table {
    let mut table = Table::new(&["CPython", "ns", "here", "ns", "times as fast", "target: 20"]);
    for cost in python {
        let own = measured
            .get(cost.beside.as_str())
            .map(|own| own.nanoseconds);
        let verdict = match own {
            _ if cost.beside.starts_with("by hand") => "",
            Some(own) if cost.nanoseconds / own >= 20.0 => "reached",
            Some(_) => "MISSED",
            None => "",
        };
        table.row([
            cost.name.clone(),
            figure(cost.nanoseconds),
            cost.beside.clone(),
            figure_or_none(own),
            ratio(Some(cost.nanoseconds), own),
            verdict.to_owned(),
        ]);
    }
    table
}

pub(crate) fn measured(set: Set, rows: &[Row], effort: Effort) -> Result<Measured, String> {
    let allocations = allocations()?;
    let instructions = instructions::count(set).unwrap_or_else(|error| {
        println!("Without instruction counts. {error}\n");
        HashMap::new()
    });
    let nanoseconds = nanoseconds(&Runtimes::new(), rows, effort);
    let figures = rows.iter().zip(nanoseconds).map(|(row, nanoseconds)| {
        let allocations = allocations.get(row.name);
        let figures = Figures {
            nanoseconds,
            instructions: instructions.get(row.name).copied(),
            allocations: allocations.map(|counts| counts.0),
            bytes: allocations.map(|counts| counts.1),
        };
        (row.name, figures)
    });
    Ok(figures.collect())
}

fn table(rows: &[Row], measured: &Measured) -> Table {
    let mut table = Table::new(&[
        "",
        "ns",
        "over",
        "ratio",
        "instructions",
        "over",
        "ratio",
        "allocations",
        "bytes",
    ]);
    for row in rows {
        let (own, beside) = (measured[row.name], measured[row.beside]);
        let over = |own: Option<f64>, beside: Option<f64>| match (own, beside) {
            _ if row.name == row.beside => String::new(),
            (Some(own), Some(beside)) => figure(own - beside),
            _ => NONE.to_owned(),
        };
        table.row([
            row.name.to_owned(),
            figure(own.nanoseconds),
            over(Some(own.nanoseconds), Some(beside.nanoseconds)),
            ratio(Some(own.nanoseconds), Some(beside.nanoseconds)),
            figure_or_none(own.instructions),
            over(own.instructions, beside.instructions),
            ratio(own.instructions, beside.instructions),
            figure_or_none(own.allocations),
            figure_or_none(own.bytes),
        ]);
    }
    table
}

/// What the library has set itself, and what it has come to.
fn targets(measured: &Measured) -> Table {
    let mut table = Table::new(&["target", "at most", "measured", ""]);
    let mut line = |what: &str, most: f64, measured: Option<f64>| {
        let verdict = match measured {
            Some(measured) if measured <= most => "reached",
            Some(_) => "MISSED",
            None => "not measured",
        };
        table.row([
            what.to_owned(),
            figure(most),
            figure_or_none(measured),
            verdict.to_owned(),
        ]);
    };
    let of = |row: &str| measured.get(row).copied();
    let over = |row: &str, beside: &str, what: fn(Figures) -> Option<f64>| {
        Some(what(of(row)?)? - what(of(beside)?)?)
    };
    let nanoseconds = |figures: Figures| Some(figures.nanoseconds);
    let (with, inline) = ("`with`, `drop`", "by hand, inline");
    let (guard, boxed) = (
        "`enter` and `exit_with`, `spawn`",
        "by hand, a boxed future",
    );
    line(
        "`with`, `drop`: allocations",
        0.0,
        of(with).and_then(|with| with.allocations),
    );
    line(
        "`with`, `drop`: ns over by hand, inline",
        15.0,
        over(with, inline, nanoseconds),
    );
    line(
        "`with`, `drop`: instructions over by hand, inline",
        120.0,
        over(with, inline, |row| row.instructions),
    );
    line(
        "`enter` and `exit_with`, `spawn`: allocations",
        1.0,
        of(guard).and_then(|guard| guard.allocations),
    );
    line(
        "`enter` and `exit_with`, `spawn`: ns over by hand, boxed",
        25.0,
        over(guard, boxed, nanoseconds),
    );
    for (own, peer) in [
        (guard, "guarden 0.4.4"),
        (with, "cobalt-async 0.4.0 `try_finally`"),
        (with, "async-safe-defer 0.2.0"),
        (with, "async-stream 0.3.6 as a generator"),
        (with, "genawaiter 0.99.1"),
        (with, "stillwater 1.0.0 `bracket`"),
        (with, "test-context 0.5.8"),
    ] {
        if of(peer).is_some() {
            line(
                &format!("{own}: ns over {peer}"),
                0.0,
                over(own, peer, nanoseconds),
            );
        }
    }
    let poll = "a poll of the body, by hand";
    line(
        "a poll of the body through `with`, `drop`: ns over none",
        5.0,
        over(
            "a poll of the body, through `with`, `drop`",
            poll,
            nanoseconds,
        ),
    );
    line(
        "a poll of the body through `with`, `spawn`: ns over none",
        5.0,
        over(
            "a poll of the body, through `with`, `spawn`",
            poll,
            nanoseconds,
        ),
    );
    line(
        "an entry of an `ExitStack`: ns over the context itself",
        60.0,
        over(
            "an entry of an `ExitStack`",
            "an entry of a list of guards",
            nanoseconds,
        ),
    );
    table
}
