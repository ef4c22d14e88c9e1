//! What grows, and whether it grows as it should.

use crate::{
    Options,
    costs::{self, Figures, Measured},
    instructions::Set,
    plot::{Line, Plot},
    table::{Table, figure, figure_or_none},
};
use contextlib_benches::{
    harness::Effort,
    scaling::{Point, Series, WAKE_UPS, points, rows},
};
use std::{fmt::Write, time::Duration};

/// Series that belong into one table and one plot.
struct Group {
    title: &'static str,
    file: &'static str,
    size: &'static str,
    each: &'static str,
    series: &'static [(Series, &'static str)],
}

const GROUPS: [Group; 5] = [
    Group {
        title: "Contexts nested in each other: entering and exiting, a level",
        file: "nesting",
        size: "levels",
        each: "level",
        series: &[
            (Series::NestingByHand, "by hand"),
            (Series::Nesting, "`with`, `drop`"),
        ],
    },
    Group {
        title: "A wake-up of the innermost body, a level",
        file: "waking",
        size: "levels",
        each: "level and wake-up",
        series: &[
            (Series::WakingByHand, "by hand"),
            (Series::Waking, "`with`, `drop`"),
        ],
    },
    Group {
        title: "Exit stacks: entering and exiting, an entry",
        file: "stack",
        size: "entries",
        each: "entry",
        series: &[
            (Series::Guard, "list of guards"),
            (Series::StackEntry, "`ExitStack`"),
            (Series::Callback, "callbacks"),
            (Series::StackDropped, "dropped, rolled back"),
        ],
    },
    Group {
        title: "Tasks at the same time, each in a context",
        file: "concurrent",
        size: "tasks",
        each: "task",
        series: &[
            (Series::ConcurrentByHand, "by hand"),
            (Series::Concurrent, "`with`, `spawn`"),
        ],
    },
    Group {
        title: "Tasks in a context, all aborted at once and rolled back",
        file: "cancelled",
        size: "tasks",
        each: "task",
        series: &[
            (Series::CancelledByHand, "by hand: `Drop` that spawns"),
            (Series::Cancelled, "`with`, `spawn`"),
        ],
    },
];

pub(crate) fn run(options: &Options) -> Result<String, String> {
    let effort = if options.quick {
        Effort {
            turns: 3,
            turn: Duration::from_micros(500),
        }
    } else {
        Effort {
            turns: 21,
            ..Effort::FULL
        }
    };
    let measured = costs::measured(Set::Scaling, &rows(), effort)?;
    let scaled = Scaled {
        points: points(),
        measured,
    };
    let mut text = String::new();
    for group in &GROUPS {
        let _ = writeln!(text, "### {}\n\n{}", group.title, scaled.table(group));
        if options.write {
            scaled
                .plot(group)
                .write(&format!("scaling-{}", group.file))?;
            let _ = writeln!(
                text,
                "![{}](plots/scaling-{}.svg)\n",
                group.title, group.file
            );
        }
    }
    let _ = writeln!(text, "### Targets\n\n{}", scaled.targets());
    Ok(text)
}

struct Scaled {
    points: Vec<Point>,
    measured: Measured,
}

impl Scaled {
    fn sizes(&self, series: Series) -> Vec<u32> {
        let points = self.points.iter().filter(|point| point.series == series);
        points.map(|point| point.size).collect()
    }

    fn figures(&self, series: Series, size: u32) -> Option<Figures> {
        let mut points = self.points.iter();
        let point = points.find(|point| point.series == series && point.size == size)?;
        let figures = self.measured.get(point.row.name).copied()?;
        // Of these it is what the wake-ups add to entering and exiting.
        let without = match series {
            Series::Waking => Series::Nesting,
            Series::WakingByHand => Series::NestingByHand,
            _ => return Some(figures),
        };
        let without = self.figures(without, size)?;
        let wakes = f64::from(WAKE_UPS);
        Some(Figures {
            nanoseconds: (figures.nanoseconds - without.nanoseconds) / wakes,
            instructions: figures
                .instructions
                .zip(without.instructions)
                .map(|(with, without)| (with - without) / wakes),
            ..figures
        })
    }

    fn table(&self, group: &Group) -> Table {
        let mut header = vec![group.size.to_owned()];
        for what in ["ns", "instructions"] {
            header.extend(
                group
                    .series
                    .iter()
                    .map(|(_, name)| format!("{name}: {what}")),
            );
        }
        let mut table = Table::new(&header.iter().map(String::as_str).collect::<Vec<_>>());
        for size in self.sizes(group.series[0].0) {
            let figures: Vec<_> = group
                .series
                .iter()
                .map(|(series, _)| self.figures(*series, size))
                .collect();
            let mut cells = vec![figure(f64::from(size)).trim_end_matches(".0").to_owned()];
            cells.extend(
                figures
                    .iter()
                    .map(|figures| figure_or_none(figures.map(|figures| figures.nanoseconds))),
            );
            cells.extend(
                figures.iter().map(|figures| {
                    figure_or_none(figures.and_then(|figures| figures.instructions))
                }),
            );
            table.row(cells);
        }
        table
    }

    fn plot(&self, group: &Group) -> Plot {
        let line = |&(series, name): &(Series, &str)| {
            let points = self.sizes(series).into_iter().filter_map(|size| {
                Some((f64::from(size), self.figures(series, size)?.nanoseconds))
            });
            Line {
                name: name.replace('`', ""),
                points: points.collect(),
            }
        };
        Plot {
            title: group.title.to_owned(),
            horizontal: group.size.to_owned(),
            vertical: format!("ns for each {}", group.each),
            lines: group.series.iter().map(line).collect(),
        }
    }

    fn targets(&self) -> Table {
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
        let ns = |series, size| Some(self.figures(series, size)?.nanoseconds);
        let times = |series, most, least| Some(ns(series, most)? / ns(series, least)?);
        line(
            "1,000 nested levels: each beside a single one, times",
            1.5,
            times(Series::Nesting, 1_000, 1),
        );
        line(
            "100,000 entries of an exit stack: each beside one of ten, times",
            1.5,
            times(Series::StackEntry, 100_000, 10),
        );
        let over = |size| Some(ns(Series::StackEntry, size)? - ns(Series::Guard, size)?);
        line(
            "100,000 entries: each over a guard, ns",
            60.0,
            over(100_000),
        );
        line(
            "100,000 tasks: each beside one of ten, times",
            1.5,
            times(Series::Concurrent, 100_000, 10),
        );
        table
    }
}
