//! Listens to Discord's gateway: connects, stays connected, and passes on what it hears.

use std::{future::IntoFuture, sync::Arc, time::Duration};

use async_trait::async_trait;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serenity::{
    all::{
        Client, ClientBuilder, Context, EventHandler, GatewayError, GatewayIntents, Guild, GuildChannel,
        HttpBuilder, Interaction, Message, PartialGuildChannel, Ready, ResumedEvent, Route,
        ShardStageUpdateEvent, ThreadListSyncEvent,
    },
    gateway::ConnectionStage,
    model::id::{ApplicationId, GuildId},
};
use tokio_util::sync::CancellationToken;

use super::{
    Discord, Inlet, Sentence,
    ask::Ask,
    commands,
    config::{Commands, Settings},
    door::Door,
    rest::Error,
};

/// Listens until `stop`, or until something is wrong that only a person can mend: then the sentence for them.
/// Everything that is said goes to `inlet`. Broken connections and outages of Discord are waited out.
pub async fn run(discord: Discord, inlet: Inlet, stop: CancellationToken) -> Result<(), Sentence> {
    let Some(found) = stop.run_until_cancelled(find_gateway(&discord)).await else { return Ok(()) };
    let (gateway, me) = found?;
    let door = Arc::new(Door::new(discord, inlet, me, stop.clone()));
    let Some(client) = stop.run_until_cancelled(client(&door)).await else { return Ok(()) };
    let mut client = client?;
    // The client asks for the gateway's address too, and takes the public one if that fails: it must not.
    client.ws_url.lock().await.clone_from(&gateway.url);
    tracing::info!(shards = gateway.shards, "connecting to Discord");
    listen(&mut client, gateway.shards, &stop).await
}

/// The library's client. It has no deadline for its own first question, so it gets ours.
async fn client(door: &Arc<Door>) -> Result<Client, Sentence> {
    let settings = door.discord.settings();
    loop {
        let http = HttpBuilder::new(settings.token.expose_secret())
            .proxy(&settings.base)
            .ratelimiter_disabled(true)
            .build();
        let client =
            ClientBuilder::new_with_http(http, intents(settings)).event_handler(Ears { door: door.clone() });
        match tokio::time::timeout(settings.timeout, client.into_future()).await {
            Ok(made) => return made.map_err(|e| Sentence(format!("cannot listen to Discord: {e}"))),
            Err(_) => tracing::warn!("waiting for Discord"),
        }
    }
}

async fn listen(client: &mut Client, shards: u32, stop: &CancellationToken) -> Result<(), Sentence> {
    let manager = client.shard_manager.clone();
    let ended = stop.run_until_cancelled(client.start_shards(shards.max(1))).await;
    let closing = tokio::spawn(async move { manager.shutdown_all().await });
    match ended {
        None => {
            let _ = closing.await;
            tracing::info!("left Discord");
            Ok(())
        }
        Some(Ok(())) => Err(Sentence("the connection to Discord ended; start again".into())),
        Some(Err(error)) => Err(Sentence(why_not(&error))),
    }
}

#[derive(Deserialize)]
struct Gateway {
    url: String,
    shards: u32,
    session_start_limit: StartLimit,
}

/// How often a bot may start a session; one that does so more often has its token reset.
#[derive(Deserialize)]
struct StartLimit {
    remaining: u64,
    /// Milliseconds.
    reset_after: u64,
}

