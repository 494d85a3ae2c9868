//! Who is in a portal: members are invited, let in, told of and sent out again; and which of them
//! read.

use std::collections::BTreeSet;

use ruma::{OwnedUserId, RoomId, UserId};
use tracing::{info, warn};

use super::{
    Ctx, Line,
    notices::{notice, notice_for},
    stop::Stop,
};
use crate::{
    matrix::{ErrorKind, Invited, MatrixError},
    model::{ConversationId, Membership, Trust},
    phrases::{InsuredPhrase, InsuredUser, Phrase},
    rules::audience::{Admitted, Facts, Identity, Insured, Standing, insured, standing, wanted},
    store::{Job, Portal, PresentMember, STRANGERS_A_DAY_MAX, StoreError, ToldOf},
};

/// A user who is in a portal or invited.
#[derive(Debug, Clone)]
pub(super) struct PortalMember {
    pub(super) user: OwnedUserId,
    /// The bot or a ghost.
    pub(super) is_ours: bool,
    pub(super) insured: Insured,
    pub(super) standing: Standing,
    pub(super) known: PresentMember,
}

impl PortalMember {
    /// Whether the user has another identity than the known one.
    pub(super) fn has_changed(&self) -> bool {
        let identity = self.known.identity.as_ref();
        identity.is_some_and(|of| Identity { pinned: &of.pinned, seen: &of.seen }.is_changed())
    }

    fn is_listener(&self) -> bool {
        !self.is_ours && self.standing == Standing::Reader && self.known.has_joined
    }
}

/// Everybody who is in a portal or invited.
pub(super) async fn present(
    ctx: &Ctx,
    line: &Line,
    room: &RoomId,
) -> Result<Vec<PortalMember>, StoreError> {
    let present = ctx.store.present(room.as_str()).await?;
    let let_in: Vec<String> = present
        .iter()
        .filter(|member| member.admitted == Some(Admitted::In))
        .map(|member| member.user_id.clone())
        .collect();
    let members = present.into_iter().filter_map(|known| {
        let user = OwnedUserId::try_from(known.user_id.as_str()).ok()?;
        let is_ours = ctx.homeserver.is_ours(&user);
        let insured = insured_beside(ctx, line, &known.user_id, &let_in);
        let standing = standing(Facts {
            is_ours,
            in_team: line.channel.team.contains(&known.user_id),
            admitted: known.admitted,
            was_invited: known.was_invited,
            insured,
        });
        Some(PortalMember { user, is_ours, insured, standing, known })
    });
    Ok(members.collect())
}

/// What being an insured person means for a user, beside these others (TIM-18).
fn insured_beside<'a>(
    ctx: &Ctx,
    line: &Line,
    user: &str,
    others: impl IntoIterator<Item = &'a String>,
) -> Insured {
    let servers = &ctx.insurer_servers;
    let others: BTreeSet<&String> =
        others.into_iter().filter(|other| *other != user && servers.has_user(other)).collect();
    insured(servers.has_user(user), line.channel.insured_persons, others.len())
}

/// The same for a user who is to come into a portal: beside everybody who is in it, invited or let in.
pub(super) async fn insured_newcomer(
    ctx: &Ctx,
    line: &Line,
    conversation: ConversationId,
    room: &str,
    user: &str,
) -> Result<Insured, StoreError> {
    if !ctx.insurer_servers.has_user(user) {
        return Ok(Insured::No);
    }
    let mut others = ctx.store.present_members(room).await?;
    others.extend(ctx.store.admitted(conversation).await?);
    Ok(insured_beside(ctx, line, user, &others))
}

/// Those of them who read.
pub(super) async fn readers(
    ctx: &Ctx,
    line: &Line,
    room: &RoomId,
) -> Result<Vec<PortalMember>, StoreError> {
    let mut members = present(ctx, line, room).await?;
    members.retain(|member| member.standing == Standing::Reader);
    Ok(members)
}

/// Whether one of these humans has joined.
pub(super) fn is_heard(members: &[PortalMember], by: &BTreeSet<OwnedUserId>) -> bool {
    members.iter().any(|member| member.is_listener() && by.contains(&member.user))
}

/// Whether a human who reads has joined.
pub(super) fn is_attended(members: &[PortalMember]) -> bool {
    members.iter().any(PortalMember::is_listener)
}

