//! Percentiles of the last minutes, in little memory: for the eyes. Prometheus gets histograms and computes its own.

use std::time::{Duration, Instant};

/// Each bucket ends a fifth above the one before it, so a percentile is at most a tenth off.
const FACTOR: f64 = 1.2;
const FIRST_SECONDS: f64 = 0.000_05;
/// Up to 105 s; what is beyond counts as that.
const BUCKETS: usize = 80;
/// Of two halves the older is thrown away: what is shown is of the last five to ten minutes.
const HALF: Duration = Duration::from_secs(300);

#[derive(Debug, Clone)]
pub struct Window {
    halves: [[u32; BUCKETS]; 2],
    began: Instant,
}

impl Default for Window {
    fn default() -> Self {
        Self { halves: [[0; BUCKETS]; 2], began: Instant::now() }
    }
}

impl Window {
    pub fn observe(&mut self, seconds: f64) {
        self.turn();
        let bucket = (seconds.max(FIRST_SECONDS) / FIRST_SECONDS).log(FACTOR).ceil();
        self.halves[0][(bucket as usize).min(BUCKETS - 1)] += 1;
    }

    /// Forgets what is too old.
    pub fn turn(&mut self) {
        match self.began.elapsed() {
            age if age < HALF => return,
            age if age < 2 * HALF => self.halves[1] = self.halves[0],
            _ => self.halves[1] = [0; BUCKETS],
        }
        self.halves[0] = [0; BUCKETS];
        self.began = Instant::now();
    }

    /// All that the other one holds, too.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.halves.as_flattened_mut().iter_mut().zip(other.halves.as_flattened()) {
            *mine += theirs;
        }
    }

    pub fn count(&self) -> u64 {
        self.halves.as_flattened().iter().map(|count| u64::from(*count)).sum()
    }

    /// So many seconds or less took `share` of them (0.99); none if there were none.
    pub fn percentile(&self, share: f64) -> Option<f64> {
        let wanted = (share * self.count() as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let bucket = (0..BUCKETS).find(|bucket| {
            seen += u64::from(self.halves[0][*bucket]) + u64::from(self.halves[1][*bucket]);
            seen >= wanted
        })?;
        // the middle of the bucket
        Some(FIRST_SECONDS * FACTOR.powf(bucket as f64 - 0.5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_percentile_is_a_tenth_off_at_most(mut all in prop::collection::vec(0.001_f64..90.0, 1..200), share in 0.01_f64..1.0) {
            let mut window = Window::default();
            all.iter().for_each(|seconds| window.observe(*seconds));
            all.sort_by(f64::total_cmp);
            let exact = all[((share * all.len() as f64).ceil() as usize).max(1) - 1];
            let told = window.percentile(share).unwrap();
            prop_assert!((told / exact - 1.0).abs() < 0.101, "{told} is not {exact}");
        }
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(Window::default().percentile(0.5), None);
    }
}
