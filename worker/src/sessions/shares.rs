//! Links to runs: the snapshot that leaves, and the commands that make and revoke them.

use super::redact::file_names_only;
use super::{refused, unknown_run};
use crate::store::{NewShare, StoreError, StoredLog, Transaction};
use shared::event::{ErrorBody, Event, Stamped};
use shared::leave_out::leave_out;
use shared::recording::{self, About, Part, Recording};
use shared::session_file;
use shared::share::{LIFETIME_SECS, MAX_OPEN_SHARES, is_hex_256, is_view};
use shared::spec::ParamValue;
use shared::wire::Outcome;

/// A link that somebody wants.
pub(super) struct Wanted {
    pub(super) share: String,
    pub(super) lifetime_secs: u64,
    pub(super) left_out: Vec<Part>,
    pub(super) view: Option<String>,
}

/// Makes a link to a run that is over.
pub(super) fn create(
    log: &mut Transaction<'_>,
    run: &str,
    wanted: Wanted,
    snapshot: Option<Vec<u8>>,
) -> Result<Outcome, StoreError> {
    let (Some(phase), Some(snapshot)) = (log.phase(run)?, snapshot) else { return Ok(refused(unknown_run())) };
    if !phase.is_over() {
        let message = format!("The run is {}; only one that is over can be shared.", phase.name());
        return Ok(refused(ErrorBody::new("run_is_not_over", message).with_field("run")));
    }
    if let Some(error) = wrong_with(&wanted) {
        return Ok(refused(error));
    }
    if log.run_of_share(&wanted.share)?.is_some() {
        let error = ErrorBody::new("bad_share", "Another link has this hash.").with_field("share");
        return Ok(refused(error.with_hint("Draw a new secret for each link.")));
    }
    if log.open_shares(run)?.len() >= MAX_OPEN_SHARES {
        let message = format!("{MAX_OPEN_SHARES} links to this run are open already.");
        return Ok(refused(ErrorBody::new("too_many_shares", message).with_hint("Revoke some.")));
    }
    let Wanted { share, lifetime_secs, left_out, .. } = wanted;
    log.add_share(run, NewShare { share, lifetime_secs, left_out, snapshot })?;
    Ok(Outcome::Done { run: run.to_owned() })
}

/// Ends a link. One that is revoked already stays so.
pub(super) fn revoke(log: &mut Transaction<'_>, share: &str) -> Result<Outcome, StoreError> {
    match log.run_of_share(share)? {
        Some(run) => {
            log.revoke_share(share)?;
            Ok(Outcome::Done { run })
        }
        None => Ok(refused(ErrorBody::new("unknown_share", "No link has this hash.").with_field("share"))),
    }
}

fn wrong_with(wanted: &Wanted) -> Option<ErrorBody> {
    let bad = |field: &str, message: String| Some(ErrorBody::new("bad_share", message).with_field(field));
    if !is_hex_256(&wanted.share) {
        return bad("share", "A link's hash is 64 hex digits in lower case.".to_owned());
    }
    if !LIFETIME_SECS.contains(&wanted.lifetime_secs) {
        let (min, max) = (LIFETIME_SECS.start(), LIFETIME_SECS.end());
        return bad("lifetime_secs", format!("A link lives {min} to {max} seconds, not {}.", wanted.lifetime_secs));
    }
    if wanted.view.as_deref().is_some_and(|view| !is_view(view)) {
        return bad("view", "The view is not the query of an address, or too long.".to_owned());
    }
    None
}

