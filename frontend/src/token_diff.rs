//! Two completions side by side, token by token.

/// How the two tokens of a column relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The same token at the same place: what exact matches count.
    Same,
    /// The same token, but more or fewer came before it.
    Moved,
    /// Another token, or none on one side.
    Different,
}

impl Relation {
    /// The mark between the two tokens.
    pub fn mark(self) -> &'static str {
        match self {
            Relation::Same => "=",
            Relation::Moved => "≈",
            Relation::Different => "≠",
        }
    }

    /// The name for tests and on screen.
    pub fn name(self) -> &'static str {
        match self {
            Relation::Same => "same",
            Relation::Moved => "moved",
            Relation::Different => "different",
        }
    }
}

/// A column: places in the two completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// In the reference's completion.
    pub reference: Option<usize>,
    /// In the other one.
    pub other: Option<usize>,
    /// How they relate.
    pub relation: Relation,
}

/// Aligns two completions on their longest common subsequence; between common tokens, those of both sides stand
/// against each other as far as they go.
pub fn align(reference: &[u32], other: &[u32]) -> Vec<Column> {
    let common = lengths(reference, other);
    let (mut columns, mut i, mut j) = (Vec::new(), 0, 0);
    while i < reference.len() || j < other.len() {
        // 1. Up to the next common token, nothing is common.
        let (from, other_from) = (i, j);
        while i < reference.len() && j < other.len() && reference[i] != other[j] {
            if common[i + 1][j] >= common[i][j + 1] { i += 1 } else { j += 1 }
        }
        if i == reference.len() || j == other.len() {
            (i, j) = (reference.len(), other.len());
        }
        let rows = (i - from).max(j - other_from);
        columns.extend((0..rows).map(|at| Column {
            reference: Some(from + at).filter(|&at| at < i),
            other: Some(other_from + at).filter(|&at| at < j),
            relation: Relation::Different,
        }));
        // 2. The common token.
        if i < reference.len() && j < other.len() {
            let relation = if i == j { Relation::Same } else { Relation::Moved };
            columns.push(Column { reference: Some(i), other: Some(j), relation });
            (i, j) = (i + 1, j + 1);
        }
    }
    columns
}

/// Of the longest common subsequence of what begins at each pair of places.
fn lengths(a: &[u32], b: &[u32]) -> Vec<Vec<u16>> {
    let mut lengths = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            lengths[i][j] =
                if a[i] == b[j] { lengths[i + 1][j + 1] + 1 } else { lengths[i + 1][j].max(lengths[i][j + 1]) };
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn written(reference: &[u32], other: &[u32]) -> String {
        let place = |place: Option<usize>, ids: &[u32]| place.map_or("_".to_owned(), |at| ids[at].to_string());
        let column = |column: Column| {
            let (top, bottom) = (place(column.reference, reference), place(column.other, other));
            format!("{top}{}{bottom}", column.relation.mark())
        };
        align(reference, other).into_iter().map(column).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn columns_are_what_a_reader_would_draw() {
        for (reference, other, expected) in [
            (&[1, 2, 3][..], &[1, 2, 3][..], "1=1 2=2 3=3"),
            (&[1, 2, 3], &[1, 9, 3], "1=1 2≠9 3=3"),
            (&[1, 2, 3], &[1, 3], "1=1 2≠_ 3≈3"),
            (&[1, 3], &[1, 2, 3], "1=1 _≠2 3≈3"),
            (&[1, 2], &[8, 9, 7], "1≠8 2≠9 _≠7"),
            (&[1, 2], &[], "1≠_ 2≠_"),
            (&[], &[5], "_≠5"),
            (&[], &[], ""),
        ] {
            assert_eq!(written(reference, other), expected, "{reference:?} beside {other:?}");
        }
    }

    #[test]
    fn every_token_of_both_stands_in_one_column_in_order() {
        // All pairs of short sequences over three tokens.
        let sequences: Vec<Vec<u32>> = (0..81).map(|n| (0..4).map(|place| n / 3u32.pow(place) % 3).collect()).collect();
        for a in &sequences {
            for b in &sequences {
                let columns = align(a, &b[..3]);
                let of = |place: fn(&Column) -> Option<usize>| columns.iter().filter_map(place).collect::<Vec<_>>();
                assert_eq!(of(|column| column.reference), [0, 1, 2, 3], "{a:?} {b:?}");
                assert_eq!(of(|column| column.other), [0, 1, 2], "{a:?} {b:?}");
                for column in &columns {
                    let equal = column.reference.zip(column.other).is_some_and(|(i, j)| a[i] == b[j]);
                    assert!(equal || column.relation == Relation::Different, "{a:?} {b:?}");
                }
            }
        }
    }
}
