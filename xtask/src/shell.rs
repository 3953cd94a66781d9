//! Running other programs and saying what goes on.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// An error is one line for the user: what is wrong, where, and what to do.
pub type Result<T = ()> = std::result::Result<T, String>;

/// Runs a program with our own standard streams, so that its progress shows.
pub fn run(command: &mut Command) -> Result {
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed ({status}); see its output above", line(command))) }
}

/// Standard output of a program that succeeds; nothing where it is missing or fails.
pub fn try_read(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Says that a program could not be started at all.
pub fn cannot_start(command: &Command, error: &std::io::Error) -> String {
    format!("cannot start `{}`: {error}", line(command))
}

/// The command as one would type it: without the folder of the program.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut words = vec![program.file_name().unwrap_or(program.as_os_str())];
    words.extend(command.get_args());
    words.join(OsStr::new(" ")).to_string_lossy().into_owned()
}

/// Runs a long step and says afterwards how long it took.
pub fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let value = work()?;
    eprintln!("      done in {}", elapsed(start.elapsed()));
    Ok(value)
}

/// A duration for people: `7 s`, `4 min 03 s`.
pub fn elapsed(duration: Duration) -> String {
    let secs = duration.as_secs_f64().round() as u64;
    let mut text = String::new();
    if secs >= 60 {
        let _ = write!(text, "{} min {:02} s", secs / 60, secs % 60);
    } else {
        let _ = write!(text, "{secs} s");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(elapsed(Duration::from_millis(400)), "0 s");
        assert_eq!(elapsed(Duration::from_millis(59_400)), "59 s");
        assert_eq!(elapsed(Duration::from_millis(59_600)), "1 min 00 s");
        assert_eq!(elapsed(Duration::from_secs(3_723)), "62 min 03 s");
    }

    #[test]
    fn a_failing_program_is_named_with_its_arguments() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert!(error.contains("sh -c exit 3") && error.contains('3'), "{error}");
        let error = run(&mut Command::new("no-such-program-anywhere")).unwrap_err();
        assert!(error.starts_with("cannot start `no-such-program-anywhere`"), "{error}");
        assert_eq!(try_read(Command::new("sh").args(["-c", "echo ' a '; exit 0"])).as_deref(), Some("a"));
        assert_eq!(try_read(Command::new("sh").args(["-c", "echo a; exit 1"])), None);
    }
}
