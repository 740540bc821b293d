//! The logarithmic buckets durations are counted in.
//!
//! Values below 128 ns have a bucket each; above, each power of two is cut into 64
//! buckets, so a bucket is at most 1/64 of its low end wide and its midpoint is
//! within 1 % of every value in it.

/// Each power of two is cut into `1 << SUB_BITS` buckets.
pub const SUB_BITS: u32 = 6;

/// How many buckets there are. The last one is open: it takes every value from
/// 8 727 s (2 h 25 min) on.
pub const BUCKETS: usize = 2432;

const SUBS: u64 = 1 << SUB_BITS;
const LINEAR: u64 = SUBS * 2;

/// The bucket that counts `value_ns`.
#[inline]
pub const fn bucket_of(value_ns: u64) -> usize {
    if value_ns < LINEAR {
        return value_ns as usize;
    }
    let exponent = 63 - value_ns.leading_zeros();
    let octave = (exponent - SUB_BITS - 1) as u64;
    let sub = (value_ns >> (exponent - SUB_BITS)) & (SUBS - 1);
    let index = (LINEAR + octave * SUBS + sub) as usize;
    if index < BUCKETS { index } else { BUCKETS - 1 }
}

/// The least and the greatest value, in ns, that bucket `index` counts. The last
/// bucket, and any index past it, reaches to `u64::MAX`.
pub const fn bucket_bounds(index: usize) -> (u64, u64) {
    let index = if index < BUCKETS { index } else { BUCKETS - 1 };
    if index < LINEAR as usize {
        return (index as u64, index as u64);
    }
    let octave = (index as u64 - LINEAR) >> SUB_BITS;
    let sub = (index as u64 - LINEAR) & (SUBS - 1);
    let low = (SUBS + sub) << (octave + 1);
    let high = if index == BUCKETS - 1 {
        u64::MAX
    } else {
        low + (1 << (octave + 1)) - 1
    };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_tile_the_numbers() {
        let mut next = 0;
        for index in 0..BUCKETS {
            let (low, high) = bucket_bounds(index);
            assert_eq!(low, next);
            assert_eq!(bucket_of(low), index);
            assert_eq!(bucket_of(high), index);
            next = high.wrapping_add(1);
        }
        assert_eq!(next, 0);
    }

    #[test]
    fn a_midpoint_is_within_one_percent() {
        for index in 0..BUCKETS - 1 {
            let (low, high) = bucket_bounds(index);
            let half = (high - low) as f64 / 2.0;
            assert!(half <= 0.01 * low as f64, "bucket {index}");
        }
    }
}
