//! Tables that read as well on a terminal as in the README: Markdown, with its columns aligned.

use std::fmt::{self, Write};

pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(header: &[&str]) -> Self {
        Table {
            rows: vec![header.iter().map(|&cell| cell.to_owned()).collect()],
        }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows[0].len();
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0).max(3)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        // A column of figures is read from its right end.
        let figures: Vec<bool> = (0..columns)
            .map(|column| {
                let mut cells = self.rows[1..].iter().map(|row| &row[column]);
                column > 0 && cells.all(|cell| is_figure(cell))
            })
            .collect();
        for (at, row) in self.rows.iter().enumerate() {
            let mut line = String::from("|");
            for ((cell, &width), &figure) in row.iter().zip(&widths).zip(&figures) {
                if figure {
                    write!(line, " {cell:>width$} |")?;
                } else {
                    write!(line, " {cell:<width$} |")?;
                }
            }
            writeln!(f, "{line}")?;
            if at == 0 {
                line = String::from("|");
                for (&width, &figure) in widths.iter().zip(&figures) {
                    let dashes = "-".repeat(if figure { width - 1 } else { width });
                    write!(line, " {dashes}{} |", if figure { ":" } else { "" })?;
                }
                writeln!(f, "{line}")?;
            }
        }
        Ok(())
    }
}

fn is_figure(cell: &str) -> bool {
    cell.is_empty()
        || cell == NONE
        || cell.starts_with(|first: char| first.is_ascii_digit() || "+-−".contains(first))
}

/// Where there is no figure to be had.
pub(crate) const NONE: &str = "–";

/// With as many digits as mean something.
pub(crate) fn figure(figure: f64) -> String {
    let digits = match figure.abs() {
        size if size >= 1000.0 => return grouped(figure),
        size if size >= 99.95 => 0,
        size if size >= 0.095 || size == 0.0 => 1,
        _ => 2,
    };
    format!("{figure:.digits$}")
}

pub(crate) fn figure_or_none(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), figure)
}

/// 1,234,567.
fn grouped(figure: f64) -> String {
    let digits = format!("{:.0}", figure.abs());
    let mut grouped = String::from(if figure < 0.0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// So many times as much.
pub(crate) fn ratio(of: Option<f64>, to: Option<f64>) -> String {
    match (of, to) {
        (Some(of), Some(to)) if to > 0.0 => match of / to {
            ratio if ratio >= 100.0 => format!("{ratio:.0}"),
            ratio if ratio >= 10.0 => format!("{ratio:.1}"),
            ratio => format!("{ratio:.2}"),
        },
        _ => NONE.to_owned(),
    }
}
