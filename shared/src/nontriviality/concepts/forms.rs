//! The spellings that a ban on one word covers.

use super::letters::{Joint, Letters};

/// Shorter words have no inflections here: "us" must not ban "uses".
const MIN_INFLECTED_LETTERS: usize = 3;

/// Endings of nouns whose plural voices the f, as in wolf and wolves; cafe and proof are none.
const VOICED: [(&str, &str); 7] = [
    ("lf", "lves"),
    ("ife", "ives"),
    ("eaf", "eaves"),
    ("oaf", "oaves"),
    ("arf", "arves"),
    ("thief", "thieves"),
    ("hoof", "hooves"),
];

/// One spelling of a banned concept, in normalised letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// The letters, without what stood between them.
    pub letters: String,
    /// How many they are.
    pub letter_count: usize,
    /// Letters, by index, before which the concept itself has a gap, as the "c" of "ice cream".
    pub gaps: Vec<usize>,
}

/// The concept as it is spelled, then with its last word in singular and plural. None where it has
/// neither letter nor digit.
pub(super) fn forms(concept: &str) -> Vec<Form> {
    let letters = Letters::of(concept);
    let gaps: Vec<usize> = (1..letters.len()).filter(|&at| letters.joint_before(at) >= Joint::Punctuation).collect();
    let last_word_byte = gaps.last().map_or(0, |&at| letters.byte_of(at));
    let (head, word) = letters.text().split_at(last_word_byte);
    let spellings = std::iter::once(word.to_owned()).chain(inflections(word));
    let mut forms: Vec<Form> = Vec::new();
    for letters in spellings.map(|word| format!("{head}{word}")).filter(|letters| !letters.is_empty()) {
        if forms.iter().all(|form| form.letters != letters) {
            let letter_count = letters.chars().count();
            forms.push(Form { letters, letter_count, gaps: gaps.clone() });
        }
    }
    forms
}

/// Regular English singulars and plurals of a word in small letters; none where it ends otherwise
/// than in a letter from a to z.
fn inflections(word: &str) -> Vec<String> {
    let inflected = word.chars().count() >= MIN_INFLECTED_LETTERS && word.ends_with(|c: char| c.is_ascii_lowercase());
    if inflected { plurals(word).chain(singulars(word)).collect() } else { Vec::new() }
}

fn plurals(word: &str) -> impl Iterator<Item = String> {
    let replaced = |end: &str, plural: &str| word.strip_suffix(end).map(|stem| format!("{stem}{plural}"));
    let before_last = word.chars().rev().nth(1);
    let ends_in_consonant_and_y = word.ends_with('y') && !before_last.is_some_and(|c| "aeiou".contains(c));
    [
        // boxes; cats, and also potatos and citys, which are spelled so by mistake
        Some(format!("{word}{}", if hisses(word) { "es" } else { "s" })),
        word.ends_with('o').then(|| format!("{word}es")),
        ends_in_consonant_and_y.then(|| replaced("y", "ies")).flatten(),
        VOICED.iter().find_map(|(singular, plural)| replaced(singular, plural)),
    ]
    .into_iter()
    .flatten()
}

fn singulars(word: &str) -> impl Iterator<Item = String> {
    let replaced = |end: &str, singular: &str| {
        let stem = word.strip_suffix(end)?;
        Some(format!("{stem}{singular}")).filter(|word| word.chars().count() >= MIN_INFLECTED_LETTERS)
    };
    // Not the s of glass, bus and iris.
    let ends_in_plural_s = !["ss", "us", "is"].iter().any(|end| word.ends_with(end));
    [
        replaced("s", "").filter(|_| ends_in_plural_s),
        replaced("es", "").filter(|stem| hisses(stem) || stem.ends_with('o')),
        replaced("ies", "y"),
        VOICED.iter().find_map(|(singular, plural)| replaced(plural, singular)),
    ]
    .into_iter()
    .flatten()
}

/// Whether a plural takes "es" for the sake of pronunciation.
fn hisses(word: &str) -> bool {
    ["s", "x", "z", "ch", "sh"].iter().any(|end| word.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_covers_regular_singular_and_plural() {
        for (concept, covered) in [
            ("cat", &["cat", "cats"][..]),
            ("Cats", &["cats", "catses", "cat"]),
            ("kitty", &["kitty", "kittys", "kitties"]),
            ("kitties", &["kitties", "kittieses", "kittie", "kitty"]),
            ("boy", &["boy", "boys"]),
            ("box", &["box", "boxes"]),
            ("boxes", &["boxes", "boxeses", "boxe", "box"]),
            ("potato", &["potato", "potatos", "potatoes"]),
            ("wolf", &["wolf", "wolfs", "wolves"]),
            ("knives", &["knives", "kniveses", "knive", "knife"]),
            ("glass", &["glass", "glasses"]),
            ("bus", &["bus", "buses"]),
            ("Café", &["cafe", "cafes"]),
            // Too short to inflect.
            ("us", &["us"]),
            ("c++", &["c"]),
            // No rule of ours for it.
            ("кот", &["кот"]),
            ("gpt4", &["gpt4"]),
            ("ice cream", &["icecream", "icecreams"]),
            ("t-shirt", &["tshirt", "tshirts"]),
            ("c-a-t", &["cat"]),
            ("++", &[]),
            ("", &[]),
        ] {
            let found: Vec<String> = forms(concept).into_iter().map(|form| form.letters).collect();
            assert_eq!(found, covered, "{concept}");
        }
    }

    #[test]
    fn gaps_of_the_concept_are_remembered() {
        for (concept, gaps) in
            [("ice cream", &[3][..]), ("t-shirt", &[1]), ("New York City", &[3, 7]), ("iPhone", &[]), (" cat ", &[])]
        {
            assert!(forms(concept).iter().all(|form| form.gaps == gaps), "{concept}");
        }
    }
}
