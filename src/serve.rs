//! Runs what is configured until it is told to stop: Discord, the workers, the health endpoint.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, http::StatusCode, routing::get};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    app::{App, ClusterNames, Problem},
    chat::{deliver::Delivery, discord},
    store::{Queues, Store},
    worker::Binding,
};

/// The section `[serve]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where `/healthz` answers, e.g. `0.0.0.0:8080`; empty for nowhere.
    pub listen: String,
}

/// Edits of a progress post are at least this far apart.
const COALESCE: Duration = Duration::from_millis(1500);

/// Serves until SIGTERM or ctrl-c, or until something that it needs is refused for good.
pub async fn serve(app: &Arc<App>) -> Result<(), Problem> {
    let stop = CancellationToken::new();
    let health = listen(app, &stop).await?;
    let discord = app.config.discord.enabled();
    if !discord && health.is_none() {
        return Err(Problem::Setup(
            "there is nothing to serve: set discord.token (KUBERT_DISCORD__TOKEN), or serve.listen for the health \
             endpoint alone"
                .into(),
        ));
    }
    let ended = if discord {
        let running = run_discord(app, &stop).await?;
        tokio::select! {
            ended = running => ended,
            () = told_to_stop() => Ok(()),
        }
    } else {
        told_to_stop().await;
        Ok(())
    };
    stop.cancel();
    app.close().await;
    ended
}

/// Starts the workers and gives what runs for as long as Discord does.
async fn run_discord(
    app: &Arc<App>,
    stop: &CancellationToken,
) -> Result<impl Future<Output = Result<(), Problem>> + use<>, Problem> {
    let config = app.config.discord.clone();
    let queues = Queues {
        turn: format!("turn/{}", app.cluster.name()),
        deliver: Some(format!("deliver/{}", discord::NAME)),
    };
    let inlet = discord::Inlet {
        store: app.store.clone(),
        cluster: app.cluster.name().to_owned(),
        queues: queues.clone(),
        names: Arc::new(ClusterNames::new(app.cluster.clone())),
        ledger: app.ledger(),
    };
    let bot = discord::Discord::new(&config).map_err(|e| Problem::Setup(e.to_string()))?;
    let delivery = Delivery::new(app.store.clone(), Arc::new(bot.clone()), COALESCE);
    app.work(vec![
        app.turns(&queues.turn),
        Binding {
            queue: queues.deliver.unwrap_or_default(),
            work: Arc::new(delivery),
            at_once: app.config.worker.deliveries,
        },
    ]);
    tracing::info!(cluster = app.cluster.name(), "{}", app.introduction());
    let stop = stop.clone();
    Ok(async move { discord::run(bot, inlet, stop).await.map_err(|e| Problem::Failed(e.to_string())) })
}

/// Answers `/healthz` if an address is configured.
async fn listen(app: &Arc<App>, stop: &CancellationToken) -> Result<Option<SocketAddr>, Problem> {
    let address = &app.config.serve.listen;
    if address.is_empty() {
        return Ok(None);
    }
    let listener = TcpListener::bind(address).await.map_err(|e| {
        Problem::Setup(format!(
            "cannot listen on {address}: {e}; serve.listen takes an address like 127.0.0.1:8080"
        ))
    })?;
    let bound = listener.local_addr().map_err(|e| Problem::Failed(e.to_string()))?;
    let store = app.store.clone();
    let routes = Router::new().route("/healthz", get(move || health(store.clone())));
    let stopped = stop.clone().cancelled_owned();
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).with_graceful_shutdown(stopped).await {
            tracing::error!(%error, "the health endpoint ended");
        }
    });
    tracing::info!(%bound, "listening");
    Ok(Some(bound))
}

async fn health(store: Store) -> (StatusCode, &'static str) {
    match store.ping().await {
        Ok(()) => (StatusCode::OK, "ok\n"),
        Err(error) => {
            tracing::error!(%error, "the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
        }
    }
}

/// Resolves on SIGTERM or ctrl-c.
pub(crate) async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