/// The gateway's address and the bot's own user, asked for until Discord answers. This is where a wrong token shows.
async fn find_gateway(discord: &Discord) -> Result<(Gateway, serenity::model::id::UserId), Sentence> {
    let ask = async || {
        let gateway: Gateway = discord.rest().fetch(&Ask::get(Route::GatewayBot)).await?;
        Ok::<_, Error>((gateway, discord.me().await?))
    };
    let mut pause = Duration::from_millis(500);
    loop {
        let error = match ask().await {
            Ok((gateway, _)) if gateway.session_start_limit.remaining == 0 => {
                Error::Busy(Duration::from_millis(gateway.session_start_limit.reset_after))
            }
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        match &error {
            Error::Status { status, .. } if status.as_u16() == 401 => {
                return Err(Sentence(WRONG_TOKEN.into()));
            }
            error if !error.is_passing() => {
                return Err(Sentence(format!(
                    "{} does not let the bot in: {error}; check discord.api (KUBERT_DISCORD__API) and discord.token",
                    discord.settings().base
                )));
            }
            error => tracing::warn!(%error, "waiting for Discord"),
        }
        let wait = if let Error::Busy(wait) = error { wait } else { pause };
        tokio::time::sleep(wait).await;
        pause = (pause * 2).min(Duration::from_secs(60));
    }
}

const WRONG_TOKEN: &str = "Discord does not know this bot token: set discord.token (KUBERT_DISCORD__TOKEN) to the one \
                           that the developer portal gives (your application, Bot, Reset Token)";

fn intents(settings: &Settings) -> GatewayIntents {
    let content =
        if settings.mention_only { GatewayIntents::empty() } else { GatewayIntents::MESSAGE_CONTENT };
    GatewayIntents::GUILDS | GatewayIntents::GUILD_MESSAGES | content
}

fn why_not(error: &serenity::Error) -> String {
    match error {
        serenity::Error::Gateway(GatewayError::InvalidAuthentication) => WRONG_TOKEN.into(),
        serenity::Error::Gateway(
            GatewayError::DisallowedGatewayIntents | GatewayError::InvalidGatewayIntents,
        ) => "Discord does not let the bot read messages: turn on Message Content Intent in the developer portal (your \
              application, Bot, Privileged Gateway Intents), or set discord.mention_only = true \
              (KUBERT_DISCORD__MENTION_ONLY) to have it hear only messages that mention it"
            .into(),
        other => format!("the connection to Discord ended: {other}"),
    }
}

struct Ears {
    door: Arc<Door>,
}

impl Ears {
    async fn register(&self, application: ApplicationId, guild: Option<GuildId>) {
        let wanted = self.door.discord.settings().commands;
        if let Err(error) = commands::register(self.door.discord.rest(), application, guild, wanted).await {
            tracing::warn!(guild = guild.map(GuildId::get), %error,
                "cannot register the slash commands: invite the bot again with the scope applications.commands");
        }
    }
}

#[async_trait]
impl EventHandler for Ears {
    async fn ready(&self, _: Context, ready: Ready) {
        tracing::info!(bot = ready.user.name, guilds = ready.guilds.len(), "ready on Discord");
        self.door.catch_up_conversations().await;
        self.register(ready.application.id, None).await;
    }

    async fn resume(&self, _: Context, _: ResumedEvent) {
        tracing::info!("back on Discord, nothing was missed");
    }

    async fn shard_stage_update(&self, _: Context, change: ShardStageUpdateEvent) {
        if change.old == ConnectionStage::Connected {
            tracing::info!(now = %change.new, "lost the connection to Discord");
        }
    }

    async fn guild_create(&self, context: Context, guild: Guild, _: Option<bool>) {
        self.door.channels.learn_guild(&guild, self.door.me);
        self.door.catch_up_guild(&guild).await;
        let settings = self.door.discord.settings();
        let serves = settings.allow.guild(guild.id) || settings.commands != Commands::Guild;
        if let (Some(application), true) = (context.http.application_id(), serves) {
            self.register(application, Some(guild.id)).await;
        }
    }

    async fn channel_create(&self, _: Context, channel: GuildChannel) {
        self.door.channels.learn(&channel);
    }

    async fn channel_delete(&self, _: Context, channel: GuildChannel, _: Option<Vec<Message>>) {
        self.door.channels.forget(channel.id);
    }

    async fn thread_create(&self, _: Context, thread: GuildChannel) {
        self.door.channels.learn(&thread);
    }

    async fn thread_update(&self, _: Context, _: Option<GuildChannel>, thread: GuildChannel) {
        self.door.channels.learn(&thread);
    }

    async fn thread_list_sync(&self, _: Context, sync: ThreadListSyncEvent) {
        sync.threads.iter().for_each(|thread| self.door.channels.learn(thread));
    }

    async fn thread_delete(&self, _: Context, thread: PartialGuildChannel, _: Option<GuildChannel>) {
        self.door.channels.forget(thread.id);
    }

    async fn message(&self, _: Context, message: Message) {
        self.door.hear(message, false).await;
    }

    async fn interaction_create(&self, _: Context, interaction: Interaction) {
        self.door.interaction(&interaction).await;
    }
}
