//! Numbers for tests, in an order that is none, and the same at every run.

/// Gives numbers below what it is asked for.
pub(super) fn dice() -> impl FnMut(u64) -> u64 {
    let mut state = 7_u64;
    move |below| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    }
}
