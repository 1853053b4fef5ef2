//! How a sandbox asks a provider without knowing its key: the header that is set outside of it.

use gatewright_core::sandbox::Injection;
use gatewright_core::secret::{ExposeSecret, SecretString};

use crate::config::{Endpoint, Kind, ProviderConfig};
use crate::models::{ANTHROPIC_URL, GEMINI_URL, OPENAI_URL, PERPLEXITY_URL};

/// The injection for a provider. None where programs may not use it, it has no key, or is none that anybody can ask.
pub(crate) fn injection(provider: &ProviderConfig) -> Option<Injection> {
    if !provider.programs {
        return None;
    }
    let bearer = |key: &SecretString| SecretString::from(format!("Bearer {}", key.expose_secret()));
    let (Endpoint { url, key }, usual, header) = match &provider.kind {
        Kind::Anthropic(endpoint) => (endpoint, ANTHROPIC_URL, "x-api-key"),
        Kind::OpenAi(endpoint) => (endpoint, OPENAI_URL, "authorization"),
        Kind::Gemini(endpoint) => (endpoint, GEMINI_URL, "x-goog-api-key"),
        Kind::Perplexity(endpoint) => (endpoint, PERPLEXITY_URL, "authorization"),
        Kind::Ollama { .. } | Kind::Scripted(_) => return None,
    };
    let key = key.as_ref()?;
    let secret = if header == "authorization" { bearer(key) } else { key.clone() };
    let base_url = url.clone().unwrap_or_else(|| usual.to_owned());
    Some(Injection { name: provider.name.clone(), base_url, header: (header.to_owned(), secret) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_provider_gets_its_key_in_its_own_header() {
        let endpoint = || Endpoint { url: None, key: Some(SecretString::from("k".to_owned())) };
        let of = |kind| {
            injection(&ProviderConfig { programs: true, ..ProviderConfig::new("it", kind) })
                .map(|injection| (injection.base_url, injection.header.0, injection.header.1.expose_secret().to_owned()))
        };
        let told = |url: &str, header: &str, value: &str| Some((url.to_owned(), header.to_owned(), value.to_owned()));
        assert_eq!(of(Kind::Anthropic(endpoint())), told("https://api.anthropic.com", "x-api-key", "k"));
        assert_eq!(of(Kind::OpenAi(endpoint())), told("https://api.openai.com/v1", "authorization", "Bearer k"));
        assert_eq!(of(Kind::OpenAi(Endpoint::default())), None);
    }
}
