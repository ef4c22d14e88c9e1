//! Prints what every row allocates: its name, allocations and bytes for one run, and how many threads it was counted on.

#![forbid(unsafe_code)]

use contextlib_benches::{
    harness::{On, Row, Runtimes},
    scaling, sizes,
};

const TIMES: u32 = 64;

fn main() {
    let runtimes = Runtimes::new();
    let rows = [contextlib_benches::rows(), scaling::rows(), sizes::rows()];
    for row in rows.concat() {
        let times = row.times(TIMES);
        counted(&runtimes, &row, times);
        let (once, twice) = (
            counted(&runtimes, &row, times),
            counted(&runtimes, &row, 2 * times),
        );
        // What is allocated once, such as the task, falls out.
        let runs = f64::from(times) * f64::from(row.parts);
        let for_one = |once: u64, twice: u64| (twice as f64 - once as f64) / runs;
        println!(
            "{}\t{}\t{}",
            row.name,
            for_one(once.0, twice.0),
            for_one(once.1, twice.1)
        );
    }
}

/// On this thread, which is the only one that a current-thread runtime has. Of a multi-thread runtime it is what the row itself allocates.
fn counted(runtimes: &Runtimes, row: &Row, times: u32) -> (u64, u64) {
    let info = allocation_counter::measure(|| match row.on {
        On::CurrentThread => runtimes.run(row, times),
        On::MultiThread => runtimes.on(row.on).block_on((row.run)(times)),
    });
    (info.count_total, info.bytes_total)
}
