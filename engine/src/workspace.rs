//! Buffers that a pass needs, kept for the next one: fresh memory costs a page fault a page.

/// Buffers of one pass after another. One for each thread that calls the engine.
#[derive(Default)]
pub struct Workspace {
    /// The residual stream, `(rows, hidden)`.
    pub(crate) x: Vec<f32>,
    /// What a norm gives, `(rows, hidden)`.
    pub(crate) normed: Vec<f32>,
    /// What a block gives before its own norm, `(rows, hidden)`.
    pub(crate) block: Vec<f32>,
    /// Queries, keys and values, `(rows, query + 2 · key)`.
    pub(crate) qkv: Vec<f32>,
    /// Attention outputs, `(rows, query)`.
    pub(crate) attended: Vec<f32>,
    /// Gate and up, `(rows, 2 · intermediate)`.
    pub(crate) gate_up: Vec<f32>,
    /// Activated, `(rows, intermediate)`.
    pub(crate) activated: Vec<f32>,
    /// Hidden states of scored rows, `(scored, hidden)`.
    pub(crate) hidden: Vec<f32>,
    /// Logits of one chunk of rows.
    pub(crate) logits: Vec<f32>,
    /// Gradients of keys and values, one part a task.
    pub(crate) partial: Vec<f32>,
    /// What the backward pass needs of every layer.
    pub(crate) tapes: Vec<Tape>,
}

/// What the backward pass needs of one layer.
#[derive(Default)]
pub(crate) struct Tape {
    /// The residual stream before the attention.
    pub(crate) input: Vec<f32>,
    /// Queries, keys and values, rotated.
    pub(crate) qkv: Vec<f32>,
    /// Output of the attention block before its own norm, where it has one.
    pub(crate) attention_out: Vec<f32>,
    /// The residual stream before the feed-forward layers.
    pub(crate) middle: Vec<f32>,
    /// Gate and up before the activation.
    pub(crate) gate_up: Vec<f32>,
    /// Output of the feed-forward block before its own norm, where it has one.
    pub(crate) feed_forward_out: Vec<f32>,
}

/// The first `len` elements, after growing the buffer where it is too short.
pub(crate) fn sized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

impl Workspace {
    /// Memory that is held.
    pub fn bytes(&self) -> usize {
        let own = [
            &self.x,
            &self.normed,
            &self.block,
            &self.qkv,
            &self.attended,
            &self.gate_up,
            &self.activated,
            &self.hidden,
            &self.logits,
            &self.partial,
        ];
        let tapes = self.tapes.iter().flat_map(|tape| {
            [&tape.input, &tape.qkv, &tape.attention_out, &tape.middle, &tape.gate_up, &tape.feed_forward_out]
        });
        own.into_iter().chain(tapes).map(|buffer| buffer.capacity() * size_of::<f32>()).sum()
    }
}
