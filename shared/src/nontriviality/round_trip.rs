//! Reads the outcome of re-tokenising as a finding. The tokenising itself needs the tokenizer and
//! the chat template and happens in `tokens`.

use super::{Finding, RoundTrip, Rule};

/// The finding of [`Rule::RoundTrip`]; without an outcome the rule does not hold.
pub(super) fn finding(round_trip: Option<&RoundTrip>) -> Finding {
    let (passed, evidence) = match round_trip {
        None => (false, "not checked".to_owned()),
        Some(RoundTrip { suffixes: 0, .. }) => (false, "not checked: there was no suffix to try".to_owned()),
        Some(RoundTrip { suffixes, failures }) => match failures.first() {
            None => (true, format!("the same ids inside all {suffixes} chats")),
            Some(first) => {
                let failed = failures.len();
                let (suffix, evidence) = (first.suffix, &first.evidence);
                (
                    false,
                    format!("other ids inside {failed} of {suffixes} chats; first with suffix {suffix}: {evidence}"),
                )
            }
        },
    };
    let bound = "the text, inside the chat of every suffix, tokenises to the ids that were scored".to_owned();
    Finding { rule: Rule::RoundTrip, passed, evidence, bound, span: None }
}
