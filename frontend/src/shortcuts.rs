//! Keys that work on every page: which there are, and what a key means after the ones before it.

/// What a shortcut does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Opens a page.
    Go(&'static str),
    /// Shows all shortcuts.
    Sheet,
    /// Searches pages and runs.
    Palette,
}

/// A shortcut of one or two keys without modifiers, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Shortcut {
    /// The keys, as the browser names them.
    pub keys: &'static [&'static str],
    /// What it does, for the sheet and the palette.
    pub title: &'static str,
    /// What it does.
    pub act: Act,
}

/// All of them, in the order of the sheet. Ctrl+K (⌘K) opens the palette as well.
pub const SHORTCUTS: &[Shortcut] = &[
    Shortcut { keys: &["?"], title: "Show these shortcuts", act: Act::Sheet },
    Shortcut { keys: &["/"], title: "Search pages and runs", act: Act::Palette },
    Shortcut { keys: &["g", "s"], title: "Start", act: Act::Go("/") },
    Shortcut { keys: &["g", "n"], title: "New run", act: Act::Go("/new") },
    Shortcut { keys: &["g", "r"], title: "Sessions", act: Act::Go("/sessions") },
    Shortcut { keys: &["g", "c"], title: "Compare", act: Act::Go("/compare") },
    Shortcut { keys: &["g", "d"], title: "Recorded run", act: Act::Go("/demo") },
    Shortcut { keys: &["g", "a"], title: "Attach to another worker", act: Act::Go("/attach") },
];

/// How long the second key of a shortcut may take, in milliseconds.
const PATIENCE_MS: f64 = 1500.0;

/// The keys pressed so far.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    pressed: Vec<String>,
    last_ms: f64,
}

impl Keys {
    /// Takes a key; gives what it completes. Times are in milliseconds on one monotonic clock.
    pub fn press(&mut self, key: &str, now_ms: f64) -> Option<Act> {
        if now_ms - self.last_ms > PATIENCE_MS {
            self.pressed.clear();
        }
        self.last_ms = now_ms;
        self.pressed.push(key.to_owned());
        if let Some(act) = self.complete() {
            self.pressed.clear();
            return Some(act);
        }
        if !self.may_go_on() {
            // The key that broke a sequence may begin another one, or be one.
            self.pressed.drain(..self.pressed.len() - 1);
            let act = self.complete();
            if act.is_some() || !self.may_go_on() {
                self.pressed.clear();
            }
            return act;
        }
        None
    }

    fn complete(&self) -> Option<Act> {
        SHORTCUTS.iter().find(|shortcut| shortcut.keys == self.pressed).map(|shortcut| shortcut.act)
    }

    fn may_go_on(&self) -> bool {
        SHORTCUTS.iter().any(|shortcut| {
            shortcut.keys.len() > self.pressed.len() && shortcut.keys[..self.pressed.len()] == self.pressed
        })
    }
}

/// Whether an entry of the palette fits what was typed: every word somewhere, in any order and case.
pub fn fits(entry: &str, typed: &str) -> bool {
    let entry = entry.to_lowercase();
    typed.to_lowercase().split_whitespace().all(|word| entry.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn sequences_are_completed_in_time() {
        let mut keys = Keys::default();
        assert_eq!(keys.press("g", 0.0), None);
        assert_eq!(keys.press("n", 500.0), Some(Act::Go("/new")));
        assert_eq!(keys.press("n", 600.0), None, "it is used up");
        assert_eq!(keys.press("g", 1000.0), None);
        assert_eq!(keys.press("n", 1000.0 + PATIENCE_MS + 1.0), None, "too late");
        assert_eq!(keys.press("?", 9000.0), Some(Act::Sheet));
    }

    #[test]
    fn a_key_that_breaks_a_sequence_counts_by_itself() {
        let mut keys = Keys::default();
        assert_eq!((keys.press("g", 0.0), keys.press("?", 10.0)), (None, Some(Act::Sheet)));
        assert_eq!((keys.press("g", 20.0), keys.press("g", 30.0)), (None, None));
        assert_eq!(keys.press("s", 40.0), Some(Act::Go("/")), "the second g began anew");
        assert_eq!((keys.press("x", 50.0), keys.press("s", 60.0)), (None, None));
    }

    #[test]
    fn every_shortcut_is_reachable() {
        for shortcut in SHORTCUTS {
            let mut keys = Keys::default();
            let acts: Vec<_> = shortcut.keys.iter().map(|key| keys.press(key, 0.0)).collect();
            assert_eq!(acts.last(), Some(&Some(shortcut.act)), "{}", shortcut.title);
            assert!(acts[..acts.len() - 1].iter().all(Option::is_none), "{} is hidden", shortcut.title);
        }
    }

    #[test]
    fn entries_fit_by_words() {
        assert!(fits("Talk only about cats. · best · finished", "CATS best"));
        assert!(fits("New run", "") && !fits("New run", "run old"));
    }
}
