//! Memory of the process and of the machine, where the system tells (Linux).

/// Starts a new measurement.
pub fn reset_peak() {
    // Writing 5 resets VmHWM (proc(5)); where that is not possible, the peak is that of the process.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The peak since then.
pub fn peak_bytes() -> Option<u64> {
    kibibytes("/proc/self/status", "VmHWM:")
}

/// Reads `6GiB`, `500MB` or a number of bytes.
pub fn parse_size(text: &str) -> Result<usize, String> {
    const UNITS: &[(&str, usize)] = &[
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("B", 1),
        ("", 1),
    ];
    let text = text.trim();
    let wrong = || format!("expected a size such as 6GiB, 500MB or a number of bytes, found \"{text}\"");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: usize = text[..digits].parse().map_err(|_| wrong())?;
    let unit = text[digits..].trim();
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|&(_, factor)| factor);
    factor.and_then(|factor| number.checked_mul(factor)).ok_or_else(wrong)
}

/// Memory that the process holds now.
pub fn resident_bytes() -> Option<usize> {
    kibibytes("/proc/self/status", "VmRSS:").map(|bytes| bytes as usize)
}

/// Memory that is free for this process: of the machine, or of the control group where that is less.
pub fn available_bytes() -> Option<usize> {
    let machine = kibibytes("/proc/meminfo", "MemAvailable:")? as usize;
    Some(control_group_room().map_or(machine, |room| room.min(machine)))
}

/// What a container's limit leaves (cgroup v2).
fn control_group_room() -> Option<usize> {
    let number = |file: &str| std::fs::read_to_string(file).ok()?.trim().parse::<usize>().ok();
    Some(number("/sys/fs/cgroup/memory.max")?.saturating_sub(number("/sys/fs/cgroup/memory.current")?))
}

/// A line like `VmRSS:   123 kB` of a file, in bytes.
fn kibibytes(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("6GiB"), Ok(6 << 30));
        assert_eq!(parse_size(" 500 MB "), Ok(500_000_000));
        assert_eq!(parse_size("4096"), Ok(4096));
        for wrong in ["", "GiB", "-1", "1.5GB", "3 apples", "99999999999999999999GB", "18446744073709551615GiB"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_tells_about_memory() {
        let resident = resident_bytes().unwrap();
        assert!(resident > 100_000 && peak_bytes().unwrap() as usize >= resident / 2);
        assert!(available_bytes().unwrap() > 1_000_000);
    }
}
