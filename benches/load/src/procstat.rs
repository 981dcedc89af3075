//! What a process tree costs, read from /proc.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;

/// One reading of a process and all its descendants.
#[derive(Clone, Copy, Default, Debug)]
pub struct TreeSample {
    pub processes: u64,
    pub threads: u64,
    pub fds: u64,
    pub rss_kb: u64,
    /// Proportional set size: memory shared inside the tree is counted once.
    pub pss_kb: u64,
    /// Of that what is no file: heap and stacks, without the program's own pages that a run touches.
    pub pss_anon_kb: u64,
    /// User + system time, with that of children already waited for.
    pub cpu_s: f64,
}

impl TreeSample {
    pub fn json(&self) -> Value {
        json!({
            "processes": self.processes, "threads": self.threads, "fds": self.fds,
            "rss_kb": self.rss_kb, "pss_kb": self.pss_kb, "pss_anon_kb": self.pss_anon_kb,
            "cpu_s": (self.cpu_s * 100.0).round() / 100.0,
        })
    }
}

/// `root` and all processes below it.
pub fn tree(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        if let Some(parent) = stat_fields(pid).and_then(|f| f.get(1)?.parse().ok()) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children.remove(pid).unwrap_or_default());
        next += 1;
    }
    found
}

/// The fields of /proc/PID/stat from the third (state) on; the second, the
/// command, may itself hold spaces and brackets.
fn stat_fields(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after) = stat.rsplit_once(')')?;
    Some(after.split_whitespace().map(str::to_owned).collect())
}

pub fn sample(root: u32) -> TreeSample {
    // SAFETY: sysconf has no preconditions.
    let tick = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
    let mut total = TreeSample::default();
    for pid in tree(root) {
        let Some(stat) = stat_fields(pid) else {
            continue;
        };
        let field = |n: usize| stat.get(n).and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
        total.processes += 1;
        total.threads += field(17);
        total.cpu_s += (11..=14).map(field).sum::<u64>() as f64 / tick;
        total.fds += fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |d| d.count() as u64);
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        total.rss_kb += kb_after(&rollup, "Rss:");
        total.pss_kb += kb_after(&rollup, "Pss:");
        total.pss_anon_kb += kb_after(&rollup, "Pss_Anon:");
    }
    total
}

/// RSS of the tree without the cost of walking its page tables.
pub fn rss_kb(pids: &[u32]) -> u64 {
    // SAFETY: sysconf has no preconditions.
    let page_kb = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64 / 1024;
    let pages = |pid: &u32| -> Option<u64> {
        let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        statm.split_whitespace().nth(1)?.parse().ok()
    };
    pids.iter().filter_map(pages).sum::<u64>() * page_kb
}

fn kb_after(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|l| l.strip_prefix(key));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_this_process() {
        let me = sample(std::process::id());
        assert!(me.processes >= 1 && me.threads >= 1 && me.fds >= 3);
        assert!(me.rss_kb > 500 && me.pss_kb > 100 && me.pss_kb <= me.rss_kb);
        assert!(rss_kb(&[std::process::id()]) > 500);
        assert!(me.pss_anon_kb > 0 && me.pss_anon_kb < me.pss_kb);
    }
}
