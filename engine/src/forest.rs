//! What one pass runs over: segments of tokens that follow one another like the branches of a tree.
//!
//! Candidates share the chat before the prefix, and the suffixes of a candidate share the prefix:
//! each shared part is a segment that is run once. Segments stand under each other in one matrix of
//! rows, so that the linear layers see no padding, whatever the lengths.

use crate::EngineError;
use crate::cache::Cache;
use crate::shape::Shape;

/// A run of tokens that follows its parent.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// What it continues.
    pub parent: Parent<'a>,
    /// The tokens.
    pub input: Input<'a>,
    /// What the last rows predict: the row before each of these tokens is scored on it.
    pub targets: &'a [u32],
}

/// What a segment continues.
#[derive(Clone, Copy, Debug)]
pub enum Parent<'a> {
    /// Nothing: its first token is the first of its sequence.
    Nothing,
    /// Positions that were run in an earlier pass.
    Cache(&'a Cache),
    /// A segment of the same pass, an index below its own.
    Segment(usize),
}

/// Tokens or free vectors.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Tokens of the vocabulary.
    Ids(&'a [u32]),
    /// `(positions, hidden)`, before any embedding scale.
    Embeds(&'a [f32]),
}

impl Input<'_> {
    fn len(self, hidden_size: usize) -> usize {
        match self {
            Input::Ids(ids) => ids.len(),
            Input::Embeds(embeds) => embeds.len() / hidden_size,
        }
    }
}

/// Where the segments' rows are.
pub(crate) struct Layout<'a> {
    /// In the order of the segments.
    pub segments: Vec<Place<'a>>,
    /// Rows of all segments.
    pub rows: usize,
    /// Scored rows with their targets, in order.
    pub scored: Vec<(usize, u32)>,
}

/// Rows of one segment.
pub(crate) struct Place<'a> {
    /// First row.
    pub row: usize,
    /// Number of rows.
    pub len: usize,
    /// Position of the first row in its sequence.
    pub position: usize,
    /// What the first of its ancestors (or itself, where it has none) continues.
    pub past: Option<&'a Cache>,
    /// Segments before it, the first one first.
    pub ancestors: Vec<usize>,
}

impl<'a> Layout<'a> {
    /// Lays the segments out.
    pub(crate) fn new(shape: &Shape, segments: &[Segment<'a>]) -> Result<Self, EngineError> {
        let mut layout = Layout { segments: Vec::with_capacity(segments.len()), rows: 0, scored: Vec::new() };
        for (index, segment) in segments.iter().enumerate() {
            let len = segment.input.len(shape.hidden_size);
            if len == 0 {
                return Err(EngineError::EmptySegment { segment: index });
            }
            if segment.targets.len() > len {
                return Err(EngineError::TooManyTargets { segment: index, targets: segment.targets.len(), rows: len });
            }
            let ids = if let Input::Ids(ids) = segment.input { ids } else { &[] };
            if let Some(&id) = ids.iter().chain(segment.targets).find(|&&id| id as usize >= shape.vocab_size) {
                return Err(EngineError::UnknownToken { id, vocab_size: shape.vocab_size });
            }
            let (position, past, ancestors) = match segment.parent {
                Parent::Nothing => (0, None, Vec::new()),
                Parent::Cache(cache) if cache.layers.len() != shape.num_hidden_layers() => {
                    return Err(EngineError::ForeignCache { segment: index });
                }
                Parent::Cache(cache) => (cache.positions, Some(cache), Vec::new()),
                Parent::Segment(parent) => {
                    let place: &Place<'_> =
                        layout.segments.get(parent).ok_or(EngineError::UnknownParent { segment: index, parent })?;
                    let ancestors = place.ancestors.iter().copied().chain([parent]).collect();
                    (place.position + place.len, place.past, ancestors)
                }
            };
            if position + len > shape.context_length {
                return Err(EngineError::TooLong { positions: position + len, context_length: shape.context_length });
            }
            let first_scored = layout.rows + len - segment.targets.len();
            layout.scored.extend(segment.targets.iter().enumerate().map(|(at, &id)| (first_scored + at, id)));
            layout.segments.push(Place { row: layout.rows, len, position, past, ancestors });
            layout.rows += len;
        }
        Ok(layout)
    }

    /// Position of each row in its sequence.
    pub(crate) fn positions(&self) -> impl Iterator<Item = usize> {
        self.segments.iter().flat_map(|place| place.position..place.position + place.len)
    }
}
