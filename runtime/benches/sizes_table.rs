//! How large everything is.

use crate::{Options, costs, table::Table};
use contextlib_benches::sizes::{Size, columns};

pub(crate) fn run(_: &Options) -> Result<String, String> {
    let allocations = costs::allocations()?;
    let columns = columns();
    let mut header = vec!["bytes".to_owned()];
    header.extend(
        columns
            .iter()
            .map(|(words, _)| format!("resource of {}", words * size_of::<u64>())),
    );
    let mut table = Table::new(&header.iter().map(String::as_str).collect::<Vec<_>>());
    for row in 0..columns[0].1.len() {
        let mut cells = Vec::new();
        for (_, sizes) in &columns {
            let (name, bytes) = match sizes[row] {
                Size::Known(name, bytes) => (name, bytes as f64),
                Size::Allocated(name, row) => (
                    name,
                    allocations.get(row).map_or(f64::NAN, |counts| counts.1),
                ),
            };
            if cells.is_empty() {
                cells.push(name.to_owned());
            }
            cells.push(format!("{bytes:.0}"));
        }
        table.row(cells);
    }
    Ok(table.to_string())
}