/// Asks the homeserver who is in a portal: events may have been lost, or have come out of order.
pub(super) async fn ask(ctx: &Ctx, line: &Line, room: &RoomId) -> Result<(), Stop> {
    let members = ctx.homeserver.joined_and_invited_members(room).await?;
    let members: Vec<(String, bool)> = members
        .into_iter()
        .map(|member| (member.user.to_string(), member.membership == Membership::Join))
        .collect();
    ctx.store.members_are(room.as_str(), &members).await?;
    if let Some(conversation) = ctx.store.conversation_of_room(room.as_str()).await? {
        for member in present(ctx, line, room).await? {
            if member.standing == Standing::Stranger {
                tell_of_stranger(ctx, line, conversation, room, &member).await?;
            }
        }
    }
    Ok(())
}

/// A member came into a portal, or went.
pub(super) async fn changed(
    ctx: &Ctx,
    line: &Line,
    conversation: ConversationId,
    room: &RoomId,
    user: &UserId,
    membership: Membership,
) -> Result<(), StoreError> {
    if !matches!(membership, Membership::Join | Membership::Invite) {
        let belongs = line.channel.team.iter().any(|member| member == user.as_str())
            || ctx.store.admitted(conversation).await?.iter().any(|member| member == user.as_str());
        if !belongs {
            // Such a user refuses nothing by leaving: if it belongs here again, it is invited.
            ctx.store.member_is_former(room.as_str(), user.as_str(), ctx.clock.now()).await?;
        }
        return ctx.store.forget_told(room.as_str(), user.as_str()).await;
    }
    let members = present(ctx, line, room).await?;
    let Some(member) = members.iter().find(|member| member.user == user) else { return Ok(()) };
    match member.standing {
        Standing::Stranger => tell_of_stranger(ctx, line, conversation, room, member).await?,
        Standing::Former => ctx.store.wake(&Job::SendPosts(conversation), None).await?,
        Standing::Reader if member.is_listener() => {
            let (room, now) = (room.as_str(), ctx.clock.now());
            let is_new = ctx.devices.is_required() && !member.known.has_read;
            let has_unshown = ctx.store.has_unshown(conversation).await?;
            if !ctx.devices.is_required() || !is_new && !has_unshown {
                ctx.store.portal_is_attended(room, now).await?;
            }
            // This may be the first member who can read what lies there, or one who has to be told
            // what it missed.
            if is_new || has_unshown {
                ctx.store.wake(&Job::SendPosts(conversation), None).await?;
            }
        }
        Standing::Reader => {}
    }
    Ok(())
}

async fn tell_of_stranger(
    ctx: &Ctx,
    line: &Line,
    conversation: ConversationId,
    room: &RoomId,
    member: &PortalMember,
) -> Result<(), StoreError> {
    let user = &member.user;
    let named = || InsuredUser(user.to_string());
    let phrase = match member.insured {
        Insured::Barred => Phrase::OfInsured(InsuredPhrase::Present { member: named() }),
        Insured::Second => {
            Phrase::OfInsured(InsuredPhrase::PresentBesideAnother { member: named() })
        }
        Insured::No | Insured::Alone if member.known.admitted == Some(Admitted::Asked) => {
            return ask_about(ctx, line, conversation, room, user).await;
        }
        Insured::No | Insured::Alone => Phrase::StrangerPresent { user_id: user.to_string() },
    };
    if tell(ctx, line, conversation, room, user, ToldOf::Stranger, &phrase).await? {
        warn!(conversation.id = %conversation, "A stranger is in a portal");
        metrics::counter!("umstieg_strangers_total").increment(1);
        let told = ctx.store.strangers_told(room.as_str(), ctx.clock.now()).await?;
        if told >= STRANGERS_A_DAY_MAX {
            let (bot, phrase) = (ctx.homeserver.bot(), Phrase::StrangersMany);
            tell(ctx, line, conversation, room, bot, ToldOf::Strangers, &phrase).await?;
        }
    }
    Ok(())
}

/// The database was restored from a copy in which a user is let in: a speaker says whether that still
/// holds, and is asked once.
async fn ask_about(
    ctx: &Ctx,
    line: &Line,
    conversation: ConversationId,
    room: &RoomId,
    user: &UserId,
) -> Result<(), StoreError> {
    let phrase = Phrase::MemberAskedAnew { user_id: user.to_string() };
    if tell(ctx, line, conversation, room, user, ToldOf::Asked, &phrase).await? {
        info!(conversation.id = %conversation, "A room is asked whether a member is still let in");
    }
    Ok(())
}

/// The same for all of them, wherever they are.
pub(super) async fn ask_anew(ctx: &Ctx) -> Result<(), StoreError> {
    for (id, room, user) in ctx.store.asked_anew().await? {
        if let Some(conversation) = ctx.store.conversation(id).await?
            && let Some(line) = ctx.line(&conversation.channel)
            && let (Ok(room), Ok(user)) =
                (<&RoomId>::try_from(room.as_str()), OwnedUserId::try_from(user.as_str()))
        {
            ask_about(ctx, line, id, room, &user).await?;
        }
    }
    Ok(())
}