/// The session file that leaves: the last attempt of a run, without what is left out, without anything of the
/// machine that it ran on, and under another id.
pub(super) fn snapshot(log: &StoredLog, left_out: &[Part], view: Option<&str>) -> Result<Vec<u8>, StoreError> {
    let damaged = |error: &dyn std::fmt::Display| StoreError::Damaged(format!("log of {}: {error}", log.run));
    let version = env!("CARGO_PKG_VERSION");
    let read = recording::read(&log.recording(version)?).map_err(|error| damaged(&error))?;
    let epoch = read.events.last().map_or(0, |stamped| stamped.epoch);
    let attempt: Vec<Stamped> = read.events.into_iter().filter(|stamped| stamped.epoch == epoch).collect();
    let mut events = leave_out(&attempt, left_out);
    let (alias, hosts) = (alias(&log.run), host_names());
    for stamped in &mut events {
        stamped.run.clone_from(&alias);
        redact(&mut stamped.event, &hosts);
    }
    let mut left_out = [&read.about.left_out[..], left_out].concat();
    left_out.sort();
    left_out.dedup();
    // What people call a run and file it under is theirs.
    let about = About { left_out, view: view.map(str::to_owned), ..About::new(version) };
    let content = recording::write(&Recording { about, events });
    session_file::encode(&content, version).map_err(|error| damaged(&error))
}

/// The id of a run in its snapshots: always the same, and it says nothing of the worker's own.
fn alias(run: &str) -> String {
    let hash = session_file::sha256_hex(format!("a shared run of Steerage: {run}").as_bytes());
    // A UUID of version 8, whose bits are its maker's.
    format!("{}-{}-8{}-8{}-{}", &hash[..8], &hash[8..12], &hash[13..16], &hash[17..20], &hash[20..32])
}

/// Takes what tells of this machine out of an event: folders, and its name. Prompts, completions and prefixes
/// stay as they are: they are what is shared.
fn redact(event: &mut Event, hosts: &[String]) {
    let clean = |text: &mut String| *text = without_hosts(&file_names_only(text), hosts);
    match event {
        Event::Queued { spec } => {
            clean(&mut spec.model);
            for value in spec.stages.iter_mut().flat_map(|stage| stage.params.values_mut()) {
                if let ParamValue::Text(text) = value {
                    clean(text);
                }
            }
        }
        Event::Started { model, .. } => clean(&mut model.name),
        Event::Flip { flip } => {
            if let Some(reason) = &mut flip.reason {
                clean(reason);
            }
        }
        Event::StageFinished { summary, .. } => clean(summary),
        Event::Failed { error } => {
            clean(&mut error.message);
            if let Some(hint) = &mut error.hint {
                clean(hint);
            }
        }
        _ => {}
    }
}

fn without_hosts(text: &str, hosts: &[String]) -> String {
    hosts.iter().fold(text.to_owned(), |text, host| text.replace(host, "this-machine"))
}

/// What this machine is called, as far as it is a name that would be recognised.
fn host_names() -> Vec<String> {
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let read = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
    let mut names: Vec<String> = read.chain(std::env::var("HOSTNAME")).map(|name| name.trim().to_owned()).collect();
    names.retain(|name| name.len() > 3 && name != "localhost");
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_machine_leaves() {
        let error = ErrorBody::new("store_failed", "/srv/jo/cache/m.gguf on gpu-box-7 is truncated")
            .with_hint("see /srv/jo/log");
        let mut events = [
            Event::StageFinished { stage: 0, summary: "kept /srv/jo/a.bin at gpu-box-7:7468".to_owned() },
            Event::Failed { error },
        ];
        for event in &mut events {
            redact(event, &["gpu-box-7".to_owned()]);
            let json = serde_json::to_string(event).unwrap();
            assert!(!json.contains("/srv") && !json.contains("gpu-box-7"), "{json}");
        }
        assert_eq!(events[0], Event::StageFinished { stage: 0, summary: "kept a.bin at this-machine:7468".to_owned() });
    }

    #[test]
    fn an_alias_is_a_uuid_that_stays_the_same() {
        let alias = alias("019a8b2c-7d3e-7f00-8a1b-2c3d4e5f6071");
        assert_eq!(uuid::Uuid::parse_str(&alias).unwrap().get_version_num(), 8);
        assert_eq!(alias, super::alias("019a8b2c-7d3e-7f00-8a1b-2c3d4e5f6071"));
    }
}
