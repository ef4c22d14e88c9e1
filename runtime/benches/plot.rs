//! Plots as SVG: few lines or bars, on a logarithmic scale, legible on a light page as on a dark one.

use std::{fmt::Write, fs};

/// Lines over something that grows.
pub(crate) struct Plot {
    pub(crate) title: String,
    pub(crate) horizontal: String,
    pub(crate) vertical: String,
    pub(crate) lines: Vec<Line>,
}

pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Bars with a name each.
pub(crate) struct Bars {
    pub(crate) title: String,
    pub(crate) horizontal: String,
    pub(crate) bars: Vec<Bar>,
}

pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) kind: Kind,
}

/// Which colour it has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ByHand,
    Own,
    Peer,
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 50.0;

/// Colours that have enough contrast to white and to black, and are told apart by those who don't see red and green: and each line has another mark too.
const STYLE: &str = "\
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 }
.axis { stroke: #57606a } .grid { stroke: #d0d7de }
.line { fill: none; stroke-width: 2 }
.c0 { stroke: #57606a } .c1 { stroke: #0969da } .c2 { stroke: #bc4c00 } .c3 { stroke: #8250df }
.f0 { fill: #57606a } .f1 { fill: #0969da } .f2 { fill: #bc4c00 } .f3 { fill: #8250df }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .axis { stroke: #9198a1 } .grid { stroke: #3d444d }
.c0 { stroke: #9198a1 } .c1 { stroke: #58a6ff } .c2 { stroke: #f0883e } .c3 { stroke: #bc8cff }
.f0 { fill: #9198a1 } .f1 { fill: #58a6ff } .f2 { fill: #f0883e } .f3 { fill: #bc8cff }
}";

/// A logarithmic scale over whole powers of ten.
struct Scale {
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Scale {
    fn over(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let least = values
            .clone()
            .fold(f64::INFINITY, f64::min)
            .max(0.1)
            .log10()
            .floor();
        let most = values.fold(1.0, f64::max).log10().ceil().max(least + 1.0);
        Scale {
            least,
            most,
            from,
            to,
        }
    }

    fn at(&self, value: f64) -> f64 {
        let part =
            (value.max(1e-9).log10().max(self.least) - self.least) / (self.most - self.least);
        self.from + part * (self.to - self.from)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        (self.least as i32..=self.most as i32).map(|power| 10f64.powi(power))
    }
}

impl Plot {
    pub(crate) fn write(&self, name: &str) -> Result<(), String> {
        let (right, bottom) = (WIDTH - 190.0, 330.0);
        let xs = Scale::over(
            self.lines
                .iter()
                .flat_map(|line| &line.points)
                .map(|point| point.0),
            LEFT,
            right,
        );
        let ys = Scale::over(
            self.lines
                .iter()
                .flat_map(|line| &line.points)
                .map(|point| point.1),
            bottom,
            TOP,
        );
        let mut svg = head(&self.title, bottom + BOTTOM);
        for tick in ys.ticks() {
            let y = ys.at(tick);
            let _ = writeln!(
                svg,
                r#"<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1}" y2="{y:.1}"/><text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
                LEFT - 8.0,
                y + 4.0,
                label(tick)
            );
        }
        for tick in xs.ticks() {
            let x = xs.at(tick);
            let _ = writeln!(
                svg,
                r#"<line class="axis" x1="{x:.1}" x2="{x:.1}" y1="{bottom}" y2="{:.1}"/><text x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
                bottom + 5.0,
                bottom + 20.0,
                label(tick)
            );
        }
        let _ = writeln!(
            svg,
            r#"<path class="axis" fill="none" d="M{LEFT} {TOP}V{bottom}H{right}"/><text x="{:.1}" y="{:.1}" text-anchor="middle">{}</text><text transform="translate(16 {:.1}) rotate(-90)" text-anchor="middle">{}</text>"#,
            (LEFT + right) / 2.0,
            bottom + 42.0,
            escaped(&self.horizontal),
            (TOP + bottom) / 2.0,
            escaped(&self.vertical)
        );
        let mut names = Vec::new();
        for (at, line) in self.lines.iter().enumerate() {
            let points: Vec<(f64, f64)> = line
                .points
                .iter()
                .map(|point| (xs.at(point.0), ys.at(point.1)))
                .collect();
            let path: Vec<String> = points
                .iter()
                .map(|(x, y)| format!("{x:.1},{y:.1}"))
                .collect();
            let _ = writeln!(
                svg,
                r#"<polyline class="line c{at}" points="{}"/>"#,
                path.join(" ")
            );
            for &(x, y) in &points {
                let _ = writeln!(svg, "{}", mark(at, x, y));
            }
            names.push((
                points.last().map_or(bottom, |point| point.1),
                at,
                &line.name,
            ));
        }
        // Names stand at the lines' ends, as far from each other as they have to be to be read.
        names.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut free = TOP;
        for (y, at, name) in names {
            let y = y.max(free);
            free = y + 18.0;
            let _ = writeln!(svg, "{}", mark(at, right + 14.0, y));
            let _ = writeln!(
                svg,
                r#"<text x="{:.1}" y="{:.1}">{}</text>"#,
                right + 24.0,
                y + 4.0,
                escaped(name)
            );
        }
        write(name, svg)
    }
}

impl Bars {
    pub(crate) fn write(&self, name: &str) -> Result<(), String> {
        const EACH: f64 = 24.0;
        let (left, right) = (270.0, WIDTH - 70.0);
        let bottom = TOP + EACH * self.bars.len() as f64 + 6.0;
        let xs = Scale::over(self.bars.iter().map(|bar| bar.value), left, right);
        let mut svg = head(&self.title, bottom + BOTTOM);
        for tick in xs.ticks() {
            let x = xs.at(tick);
            let _ = writeln!(
                svg,
                r#"<line class="grid" x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{bottom:.1}"/><text x="{x:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
                bottom + 18.0,
                label(tick)
            );
        }
        for (at, bar) in self.bars.iter().enumerate() {
            let y = TOP + EACH * at as f64 + 4.0;
            let end = xs.at(bar.value).max(left + 1.0);
            let colour = match bar.kind {
                Kind::ByHand => 0,
                Kind::Own => 1,
                Kind::Peer => 2,
            };
            let _ = writeln!(
                svg,
                r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{}</text><rect class="f{colour}" x="{left}" y="{y:.1}" width="{:.1}" height="16"/><text x="{:.1}" y="{:.1}">{}</text>"#,
                left - 8.0,
                y + 12.5,
                escaped(&bar.name),
                end - left,
                end + 6.0,
                y + 12.5,
                crate::table::figure(bar.value)
            );
        }
        let _ = writeln!(
            svg,
            r#"<path class="axis" fill="none" d="M{left} {TOP}V{bottom:.1}H{right}"/><text x="{:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            (left + right) / 2.0,
            bottom + 40.0,
            escaped(&self.horizontal)
        );
        write(name, svg)
    }
}

fn head(title: &str, height: f64) -> String {
    let title = escaped(title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\">\n\
         <style>\n{STYLE}\n</style>\n<text class=\"title\" x=\"8\" y=\"22\">{title}</text>\n"
    )
}

fn mark(at: usize, x: f64, y: f64) -> String {
    match at {
        0 => format!(r#"<circle class="f0" cx="{x:.1}" cy="{y:.1}" r="4"/>"#),
        1 => format!(
            r#"<rect class="f1" x="{:.1}" y="{:.1}" width="8" height="8"/>"#,
            x - 4.0,
            y - 4.0
        ),
        2 => format!(r#"<path class="f2" d="M{x:.1} {:.1}l5 9h-10z"/>"#, y - 5.0),
        _ => format!(
            r#"<path class="f3" d="M{x:.1} {:.1}l5 5l-5 5l-5 -5z"/>"#,
            y - 5.0
        ),
    }
}

fn label(tick: f64) -> String {
    crate::table::figure(tick).trim_end_matches(".0").to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

fn write(name: &str, mut svg: String) -> Result<(), String> {
    svg.push_str("</svg>\n");
    let folder = crate::folder().join("plots");
    let path = folder.join(format!("{name}.svg"));
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&path, svg))
        .map_err(|error| format!("{}: {error}", path.display()))
}
