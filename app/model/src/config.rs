//! What the adapter is told: providers, keys, prices, and how patient it is.

use std::sync::Arc;
use std::time::Duration;

use gatewright_core::model::ModelName;
use gatewright_core::secret::SecretString;

use crate::prices::Prices;
use crate::scripted::Scripted;

/// The models of a service.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The providers, each with a name of its own.
    pub providers: Vec<ProviderConfig>,
    /// The models to ask where nothing else is said, the first one at the front.
    pub usual: Vec<ModelName>,
    /// How often and how long is tried.
    pub patience: Patience,
}

/// A provider.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// Its name: what stands before the slash of its models' names.
    pub name: String,
    /// Which one it is.
    pub kind: Kind,
    /// What its models cost.
    pub prices: Prices,
    /// So many questions to it are under way at once; further ones wait.
    pub concurrency: usize,
    /// It has so long for an answer.
    pub timeout: Duration,
    /// Whether programs that repositories run as agents may ask it with its key. What that costs nobody counts here.
    pub programs: bool,
}

impl ProviderConfig {
    /// So many questions to a provider are under way at once where nothing else is said.
    pub const CONCURRENCY: usize = 8;

    /// A provider has so long for an answer where nothing else is said. Long answers of models that think take minutes.
    pub const TIMEOUT: Duration = Duration::from_secs(300);

    /// A provider with the usual limits and without prices, for the service's own agents alone.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        let (concurrency, timeout) = (Self::CONCURRENCY, Self::TIMEOUT);
        ProviderConfig { name: name.into(), kind, prices: Prices::default(), concurrency, timeout, programs: false }
    }
}

/// Which provider it is, and where.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Anthropic's Messages API.
    Anthropic(Endpoint),
    /// OpenAI's Chat Completions, and whatever speaks the same at another address.
    OpenAi(Endpoint),
    /// Google's Gemini API.
    Gemini(Endpoint),
    /// Perplexity's Responses API.
    Perplexity(Endpoint),
    /// An Ollama.
    Ollama {
        /// Where it is.
        endpoint: Endpoint,
        /// The size of its models' context. Without it Ollama takes a small one and drops what does not fit, silently.
        context_tokens: Option<u32>,
    },
    /// A script.
    Scripted(Arc<Scripted>),
}

/// Where a provider is, and how it knows us.
#[derive(Debug, Clone, Default)]
pub struct Endpoint {
    /// Its address, with or without a slash at its end. None: the provider's own.
    pub url: Option<String>,
    /// The key.
    pub key: Option<SecretString>,
}

/// How often and how long is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// A model is asked so often before the next one is, the first time counted.
    pub tries_max: u32,
    /// The first wait between two tries, where the provider names none. It doubles.
    pub pause: Duration,
    /// The longest wait between two tries. Where a provider asks for more, the next model is asked.
    pub pause_max: Duration,
    /// A connection has to stand within this time.
    pub connect: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            tries_max: 3,
            pause: Duration::from_secs(1),
            pause_max: Duration::from_secs(30),
            connect: Duration::from_secs(10),
        }
    }
}

/// Why there can be no models of this configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Two of one name.
    #[error("there are two providers of models named `{0}`")]
    SameName(String),
    /// Not an address.
    #[error("the address of the provider `{provider}` cannot be used: {cause}")]
    Url {
        /// The provider.
        provider: String,
        /// Why.
        cause: String,
    },
    /// It has characters that no header can hold. It is not repeated.
    #[error("the key of the provider `{0}` cannot be sent: it holds characters that no HTTP header can")]
    Key(String),
    /// The HTTP client.
    #[error("no HTTP client can be made: {0}")]
    Client(String),
}
