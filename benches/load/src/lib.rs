//! Shared parts of the measuring tools: the stream parser, timestamp extraction,
//! process sampling and summaries.

pub mod procstat;
pub mod stamp;
pub mod stream;
pub mod summary;

/// Wall clock in microseconds. Postgres stamps rows with the same clock
/// (`CLOCK_REALTIME`), so on one machine the difference is a real duration.
pub fn now_us() -> i64 {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `ts` is a valid, writable timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut ts) };
    ts.tv_sec * 1_000_000 + ts.tv_nsec / 1_000
}

/// Raises the soft limit on open files to the hard limit, and the hard limit to
/// `want` where the process may do that. Returns the soft limit now in force.
pub fn raise_nofile(want: u64) -> u64 {
    let mut lim = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `lim` is a valid rlimit for the whole block.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut lim);
        if lim.rlim_max < want {
            let higher = libc::rlimit { rlim_cur: want, rlim_max: want };
            if libc::setrlimit(libc::RLIMIT_NOFILE, &higher) == 0 {
                return want;
            }
        }
        let up_to_hard = libc::rlimit { rlim_cur: lim.rlim_max, rlim_max: lim.rlim_max };
        libc::setrlimit(libc::RLIMIT_NOFILE, &up_to_hard);
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut lim);
    }
    lim.rlim_cur
}
