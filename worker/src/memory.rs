//! Most memory that the process held, where the system tells (Linux).

/// Starts a new measurement.
pub fn reset_peak() {
    // Writing 5 resets VmHWM (proc(5)); where that is not possible, the peak is that of the process.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The peak since then.
pub fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
