//! The gradient of the weighted cross-entropy with respect to the prefix's input embeddings.

use crate::goldens::{Case, Subject, relative_error};
use candle_core::{DType, Tensor, Var};
use shared::metrics::{token_weight, weighted_ce};
use shared::model::Past;
use shared::model::score::{nll, nll_with_surrogate};

/// `‖found − expected‖ / ‖expected‖` against transformers.
const TOLERANCE: f32 = 1e-3;
/// The same between two ways to the same gradient here.
const ROUNDING: f32 = 1e-4;

impl Subject<'_> {
    /// Weight of each completion token over the sum of all.
    fn weights(&self, case: &Case) -> Vec<f32> {
        let weight = |t| token_weight(t, self.golden.early_k, self.golden.early_weight);
        let total: f64 = (0..case.targets().len()).map(weight).sum();
        (0..case.targets().len()).map(|t| (weight(t) / total) as f32).collect()
    }

    /// Embeddings of a case from position `start` on, with `prefix` where its prefix stands.
    fn embeds(&self, case: &Case, start: usize, prefix: &Tensor) -> Tensor {
        let before = self.model.embed(&case.ids[start..case.prefix().start]);
        let after = self.model.embed(&case.ids[case.prefix().end..]).unwrap();
        // candle has no empty tensors to look up.
        let parts = if start == case.prefix().start {
            vec![prefix.clone(), after]
        } else {
            vec![before.unwrap(), prefix.clone(), after]
        };
        Tensor::cat(&parts, 0).unwrap()
    }

    /// The hidden states that predict the completion, out of those from position `start` on.
    fn rows_of_completion(&self, case: &Case, start: usize, hidden: &Tensor) -> Tensor {
        hidden.narrow(0, case.completion().start - 1 - start, case.targets().len()).unwrap()
    }

    fn prefix(&self, case: &Case) -> Var {
        Var::from_tensor(&self.model.embed(&case.ids[case.prefix()]).unwrap()).unwrap()
    }

    /// Weighted cross-entropy of a case with these embeddings as its prefix.
    fn loss(&self, case: &Case, prefix: &Tensor) -> f64 {
        let embeds = self.embeds(case, 0, prefix).unsqueeze(0).unwrap();
        let hidden = self.model.forward(&embeds, None).unwrap().0.squeeze(0).unwrap();
        let nll = nll(self.model, &self.rows_of_completion(case, 0, &hidden), case.targets()).unwrap();
        weighted_ce(&nll, self.golden.early_k, self.golden.early_weight).0
    }

    /// The weighted cross-entropy and its gradient, the model being run from position `start` on.
    fn gradient(&self, case: &Case, start: usize, past: Option<&Past>) -> (f64, Tensor) {
        let prefix = self.prefix(case);
        let embeds = self.embeds(case, start, &prefix).unsqueeze(0).unwrap();
        let hidden = self.model.forward(&embeds, past).unwrap().0.squeeze(0).unwrap();
        let rows = self.rows_of_completion(case, start, &hidden);
        let (nll, surrogate) = nll_with_surrogate(self.model, &rows, case.targets(), &self.weights(case)).unwrap();
        let ce = weighted_ce(&nll, self.golden.early_k, self.golden.early_weight).0;
        (ce, surrogate.backward().unwrap().get(&prefix).unwrap().clone())
    }
}

pub fn equals_transformers(subject: &Subject<'_>) {
    for case in subject.golden.cases.iter().filter(|case| !case.prefix().is_empty()) {
        let (ce, found) = subject.gradient(case, 0, None);
        assert!((ce - case.weighted_ce).abs() < 1e-3, "{}, {}: {ce}", subject.golden.name, case.id);
        let expected = subject.golden.tensor(case, "gradient").unwrap();
        let error = relative_error(&found, expected);
        assert!(error <= TOLERANCE, "{}, {}: relative error {error}", subject.golden.name, case.id);
    }
}

