//! Errors of jobs as clients may see them: files by their names, without the folders of this machine.

use shared::event::ErrorBody;
use std::path::PathBuf;

/// Takes the folders out of errors.
#[derive(Clone, Debug, Default)]
pub(super) struct Redactor {
    /// Folders by name, the longest first. Only for what cannot be told from the text alone: where a path
    /// with blanks in it ends.
    known: Vec<String>,
}

impl Redactor {
    /// Knows some folders that errors are likely to name.
    pub(super) fn new(folders: &[PathBuf]) -> Self {
        let mut known: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        known.retain(|folder| !folder.trim_matches(is_separator).is_empty());
        known.sort_by_key(|folder| std::cmp::Reverse(folder.len()));
        Redactor { known }
    }

    /// The error of a job for `model`, without folders; what concerns the model says its name.
    pub(super) fn error(&self, error: &ErrorBody, model: &str) -> ErrorBody {
        let mut message = self.text(&error.message);
        if error.field.as_deref() == Some("model") && !message.contains(model) {
            message = format!("the model {model}: {message}");
        }
        let hint = error.hint.as_deref().map(|hint| self.text(hint));
        ErrorBody { message, hint, ..error.clone() }
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for folder in &self.known {
            text =
                text.replace(&format!("{}{}", folder.trim_end_matches(is_separator), std::path::MAIN_SEPARATOR), "/");
        }
        file_names_only(&text)
    }
}

fn is_separator(c: char) -> bool {
    matches!(c, '/' | '\\')
}

/// Replaces each absolute path in a text by its last part.
pub(super) fn file_names_only(text: &str) -> String {
    let mut named = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = None;
    while let Some(c) = rest.chars().next() {
        // "tokens/s" and "http://…" go on where a word has begun; a path begins where none has.
        let begins = before.is_none_or(|before: char| before.is_whitespace() || "\"'`([{<=".contains(before));
        let length = if begins { path_length(rest) } else { 0 };
        if length == 0 {
            named.push(c);
            before = Some(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let (path, after) = rest.split_at(length);
        let name = path.trim_end_matches(is_separator).rsplit(is_separator).next().unwrap_or_default();
        named.push_str(name);
        before = path.chars().next_back();
        rest = after;
    }
    named
}

/// Bytes of the absolute path with which a text begins; 0 where it begins with none.
fn path_length(text: &str) -> usize {
    let root = match text.as_bytes() {
        [b'/', ..] | [b'\\', b'\\', ..] => 1,
        [drive, b':', b'/' | b'\\', ..] if drive.is_ascii_alphabetic() => 3,
        _ => return 0,
    };
    let ends = |c: char| c.is_whitespace() || "\"'`)]}>,;".contains(c);
    let end = text[root..].find(ends).map_or(text.len(), |at| root + at);
    // A sentence goes on after "file: ", and ends after "file.".
    let end = text[..end].trim_end_matches([':', '.']).len();
    if end > root { end } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_paths_become_file_names_and_nothing_else_changes() {
        for (text, expected) in [
            ("/srv/cache/m.gguf is truncated", "m.gguf is truncated"),
            ("cannot read /srv/a/b.json: denied", "cannot read b.json: denied"),
            ("delete \"/srv/a/m.gguf\" (/srv/b).", "delete \"m.gguf\" (b)."),
            ("see /srv/a/folder/, then /x.", "see folder, then x."),
            ("C:\\Users\\jo\\m.gguf is altered", "m.gguf is altered"),
            ("D:/m/x.gguf, \\\\host\\share\\y.gguf", "x.gguf, y.gguf"),
            ("file=/srv/ä/ö.gguf", "file=ö.gguf"),
            ("5 tokens/s, train / test, and/or, 3/4", "5 tokens/s, train / test, and/or, 3/4"),
            ("see https://example.org/a/b", "see https://example.org/a/b"),
            ("/", "/"),
            ("", ""),
        ] {
            assert_eq!(file_names_only(text), expected, "{text}");
        }
    }

    #[test]
    fn known_folders_may_have_blanks() {
        let redactor = Redactor::new(&["/srv/Jo Doe".into(), "/srv/Jo Doe/my cache/".into(), "/".into()]);
        assert_eq!(redactor.text("/srv/Jo Doe/my cache/models/m.gguf is altered"), "m.gguf is altered");
        assert_eq!(redactor.text("cannot write /srv/Jo Doe/log.db"), "cannot write log.db");
    }

    fn error(message: &str, hint: Option<&str>, field: &str) -> ErrorBody {
        let (message, hint) = (message.to_owned(), hint.map(str::to_owned));
        ErrorBody { code: "code".to_owned(), message, hint, field: Some(field.to_owned()) }
    }

    #[test]
    fn what_concerns_the_model_says_its_name_once() {
        let seen = |error| Redactor::default().error(&error, "tiny");
        let damaged = error("/c/m.gguf is truncated", Some("delete /c/m.gguf"), "model");
        assert_eq!(seen(damaged), error("the model tiny: m.gguf is truncated", Some("delete m.gguf"), "model"));
        let named = error("the model tiny is not here", None, "model");
        assert_eq!(seen(named.clone()), named);
        let other = error("the prefix is empty", None, "teacher");
        assert_eq!(seen(other.clone()), other);
    }
}
