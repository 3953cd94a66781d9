//! `steerage compare-logs`: is a run that was made again the same run?

use super::logs::Logs;
use super::{CliError, print_line};
use clap::Args;
use shared::divergence::{Comparison, compare, last_attempt};
use shared::event::{ErrorBody, Event};
use shared::leave_out::leave_out;
use shared::session_file::Session;
use std::path::PathBuf;

/// Compares two logs event by event, without their times, and names the first difference.
#[derive(Args)]
pub struct CompareLogsArgs {
    /// The original: a run's id, a session file, a recording, or what `steerage run --json` printed.
    #[arg(value_name = "A")]
    first: String,
    /// The run that was made again.
    #[arg(value_name = "B")]
    second: String,
    /// Where runs are kept [default: steerage in the user's data folder].
    #[arg(long, value_name = "DIR", env = "STEERAGE_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

pub fn compare_logs(args: CompareLogsArgs) -> Result<(), CliError> {
    let mut logs = Logs::new(args.data_dir)?;
    let (first, second) = (logs.load(&args.first)?, logs.load(&args.second)?);
    let Comparison { events, difference } = compare(&as_left_by(&first, &second), &as_left_by(&second, &first));
    let Some(it) = difference else {
        print_line(&format!("the same: {events} events"));
        return Ok(());
    };
    print_line(&format!("{} events are the same; then they differ at: {}", it.same_events, it.event));
    let side = |value: Option<String>| value.unwrap_or_else(|| "nothing".to_owned());
    let field = if it.field.is_empty() { "event".to_owned() } else { it.field };
    print_line(&format!("  {field}"));
    print_line(&format!("  A: {}", side(it.first)));
    print_line(&format!("  B: {}", side(it.second)));
    let hint = "CPUs with other vector instructions round differently, and a budget of seconds ends elsewhere";
    Err(CliError::Failed(ErrorBody::new("logs_differ", "the logs are not of the same run").with_hint(hint)))
}

/// A log without what the other one leaves out.
fn as_left_by(session: &Session, other: &Session) -> Vec<Event> {
    last_attempt(&leave_out(&session.recording.events, &other.recording.about.left_out))
}
