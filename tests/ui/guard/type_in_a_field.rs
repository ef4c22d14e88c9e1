//! A guard in a struct, by the type of its resource.
use contextlib::Guard;

struct App {
    connection: Guard<String>,
}

fn main() {}
