//! The differentiable model.
