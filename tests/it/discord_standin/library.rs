//! The library that we use, against the stand-in.

use serenity::{
    all::{Context, EventHandler, GatewayIntents, Message, Ready},
    async_trait,
    http::HttpBuilder,
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::support::discord::Discord;

struct Ear(UnboundedSender<String>);

#[async_trait]
impl EventHandler for Ear {
    async fn ready(&self, _: Context, ready: Ready) {
        self.0.send(format!("ready {} in {}", ready.user.name, ready.guilds.len())).unwrap();
    }

    async fn message(&self, _: Context, message: Message) {
        let roles = message.member.map_or(0, |member| member.roles.len());
        let mentions = message.mentions.len();
        self.0
            .send(format!(
                "{}: {} ({roles} roles, {mentions} mentions)",
                message.author.name, message.content
            ))
            .unwrap();
    }
}

#[tokio::test]
async fn the_library_gets_ready_and_hears_a_message() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let discord = Discord::start();
    let home = discord.home();
    let role = discord.role(home.guild, "sre");
    discord.join(home.guild, home.person, &[role]);
    let http = HttpBuilder::new(discord.token()).proxy(discord.api()).ratelimiter_disabled(true).build();
    let intents = GatewayIntents::GUILDS | GatewayIntents::GUILD_MESSAGES | GatewayIntents::MESSAGE_CONTENT;
    let (heard, mut hears) = unbounded_channel();
    let builder = serenity::client::ClientBuilder::new_with_http(http, intents).event_handler(Ear(heard));
    let mut client = builder.await.unwrap();
    let shards = client.shard_manager.clone();
    let running = tokio::spawn(async move { client.start().await });

    discord.wait_ready().await;
    assert_eq!(hears.recv().await.unwrap(), "ready kuBERTnetes in 1");
    discord.user_says(home.channel, home.person, &format!("{} hello", discord.mention()));
    let wanted = format!("mira: {} hello (1 roles, 1 mentions)", discord.mention());
    assert_eq!(hears.recv().await.unwrap(), wanted);

    shards.shutdown_all().await;
    running.await.unwrap().unwrap();
    discord.wait_until("the session to end", |world| world.gateway.listening() == 0).await;
    discord.assert_faithful();
}
