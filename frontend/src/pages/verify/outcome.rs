//! What came out: the verdict, what does not agree, and the numbers suffix by suffix.

use crate::components::ModelText;
use leptos::prelude::*;
use shared::verification::{CE_TOLERANCE, Check, Claims, Outcome, Under};

/// Problems that are listed.
const MAX_LISTED: usize = 12;

/// A verification as far as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verified {
    /// What follows from the recording alone.
    pub sums: Outcome,
    /// What the tokenizer says.
    pub texts: Option<Outcome>,
    /// The suffixes that were asked for.
    pub asked: Vec<usize>,
    /// Those that were computed, in that order.
    pub suffixes: Vec<VerifiedSuffix>,
    /// Whether all were.
    pub is_done: bool,
    /// Why they were not.
    pub error: Option<String>,
}

/// A suffix that was computed again.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedSuffix {
    /// Index in the run.
    pub index: usize,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl Verified {
    /// Forgets an earlier verification.
    pub fn begin(&mut self, asked: Vec<usize>) {
        *self = Verified { sums: std::mem::take(&mut self.sums), asked, ..Verified::default() };
    }

    /// Everything that does not agree, with its place.
    fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self
            .suffixes
            .iter()
            .flat_map(|suffix| suffix.outcome.problems().map(|what| format!("Suffix {}, {what}.", suffix.index + 1)))
            .collect();
        let texts = self.texts.iter().flat_map(Outcome::problems);
        problems.extend(texts.chain(self.sums.problems()).map(|what| format!("{}.", capitalised(&what))));
        problems
    }

    fn checks(&self) -> usize {
        let of_suffixes: usize = self.suffixes.iter().map(|suffix| suffix.outcome.checks.len()).sum();
        of_suffixes + self.sums.checks.len() + self.texts.as_ref().map_or(0, |texts| texts.checks.len())
    }
}

