//! What each way of cleaning up does when the body ends in each way.

use crate::{Options, python, table::Table};
use contextlib_benches::probe::candidates;
use tokio::runtime::Builder;

pub(crate) fn run(_: &Options) -> Result<String, String> {
    let mut table = Table::new(&[
        "the cleanup",
        "after success",
        "after an error",
        "after a panic",
        "if the body is dropped",
        "if the cleanup is dropped",
    ]);
    // Several threads, since some ways block theirs, and refuse to where it is the only one.
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    for candidate in candidates() {
        let name = candidate.name;
        let tried = runtime
            .block_on(async { tokio::spawn(async move { candidate.behaviour().await }).await });
        match tried {
            Ok(behaviour) => {
                let seen = behaviour.seen.map(|seen| seen.to_string());
                table.row([name.to_owned()].into_iter().chain(seen));
            }
            Err(error) => table.row([name.to_owned()].into_iter().chain([
                format!("panics: {error}"),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
            ])),
        }
    }
    match python::behaviour() {
        Ok(rows) => rows.into_iter().for_each(|row| table.row(row)),
        Err(error) => println!("Without Python. {error}\n"),
    }
    Ok(table.to_string())
}
