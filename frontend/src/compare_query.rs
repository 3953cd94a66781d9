//! What the comparison shows: a pure function of the query in the page's address.

use crate::query_string;

/// Rows that are drawn at first, and how many more each time that more are asked for.
pub const PAGE_ROWS: usize = 10;

/// What the comparison is narrowed to, and against what methods are measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompareQuery {
    /// The method that others are compared with.
    pub baseline: Option<String>,
    /// The one model that is shown.
    pub model: Option<String>,
    /// The one reference prefix that is shown.
    pub teacher: Option<String>,
    /// The one method that is shown.
    pub method: Option<String>,
    /// Most rows that are drawn.
    pub limit: usize,
}

impl Default for CompareQuery {
    fn default() -> Self {
        CompareQuery { baseline: None, model: None, teacher: None, method: None, limit: PAGE_ROWS }
    }
}

impl CompareQuery {
    /// Reads the query of an address, without its question mark. What makes no sense is left out.
    pub fn parse(query: &str) -> CompareQuery {
        let mut parsed = CompareQuery::default();
        for (name, value) in query_string::read(query).into_iter().filter(|(_, value)| !value.is_empty()) {
            match name.as_str() {
                "baseline" => parsed.baseline = Some(value),
                "model" => parsed.model = Some(value),
                "teacher" => parsed.teacher = Some(value),
                "method" => parsed.method = Some(value),
                "show" => parsed.limit = value.parse().unwrap_or(PAGE_ROWS).max(PAGE_ROWS),
                _ => {}
            }
        }
        parsed
    }

    /// The address of the comparison with this query.
    pub fn address(&self) -> String {
        let limit = (self.limit != PAGE_ROWS).then(|| self.limit.to_string());
        let parts = [
            ("baseline", &self.baseline),
            ("model", &self.model),
            ("teacher", &self.teacher),
            ("method", &self.method),
            ("show", &limit),
        ];
        let pairs: Vec<(&str, &str)> =
            parts.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
        let query = query_string::write(&pairs);
        if query.is_empty() { "/compare".to_owned() } else { format!("/compare?{query}") }
    }

    /// Whether some tasks or methods may be left out.
    pub fn is_narrowed(&self) -> bool {
        self.model.is_some() || self.teacher.is_some() || self.method.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_comparison_survives_the_address() {
        let texts = [None, Some("Talk only about cats."), Some("best (a.b 1, c \"ü\" & 2 more)"), Some("a+b=c?#%41")];
        let text = |n: usize| texts[n % 4].map(str::to_owned);
        for n in 0..256 {
            let query = CompareQuery {
                baseline: text(n),
                model: text(n / 4),
                teacher: text(n / 16),
                method: text(n / 64),
                limit: PAGE_ROWS * (1 + n % 3),
            };
            let address = query.address();
            let written = address.strip_prefix("/compare").unwrap().trim_start_matches('?');
            assert_eq!(CompareQuery::parse(written), query, "{address}");
        }
        assert_eq!(CompareQuery::default().address(), "/compare");
        assert_eq!(CompareQuery::parse("show=-1&colour=red&baseline="), CompareQuery::default());
    }
}