/// `(loss(x + h·d) − loss(x − h·d)) / 2h` along the gradient, along a fixed direction that is not it,
/// and along single coordinates.
pub fn equals_finite_differences(subject: &Subject<'_>) {
    let case = &subject.golden.cases[0];
    let prefix = subject.prefix(case);
    let (_, gradient) = subject.gradient(case, 0, None);
    let dims = gradient.dims2().unwrap();
    let norm = gradient.sqr().unwrap().sum_all().unwrap().sqrt().unwrap().to_scalar::<f32>().unwrap();

    let mut directions = vec![(&gradient / f64::from(norm)).unwrap()];
    let zigzag: Vec<f32> = (0..dims.0 * dims.1).map(|i| [0.3, -0.7, 1.0, 0.1, -0.4][i * 7 % 5]).collect();
    let zigzag = Tensor::from_vec(zigzag, dims, gradient.device()).unwrap();
    let length = zigzag.sqr().unwrap().sum_all().unwrap().sqrt().unwrap().to_scalar::<f32>().unwrap();
    directions.push((zigzag / f64::from(length)).unwrap());
    for row in 0..dims.0.min(3) {
        let mut one = vec![0.0_f32; dims.0 * dims.1];
        one[row * dims.1 + (3 * row + 1) % dims.1] = 1.0;
        directions.push(Tensor::from_vec(one, dims, gradient.device()).unwrap());
    }

    let h = 1e-2;
    for (number, direction) in directions.iter().enumerate() {
        let step = |scale: f64| (prefix.as_tensor() + (direction * scale).unwrap()).unwrap();
        let difference = |h: f64| (subject.loss(case, &step(h)) - subject.loss(case, &step(-h))) / (2.0 * h);
        // Richardson: cancels the error in h², so that h can be large against f32's rounding.
        let measured = (4.0 * difference(h / 2.0) - difference(h)) / 3.0;
        let analytic = f64::from((&gradient * direction).unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap());
        let allowed = 5e-3 * f64::from(norm) + 2e-4;
        let name = format!("{}, direction {number}", subject.golden.name);
        assert!((measured - analytic).abs() <= allowed, "{name}: {analytic}, measured {measured} (norm {norm})");
    }
}

/// With the linear layers in half precision, as GPUs screen candidates, nothing else changes: the loss and
/// the gradient move by as much as rounding the weights moves them. (f16 here: candle's CPU kernels know
/// no bf16.)
pub fn survives_half_precision(subject: &Subject<'_>) {
    let half = subject.model.with_linear_layers_in(DType::F16).unwrap();
    let half = Subject { golden: subject.golden, model: &half };
    for case in subject.golden.cases.iter().filter(|case| !case.prefix().is_empty()) {
        let ((exact, gradient), (ce, rounded)) = (subject.gradient(case, 0, None), half.gradient(case, 0, None));
        let name = format!("{}, {}", subject.golden.name, case.id);
        assert!(ce != exact && (ce - exact).abs() < 1e-2, "{name}: {ce}, in f32 {exact}");
        let error = relative_error(&rounded, &gradient);
        assert!(error < 2e-2, "{name}: relative error {error}");
    }
}

/// What runs before the prefix may come from a kept past, and several sequences may share a batch
/// and the prefix: the gradient of a sum is the sum of the gradients.
pub fn after_a_past_and_in_a_batch(subject: &Subject<'_>) {
    let cases = &subject.golden.cases;
    let case = cases.iter().find(|case| case.prefix().start > 0 && !case.prefix().is_empty()).unwrap();
    let (_, whole) = subject.gradient(case, 0, None);
    let start = case.prefix().start;
    let (_, past) = subject.hidden(&case.ids[..start], None);
    let (_, after_past) = subject.gradient(case, start, Some(&past));
    let error = relative_error(&after_past, &whole);
    assert!(error <= ROUNDING, "{}: after a past, relative error {error}", subject.golden.name);

    // The same prefix before the case's own rest and before another.
    let mut other = case.ids.clone();
    let end = case.completion().end;
    other[case.prefix().end..].rotate_left(1);
    let prefix = subject.prefix(case);
    let rest = |ids: &[u32]| {
        let embeds = [
            subject.model.embed(&ids[..start]).unwrap(),
            prefix.as_tensor().clone(),
            subject.model.embed(&ids[case.prefix().end..]).unwrap(),
        ];
        Tensor::cat(&embeds, 0).unwrap()
    };
    let batch = Tensor::stack(&[rest(&case.ids), rest(&other)], 0).unwrap();
    let (hidden, _) = subject.model.forward(&batch, None).unwrap();
    let rows: Vec<Tensor> = (0..2).map(|row| subject.rows_of_completion(case, 0, &hidden.get(row).unwrap())).collect();
    let targets = [case.targets(), &other[case.completion().start..end]].concat();
    let weights = subject.weights(case).repeat(2);
    let rows = Tensor::cat(&rows, 0).unwrap();
    let (_, surrogate) = nll_with_surrogate(subject.model, &rows, &targets, &weights).unwrap();
    let together = surrogate.backward().unwrap().get(&prefix).unwrap().clone();

    let other = Case::with_ids(case, other);
    let (_, of_other) = subject.gradient(&other, 0, None);
    let error = relative_error(&together, &(whole + of_other).unwrap());
    assert!(error <= ROUNDING, "{}: in a batch, relative error {error}", subject.golden.name);
}
