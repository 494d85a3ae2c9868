//! Conversations that begin in a room: where a team begins them.

use tracing::info;

use super::{Ctx, Line, notices::notice};
use crate::{
    model::{COMMAND_PREFIX, ChannelKind, CommandRow, RoomCommand},
    phrases::{Phrase, StartPhrase},
    store::StoreError,
};

/// Makes sure that each team has a room for its channel, where the settings want one.
pub async fn welcome_teams(ctx: &Ctx) -> Result<(), StoreError> {
    let wanting = ctx.channels.iter().filter(|(_, line)| line.channel.has_team_room);
    let names: Vec<_> = wanting.map(|(name, _)| name.clone()).collect();
    for channel in ctx.store.channels_to_welcome(&names).await? {
        let Some(line) = ctx.line(&channel) else { continue };
        welcome(ctx, line).await?;
    }
    Ok(())
}

async fn welcome(ctx: &Ctx, line: &Line) -> Result<(), StoreError> {
    let channel = &line.channel;
    let command = match channel.kind() {
        ChannelKind::Kim => RoomCommand::StartKim,
        ChannelKind::Fax => RoomCommand::StartFax,
    };
    let usage = CommandRow::of(command)
        .map_or_else(|| COMMAND_PREFIX.to_owned(), |row| row.usage(channel.language));
    let phrase = StartPhrase::TeamRoom { channel: channel.label.clone(), usage };
    let said = notice(line, &Phrase::OfStart(phrase));
    let whose = (&channel.name, channel.kind());
    ctx.store.welcome_team(whose, &said, ctx.clock.now()).await?;
    info!(channel.name = %channel.name, "The team of a channel has a room for it");
    Ok(())
}