/// Whether a user who says something in a portal does not belong there (any more): such a user gets
/// nothing of a letter, and an answer only now and then.
pub(super) async fn is_outsider(
    ctx: &Ctx,
    line: &Line,
    room: &str,
    user: &UserId,
) -> Result<bool, StoreError> {
    let channel = &line.channel;
    if channel.lets_speak(user.as_str())
        || channel.team.iter().any(|member| member == user.as_str())
    {
        return Ok(false);
    }
    let Ok(room) = <&RoomId>::try_from(room) else { return Ok(true) };
    let members = present(ctx, line, room).await?;
    let known = members.iter().find(|member| member.user == user);
    Ok(known.is_none_or(|member| member.standing != Standing::Reader))
}

/// Tells the room something about a member, once.
pub(super) async fn tell(
    ctx: &Ctx,
    line: &Line,
    conversation: ConversationId,
    room: &RoomId,
    user: &UserId,
    about: ToldOf<'_>,
    phrase: &Phrase,
) -> Result<bool, StoreError> {
    let txn_id = format!("m{}", ctx.rng.uuid().simple());
    let notice = notice(line, phrase);
    let now = ctx.clock.now();
    let whom = (room.as_str(), user.as_str());
    ctx.store.tell_of_member(conversation, whom, about, &txn_id, &notice, now).await
}

/// Brings the room to the state it should have. Invites members of the team, or users let in by a
/// speaker, who were never invited, and everybody again when nobody is left (a letter in a room
/// without people would be lost). Removes members who should no longer be there.
///
/// Returns whether a human who reads has joined.
pub(super) async fn put_right(
    ctx: &Ctx,
    line: &Line,
    portal: &Portal,
    room: &RoomId,
) -> Result<bool, Stop> {
    let members = present(ctx, line, room).await?;
    if members.iter().any(|member| member.standing == Standing::Former) {
        remove_former(ctx, line, portal, room).await?;
    }
    invite(ctx, line, portal, room, &members).await?;
    Ok(is_attended(&members))
}

async fn invite(
    ctx: &Ctx,
    line: &Line,
    portal: &Portal,
    room: &RoomId,
    members: &[PortalMember],
) -> Result<(), Stop> {
    let admitted = ctx.store.admitted(portal.conversation).await?;
    let is_present = |user: &str| members.iter().any(|member| member.user.as_str() == user);
    let is_deserted = !line.channel.team.iter().any(|member| is_present(member));
    let mut invited = Vec::new();
    let mut is_seen = !is_deserted;
    let mut failed = None;
    for member in wanted(&line.channel.team, &admitted) {
        let was_invited = portal.invited.iter().any(|invited| invited == member);
        if is_present(member) || (was_invited && !is_deserted) {
            continue;
        }
        let Ok(user) = OwnedUserId::try_from(member) else { continue };
        // The settings have changed since a speaker let it in.
        let insured =
            insured_newcomer(ctx, line, portal.conversation, room.as_str(), member).await?;
        if matches!(insured, Insured::Barred | Insured::Second) {
            continue;
        }
        // The room was told that a user whom a speaker let in reads from now on.
        let is_expected = admitted.iter().any(|admitted| admitted == member);
        let is_unknown = is_unknown(ctx, &user).await?;
        if is_unknown {
            not_invited(portal, "unknown");
            if is_expected {
                let phrase = Phrase::MemberUnknown { user_id: member.to_owned() };
                let (conversation, about) = (portal.conversation, ToldOf::Unknown);
                tell(ctx, line, conversation, room, &user, about, &phrase).await?;
            }
        }
        match ctx.homeserver.invite(&user, room).await {
            Ok(Invited::Done) => {
                ctx.store.member_was_invited(room.as_str(), member).await?;
                invited.push(member.to_owned());
                is_seen = true;
            }
            // The account may be made later; the room was told already.
            Ok(Invited::Refused) if is_unknown => {}
            // Blocked or not federated (TIM-7): final for this person, and no reason to keep the
            // letter from the others.
            Ok(Invited::Refused) => {
                not_invited(portal, "refused");
                if is_expected {
                    let phrase = Phrase::MemberNotInvited { user_id: member.to_owned() };
                    let (conversation, about) = (portal.conversation, ToldOf::Refused);
                    tell(ctx, line, conversation, room, &user, about, &phrase).await?;
                }
                invited.push(member.to_owned());
            }
            Err(error) if error.is_rate_limit() => return Err(error.into()),
            // The room itself is in doubt; sending the post will tell.
            Err(error) if error.kind() == ErrorKind::Gone => return Ok(()),
            // Perhaps only this person's homeserver is away: the invitation is tried again with the
            // next post, so that it keeps nothing from the others.
            Err(error) => {
                not_invited(portal, "failed");
                failed = Some(error);
            }
        }
    }
    if !invited.is_empty() {
        ctx.store.portal_invited(portal.id, &invited).await?;
    }
    match failed {
        Some(error) if !is_seen => Err(error.into()),
        Some(_) | None => Ok(()),
    }
}