fn capitalised(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

/// Verdict, problems and table; nothing before the first number.
#[component]
pub fn Results(
    /// The verification.
    #[prop(into)]
    verified: Signal<Verified>,
    /// What it is about.
    claims: Claims,
) -> impl IntoView {
    let begun = move || verified.with(|verified| !verified.asked.is_empty());
    let says = move || verified.with(verdict);
    let agrees = move || verified.with(|verified| verified.is_done.then(|| verified.problems().is_empty().to_string()));
    let problems = Memo::new(move |_| verified.with(Verified::problems));
    let share = move || verified.with(|verified| verified.suffixes.len() as f64 / verified.asked.len().max(1) as f64);
    let rows = Memo::new(move |_| verified.with(|verified| verified.suffixes.clone()));
    let claims = StoredValue::new(claims);
    view! {
        <Show when=begun>
            <section class="panel" aria-labelledby="verified-title">
                <h2 id="verified-title">"Verification"</h2>
                <p role="status" class="strong" data-testid="verification-verdict" data-agrees=agrees>{says}</p>
                <Show when=move || verified.with(|verified| !verified.is_done && verified.error.is_none())>
                    <progress max="1" prop:value=share aria-label="Suffixes computed"></progress>
                </Show>
                {move || problems.with(|problems| (!problems.is_empty()).then(|| view! { <Problems problems=problems.clone()/> }))}
                <div class="table-box" role="region" tabindex="0" aria-label="Agreement by suffix">
                    <table data-testid="verified-table">
                        <thead>
                            <tr>
                                <th scope="col">"Suffix (prompt)"</th>
                                <th scope="col">"Split"</th>
                                <th scope="col" class="num">"No prefix"</th>
                                <th scope="col" class="num">"Reference"</th>
                                <th scope="col" class="num">"Found prefix"</th>
                                <th scope="col" class="num">"Seconds"</th>
                            </tr>
                        </thead>
                        <tbody>
                            <For each=move || rows.get() key=|row| row.index let:row>
                                <Row row claims/>
                            </For>
                        </tbody>
                    </table>
                </div>
                <p class="muted">
                    {format!(
                        "Each cell: the difference between recorded and computed cross-entropy in nats a token, of which up \
                         to {CE_TOLERANCE} counts as the same, then how many tokens of the recorded greedy completion \
                         the model writes too.",
                    )}
                </p>
            </section>
        </Show>
    }
}

fn verdict(verified: &Verified) -> String {
    let (done, asked, checks) = (verified.suffixes.len(), verified.asked.len(), verified.checks());
    if let Some(error) = &verified.error {
        return format!("Not finished: {error}");
    }
    if !verified.is_done {
        return format!("{done} of {asked} suffixes computed.");
    }
    match verified.problems().len() {
        0 => format!("The recording agrees with the model: {checks} comparisons, {asked} suffixes computed again."),
        1 => format!("The recording differs from the model in 1 of {checks} comparisons."),
        count => format!("The recording differs from the model in {count} of {checks} comparisons."),
    }
}

#[component]
fn Problems(problems: Vec<String>) -> impl IntoView {
    let more = problems.len().saturating_sub(MAX_LISTED);
    let listed = problems.into_iter().take(MAX_LISTED);
    view! {
        <ul data-testid="verification-problems">
            {listed.map(|problem| view! { <li><ModelText text=problem/></li> }).collect_view()}
            {(more > 0).then(|| view! { <li>{format!("and {more} more")}</li> })}
        </ul>
    }
}

#[component]
fn Row(row: VerifiedSuffix, claims: StoredValue<Claims>) -> impl IntoView {
    let claim = claims.with_value(|claims| claims.suffixes.iter().find(|claim| claim.index == row.index).cloned());
    let text = claim.as_ref().map(|claim| claim.text.clone()).unwrap_or_default();
    let split = claim.map_or("", |claim| claim.split.name());
    let cell = |under: Under| {
        let ce = row.outcome.checks.iter().find_map(|check| match check {
            Check::Ce { under: own, recorded, computed } if *own == under => {
                Some(((recorded - computed).abs(), check.passes()))
            }
            _ => None,
        });
        let tokens = row.outcome.checks.iter().find_map(|check| match check {
            Check::Completion { under: own, path } if *own == under => {
                Some((format!("{}/{} tokens", path.matching, path.tokens), check.passes()))
            }
            _ => None,
        });
        let differs = [ce.map(|(_, passes)| passes), tokens.as_ref().map(|(_, passes)| *passes)].contains(&Some(false));
        let shown = [ce.map(|(difference, _)| format!("{difference:.6}")), tokens.map(|(tokens, _)| tokens)];
        let shown: Vec<String> = shown.into_iter().flatten().collect();
        let shown = if shown.is_empty() { "–".to_owned() } else { shown.join(", ") };
        view! {
            <td class="num">{shown} {differs.then(|| view! { <strong class="differs">" differs"</strong> })}</td>
        }
    };
    let agrees = row.outcome.agrees().to_string();
    view! {
        <tr data-testid="verified-row" data-index=row.index data-agrees=agrees>
            <th scope="row" class="prompt">{format!("{}. ", row.index + 1)} <ModelText text/></th>
            <td><span class=format!("badge split-badge-{split}")>{split}</span></td>
            {Under::ALL.map(cell).collect_view()}
            <td class="num">{format!("{:.1}", row.seconds)}</td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn suffix(index: usize, computed: f64) -> VerifiedSuffix {
        let checks = vec![Check::Ce { under: Under::Found, recorded: 1.0, computed }];
        VerifiedSuffix { index, outcome: Outcome { checks }, seconds: 1.0 }
    }

    #[test]
    fn the_verdict_waits_for_the_last_suffix_and_names_what_differs() {
        let mut verified = Verified::default();
        verified.begin(vec![4, 7]);
        verified.suffixes.push(suffix(4, 1.0));
        assert_eq!(verdict(&verified), "1 of 2 suffixes computed.");
        verified.suffixes.push(suffix(7, 1.2));
        verified.is_done = true;
        assert_eq!(verdict(&verified), "The recording differs from the model in 1 of 2 comparisons.");
        let place = "Suffix 8, cross-entropy under the found prefix: recorded 1.0000, computed 1.2000.";
        assert_eq!(verified.problems(), [place]);
        verified.begin(vec![4]);
        assert!(verified.suffixes.is_empty() && !verified.is_done);
    }
}
