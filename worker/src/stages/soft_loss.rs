//! What a soft prompt is optimised on, from its parameters.

use super::params::{choice, integer, name, real};
use super::{Params, Search, StageError};
use crate::backend::Distribution;
use crate::objective::{Cosine, Feature, Loss, PrefixInput};
use crate::sae::{Sae, SaeError};
use shared::catalogue::{FieldError, ParamDeclaration};
use shared::model::Config;
use std::path::Path;

/// Declares the loss.
pub fn params() -> Vec<ParamDeclaration> {
    vec![
        choice(
            "objective",
            &["behaviour", "hidden_state", "sae_feature"],
            "Matches the reference's completions, its residual stream after a layer, or raises a feature of a sparse autoencoder.",
        ),
        real(
            "kl_weight",
            "",
            (0.0, 1.0),
            0.0,
            "Behaviour: 0 is the cross-entropy of the reference completions, 1 the KL divergence to the teacher's distributions at their tokens, between them a mixture.",
        ),
        integer(
            "teacher_tokens",
            "tokens",
            (1, 4096),
            64,
            "Behaviour: likeliest tokens kept of each distribution; all others count as one.",
        ),
        integer(
            "layer",
            "",
            (1, 256),
            12,
            "Hidden state, feature: layers before the residual stream that is looked at; GemmaScope's layer n is n + 1 here.",
        ),
        name(
            "sae",
            64,
            "Feature: the sparse autoencoder, by the name of its folder or file under saes/ of the cache folder.",
        ),
        integer("feature", "", (0, 10_000_000), 0, "Feature: its index in the autoencoder."),
    ]
}

/// Refuses what this model or this machine does not have.
pub fn check(params: &Params, config: &Config, saes: &Path) -> Result<(), FieldError> {
    let objective = params.text("objective");
    let (layer, layers) = (params.usize("layer"), config.num_hidden_layers);
    if objective != "behaviour" && layer > layers {
        let message = format!("layer {layer} does not exist: the model has {layers} layers, so 1 to {layers}");
        return Err(FieldError::new("layer", message));
    }
    if objective == "sae_feature" {
        open(params, saes, config.hidden_size).map_err(|error| FieldError::new(error.field(), error.to_string()))?;
    }
    Ok(())
}

fn open(params: &Params, saes: &Path, hidden_size: usize) -> Result<(Feature, f32), SaeError> {
    let sae = Sae::open(saes, params.text("sae"), hidden_size)?;
    let (encoder, bias, threshold) = sae.feature(params.usize("feature"))?;
    Ok((Feature { encoder, bias }, threshold))
}

/// Makes the loss, once the reference completions are known.
pub fn loss(search: &Search<'_>, params: &Params) -> Result<Loss, StageError> {
    let all: Vec<usize> = (0..search.objective.suffixes().len()).collect();
    let reference = PrefixInput::Ids(search.reference.clone());
    let layer = params.usize("layer");
    Ok(match params.text("objective") {
        "hidden_state" => {
            let reference = search.objective.residual_streams(&reference, &all, layer)?;
            Loss::Residual { layer, of: Box::new(Cosine { reference }) }
        }
        "sae_feature" => {
            let hidden_size = search.objective.backend().config().hidden_size;
            let (feature, _) =
                open(params, &search.saes, hidden_size).map_err(|error| StageError::Constraints(error.to_string()))?;
            Loss::Residual { layer, of: Box::new(feature) }
        }
        _ if params.f64("kl_weight") == 0.0 => Loss::CrossEntropy,
        _ => {
            let teacher = search.objective.distributions(&reference, &all, params.usize("teacher_tokens"))?;
            let mixed = teacher.into_iter().zip(search.objective.suffixes()).map(|(rows, suffix)| {
                let rows = rows.into_iter().zip(&suffix.completion);
                rows.map(|(row, &token)| mixture(row, token, params.f64("kl_weight"))).collect()
            });
            Loss::Distributions(mixed.collect())
        }
    })
}

/// `weight · teacher + (1 − weight) · token`: cross-entropy is linear in its goal.
fn mixture(teacher: Distribution, token: u32, weight: f64) -> Distribution {
    let Distribution { mut tokens, probabilities } = teacher;
    let mut probabilities: Vec<f32> = probabilities.into_iter().map(|p| (f64::from(p) * weight) as f32).collect();
    let at = tokens.iter().position(|&other| other == token).unwrap_or_else(|| {
        tokens.push(token);
        probabilities.push(0.0);
        tokens.len() - 1
    });
    probabilities[at] += (1.0 - weight) as f32;
    Distribution { tokens, probabilities }
}

/// How often a feature fires: the share of completion tokens of some suffixes whose pre-activation is above
/// its threshold, and the mean of the activation there and elsewhere (JumpReLU; Rajamanoharan et al. 2024).
pub fn firing(
    search: &Search<'_>,
    params: &Params,
    prefix: &PrefixInput,
    indices: &[usize],
) -> Result<(f64, f64), StageError> {
    let hidden_size = search.objective.backend().config().hidden_size;
    let (feature, threshold) =
        open(params, &search.saes, hidden_size).map_err(|error| StageError::Constraints(error.to_string()))?;
    let (mut fired, mut sum, mut count) = (0usize, 0.0, 0usize);
    for stream in search.objective.residual_streams(prefix, indices, params.usize("layer"))? {
        let pre = stream.matmul(&feature.encoder.unsqueeze(1)?)?.flatten_all()?.to_vec1::<f32>()?;
        for pre in pre.into_iter().map(|pre| pre + feature.bias) {
            let fires = pre > threshold && pre > 0.0;
            fired += usize::from(fires);
            sum += if fires { f64::from(pre) } else { 0.0 };
            count += 1;
        }
    }
    let count = count.max(1) as f64;
    Ok((fired as f64 / count, sum / count))
}