/// Whether the homeserver does not have this user. One that has no rules invites the user all the same,
/// since the account may be made later; but by then nobody sees the room. The homeserver is asked once
/// about the users it has.
async fn is_unknown(ctx: &Ctx, user: &UserId) -> Result<bool, Stop> {
    if ctx.acquaintances.has(user) {
        return Ok(false);
    }
    match ctx.homeserver.knows(user).await {
        Ok(Some(false)) => Ok(true),
        Ok(Some(true) | None) => {
            ctx.acquaintances.add(user);
            Ok(false)
        }
        Err(error) if error.is_rate_limit() => Err(error.into()),
        // The user's own homeserver may be away.
        Err(_) => Ok(false),
    }
}

fn not_invited(portal: &Portal, reason: &'static str) {
    warn!(portal.id = portal.id, reason, "A team member could not be invited");
    metrics::counter!("umstieg_invites_failed_total").increment(1);
}

/// Removes members who were in the team or let in, and no longer are. Where that is not allowed, the
/// room is told once; they get no key in any case.
async fn remove_former(ctx: &Ctx, line: &Line, portal: &Portal, room: &RoomId) -> Result<(), Stop> {
    for member in ctx.store.former_members(room.as_str(), &line.channel.team).await? {
        let Ok(user) = OwnedUserId::try_from(member.as_str()) else { continue };
        match ctx.homeserver.remove(&user, room).await {
            Ok(true) => {
                ctx.store.member_was_removed(room.as_str(), &member, ctx.clock.now()).await?;
                metrics::counter!("umstieg_members_removed_total").increment(1);
                info!(portal.id = portal.id, "Removed a member who no longer belongs to a portal");
            }
            Ok(false) => {
                let phrase = Phrase::MemberNotRemoved { user_id: member.clone() };
                let (conversation, about) = (portal.conversation, ToldOf::Stays);
                tell(ctx, line, conversation, room, &user, about, &phrase).await?;
            }
            Err(error) if error.is_rate_limit() => return Err(error.into()),
            Err(error) if error.kind() == ErrorKind::Gone => return Ok(()),
            Err(error) => not_removed(portal, &error),
        }
    }
    Ok(())
}

/// The member gets no keys meanwhile, so nothing else waits for it.
fn not_removed(portal: &Portal, error: &MatrixError) {
    warn!(portal.id = portal.id, error = %error, "A member could not be removed from a portal yet");
}

/// The person a command names. Returns nothing if it is unclear who that is, or if the person is in
/// the team: the settings let the team in.
pub(super) fn outside_of_team(
    ctx: &Ctx,
    line: &Line,
    person: Option<&str>,
) -> Result<String, Phrase> {
    let user = person.and_then(|person| parse(ctx, person)).ok_or(Phrase::MemberUnclear)?;
    let user_id = user.to_string();
    if line.channel.team.contains(&user_id) {
        return Err(Phrase::MemberOfTeam { user_id });
    }
    Ok(user_id)
}

/// A person, and none of our users: those are where they belong.
pub(super) fn parse(ctx: &Ctx, person: &str) -> Option<OwnedUserId> {
    let user = OwnedUserId::try_from(person).ok()?;
    let is_person = user.validate_strict().is_ok() && !ctx.homeserver.is_ours(&user);
    is_person.then_some(user)
}

/// Tells a user who reads from now on how many letters it cannot read.
pub(super) async fn tell_missed(
    ctx: &Ctx,
    line: &Line,
    conversation: ConversationId,
    user_id: &str,
    letters: u64,
) -> Result<(), StoreError> {
    let phrase = Phrase::LettersMissed { user_id: user_id.to_owned(), letters };
    let txn_id = format!("m{}", ctx.rng.uuid().simple());
    let notice = notice_for(line, &phrase, user_id);
    ctx.store.add_bot_post(conversation, &txn_id, &notice).await
}

/// Whether a channel's rooms check identities: where every device is believed, the password alone
/// decides who a user is.
pub(super) fn asks_for_identities(ctx: &Ctx, line: &Line) -> bool {
    ctx.devices.is_required() && line.channel.trust == Trust::CrossSigned
}
