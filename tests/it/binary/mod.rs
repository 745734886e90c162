//! Tests of the program as it is shipped: a process, its arguments, its environment, what it prints and how it ends.

mod answers;
mod big_log;
mod discord;
mod kill;
mod kubectl;
mod setup;
mod snapshot;

use kubertnetes::llm::Provider;

use crate::support::{binary::Home, llm::ScriptedServer};

/// The home with a model `scripted` behind an API, which `server` is.
fn with_model(home: Home, server: &ScriptedServer, provider: Provider) -> Home {
    let provider = if provider == Provider::OpenAi { "openai" } else { "anthropic" };
    home.set("KUBERT_LLM__MODELS__SCRIPTED__PROVIDER", provider)
        .set("KUBERT_LLM__MODELS__SCRIPTED__URL", &server.url())
        .set("KUBERT_LLM__MODELS__SCRIPTED__MODEL", "script-1")
        .set("KUBERT_LLM__MODELS__SCRIPTED__API_KEY", "key-of-the-script")
}
