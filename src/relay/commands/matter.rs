//! `!übernehmen`, `!übergeben`, `!erledigt` and `!offen`: who takes care of a conversation, and what waits.

use tracing::info;

use super::{Effect, Request};
use crate::{
    model::{ConversationId, RoomCommand},
    phrases::{MatterPhrase, Phrase},
    relay::{members, tray},
    rules::matters::MatterStep,
    store::{EventStep, MatterMoved, StoreError},
};

/// A step that a member takes.
pub(in crate::relay) struct SpokenStep {
    step: MatterStep,
    /// The member.
    author: String,
    /// The message that the command answers: in a tray, the line that it is about.
    replies_to: Option<String>,
    is_tray: bool,
}

pub(super) async fn prepare(
    request: &Request<'_>,
    command: RoomCommand,
    person: Option<&str>,
) -> Result<Result<Effect, Phrase>, StoreError> {
    let message = request.message;
    let author = message.sender.to_string();
    let is_tray = request.ctx.store.is_tray(request.conversation).await?;
    let step = match command {
        RoomCommand::HandOver => match colleague(request, person) {
            Ok(colleague) => MatterStep::Take(colleague),
            Err(phrase) => return Ok(Err(phrase)),
        },
        RoomCommand::Done => MatterStep::Done,
        RoomCommand::Open if is_tray => {
            return tray::list(request.ctx, request.line).await.map(Err);
        }
        RoomCommand::Open if !request.line.channel.lets_speak(&author) => {
            return Ok(Err(Phrase::NotASpeaker));
        }
        RoomCommand::Open => MatterStep::Open,
        _ => MatterStep::Take(author.clone()),
    };
    let replies_to = message.replies_to.as_ref().map(ToString::to_string);
    Ok(Ok(Effect::Matter(Box::new(SpokenStep { step, author, replies_to, is_tray }))))
}

/// The member of the team that is named.
fn colleague(request: &Request<'_>, person: Option<&str>) -> Result<String, Phrase> {
    let user = person.and_then(|person| members::parse(request.ctx, person));
    let user = user.ok_or(Phrase::MemberUnclear)?.to_string();
    if !request.line.channel.team.contains(&user) {
        return Err(Phrase::OfMatter(MatterPhrase::NotOfTeam { member: user }));
    }
    Ok(user)
}

pub(super) async fn run(
    step: &mut EventStep<'_>,
    room_of: ConversationId,
    spoken: &SpokenStep,
) -> Result<Phrase, StoreError> {
    let which_one = Phrase::OfMatter(MatterPhrase::WhichOne);
    let conversation = match (&spoken.replies_to, spoken.is_tray) {
        (_, false) => room_of,
        (None, true) => return Ok(which_one),
        (Some(line), true) => match step.conversation_behind(room_of, line).await? {
            Some(conversation) => conversation,
            None => return Ok(which_one),
        },
    };
    let moved = step.move_matter(conversation, &spoken.step, &spoken.author, None).await?;
    let Some(moved) = moved else { return Ok(which_one) };
    info!(conversation.id = %conversation, step = spoken.step.word(), "A member moved what conversation {conversation} asks");
    Ok(Phrase::OfMatter(phrase_of(&spoken.step, &spoken.author, &moved)))
}

fn phrase_of(step: &MatterStep, author: &str, moved: &MatterMoved) -> MatterPhrase {
    let member = author.to_owned();
    let is_news = moved.after.differs(&moved.before);
    match step {
        MatterStep::Take(holder) if holder == author => MatterPhrase::Taken { member },
        MatterStep::Take(holder) => MatterPhrase::HandedOver { member, to: holder.clone() },
        MatterStep::Done if !is_news => MatterPhrase::IsDone,
        MatterStep::Done => MatterPhrase::Done { member },
        _ if !is_news => MatterPhrase::IsOpen,
        _ => MatterPhrase::Opened { member },
    }
}
