//! Random numbers, the same ones in every run.

use std::env;

/// Random numbers (splitmix64) that follow from a seed.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Those of this seed.
    pub fn new(seed: u64) -> Self {
        Dice(seed)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.any() % limit
    }

    /// Whether something that happens once in so many times happens now.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// Others, for somebody else: whatever he does with them, these go on as they would.
    pub fn fork(&mut self) -> Dice {
        Dice(self.any())
    }
}

/// The number in this variable of the environment, or this one.
///
/// # Panics
/// If there is something else in it.
pub fn number_from_env(variable: &str, otherwise: u64) -> u64 {
    env::var(variable).map_or(otherwise, |number| match number.parse() {
        Ok(number) => number,
        Err(_) => panic!("{variable}={number} is no number"),
    })
}
