//! Percentiles for the report.

use serde_json::{Value, json};

/// The value at quantile `q` of sorted samples (nearest rank).
pub fn quantile<T: Copy>(sorted: &[T], q: f64) -> Option<T> {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// Sorts microsecond samples and reports them in milliseconds.
pub fn millis(samples: &mut [i64]) -> Value {
    samples.sort_unstable();
    let at = |q| quantile(samples, q).map(|us| us as f64 / 1e3);
    json!({
        "n": samples.len(), "min": at(0.0), "p50": at(0.5), "p95": at(0.95),
        "p99": at(0.99), "max": at(1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank() {
        let samples: Vec<i64> = (1..=100).collect();
        assert_eq!(quantile(&samples, 0.0), Some(1));
        assert_eq!(quantile(&samples, 0.5), Some(50));
        assert_eq!(quantile(&samples, 0.99), Some(99));
        assert_eq!(quantile(&samples, 1.0), Some(100));
        assert_eq!(quantile::<i64>(&[], 0.5), None);
    }
}
