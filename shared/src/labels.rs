//! What people call a run: a title and tags. They belong to the list of runs, not to any run's log.

use crate::catalogue::FieldError;

/// Longest title, in characters.
pub const MAX_TITLE_CHARS: usize = 200;

/// Most tags of a run.
pub const MAX_TAGS: usize = 16;

/// Longest tag, in characters.
pub const MAX_TAG_CHARS: usize = 40;

/// A title and tags within the bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// The title, if any; never empty.
    pub title: Option<String>,
    /// The tags in the order in which they were given; none is empty, no two are the same.
    pub tags: Vec<String>,
}

impl Labels {
    /// Trims what was typed, drops empty and repeated tags, and refuses the rest with every reason.
    /// The fields of the errors are `title`, `tags` and `tags[n]`.
    pub fn new(title: Option<&str>, tags: &[impl AsRef<str>]) -> Result<Labels, Vec<FieldError>> {
        let mut errors = Vec::new();
        let title = title.map(str::trim).filter(|title| !title.is_empty());
        if let Some(title) = title {
            errors.extend(wrong_with("title", title, MAX_TITLE_CHARS));
        }
        let mut kept: Vec<&str> = Vec::new();
        for (index, tag) in tags.iter().enumerate() {
            let tag = tag.as_ref().trim();
            if tag.is_empty() || kept.contains(&tag) {
                continue;
            }
            if kept.len() == MAX_TAGS {
                errors.push(FieldError::new("tags", format!("a run may have at most {MAX_TAGS} tags")));
                break;
            }
            let field = format!("tags[{index}]");
            if tag.contains(',') {
                errors.push(FieldError::new(&field, "a tag may not contain a comma: commas stand between tags"));
            }
            errors.extend(wrong_with(&field, tag, MAX_TAG_CHARS));
            kept.push(tag);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Labels { title: title.map(str::to_owned), tags: kept.into_iter().map(str::to_owned).collect() })
    }
}

fn wrong_with(field: &str, text: &str, max_chars: usize) -> Option<FieldError> {
    let chars = text.chars().count();
    if chars > max_chars {
        return Some(FieldError::new(field, format!("expected at most {max_chars} characters, found {chars}")));
    }
    let control = text.chars().find(|c| c.is_control())?;
    let message = format!("line breaks and control characters are not allowed, found U+{:04X}", u32::from(control));
    Some(FieldError::new(field, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong_fields(title: &str, tags: &[&str]) -> Vec<String> {
        Labels::new(Some(title), tags).unwrap_err().into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn what_was_typed_is_trimmed_and_repetitions_go() {
        let labels = Labels::new(Some("  Cats, take 2 "), &[" a", "b b", "", "a ", "A"]).unwrap();
        assert_eq!(labels.title.as_deref(), Some("Cats, take 2"));
        assert_eq!(labels.tags, ["a", "b b", "A"]);
        assert_eq!(Labels::new(Some(" \n "), &[" "]).unwrap(), Labels::default());
        assert_eq!(Labels::new(None, &[""; 0]).unwrap(), Labels::default());
    }

    #[test]
    fn the_bounds_count_characters_and_are_exact() {
        let (title, tag) = ("é".repeat(MAX_TITLE_CHARS), "é".repeat(MAX_TAG_CHARS));
        Labels::new(Some(&title), std::slice::from_ref(&tag)).unwrap();
        assert_eq!(wrong_fields(&format!("{title}é"), &["fine", &format!("{tag}é")]), ["title", "tags[1]"]);
        let many: Vec<String> = (0..=MAX_TAGS).map(|n| n.to_string()).collect();
        assert_eq!(Labels::new(None, &many[1..]).unwrap().tags, many[1..]);
        assert_eq!(Labels::new(None, &many).unwrap_err()[0].field, "tags");
    }

    #[test]
    fn control_characters_and_commas_in_tags_are_refused() {
        assert_eq!(wrong_fields("a\nb", &["a\u{1b}[1m", "b,c"]), ["title", "tags[0]", "tags[1]"]);
        let message = &Labels::new(Some("a\nb"), &[""; 0]).unwrap_err()[0].message;
        assert!(message.contains("U+000A"), "{message}");
    }
}
