//! Times that are not in step with what recurs in a program.

use std::time::Duration;

/// A random time with this mean: from a fifth of it to nine fifths. `seed` is not zero, and
/// changes each time.
pub(crate) fn around(mean: Duration, seed: &mut u64) -> Duration {
    // Xorshift64 (G. Marsaglia, 2003).
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    mean.mul_f64(0.2 + 1.6 * (*seed >> 11) as f64 / (1_u64 << 53) as f64)
}
