//! Fewer of very many cases for Miri.

/// Says of each of very many cases whether it is left out: by Miri, which takes a thousand times as long, all but one of 101.
//
// A prime, so that the cases that stay are not all alike in one of what they are multiplied of.
#[derive(Debug, Default)]
pub struct Skips(u32);

impl Skips {
    /// Of the cases of one test.
    pub fn new() -> Self {
        Skips::default()
    }

    /// Whether the next case is left out.
    pub fn this_one(&mut self) -> bool {
        self.0 += 1;
        cfg!(miri) && self.0 % 101 != 1
    }
}
