//! CPython's own, measured by `peers.py`, which says one line for each row.

use std::{io, process::Command};

/// A row of costs: its name, what it is compared with, nanoseconds.
pub(crate) struct Cost {
    pub(crate) name: String,
    pub(crate) beside: String,
    pub(crate) nanoseconds: f64,
}

pub(crate) fn costs(quick: bool) -> Result<Vec<Cost>, String> {
    let lines = lines(if quick { "quick" } else { "costs" })?;
    let cost = |cells: Vec<String>| match <[String; 3]>::try_from(cells) {
        Ok([name, beside, nanoseconds]) => match nanoseconds.parse() {
            Ok(nanoseconds) => Ok(Cost {
                name,
                beside,
                nanoseconds,
            }),
            Err(error) => Err(format!("{name}: {nanoseconds}: {error}")),
        },
        Err(cells) => Err(format!("no cost: {cells:?}")),
    };
    lines.into_iter().map(cost).collect()
}

/// Rows of the table of behaviour.
pub(crate) fn behaviour() -> Result<Vec<Vec<String>>, String> {
    lines("behaviour")
}

fn lines(what: &str) -> Result<Vec<Vec<String>>, String> {
    let script = crate::folder().join("peers.py");
    let output = match Command::new("python3").arg(script).arg(what).output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err("there is no python3".to_owned());
        }
        Err(error) => return Err(format!("python3 doesn't start: {error}")),
        Ok(output) => output,
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("python3 ended with {}: {said}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let cells = |line: &str| line.split('\t').map(str::to_owned).collect();
    Ok(text.lines().map(cells).collect())
}
