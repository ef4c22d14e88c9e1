//! `closing` of something that doesn't say how it is closed.
fn main() {
    let _ = contextlib::closing(String::new());
}
