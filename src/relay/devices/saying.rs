//! Saying something in a portal: for whom it is encrypted, and what is noted about who can read it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ruma::{OwnedEventId, OwnedUserId, RoomId, UserId};
use serde_json::Value;

use super::{
    LoadedDevice, bot_asks_for, count_on, device_id, drain, fetch_damaged, loaded, unless_lost,
};
use crate::{
    matrix::{Audience, EncryptedContent, OwnDevice, Rotation, Voice},
    model::{Substance, Trust},
    phrases::Phrase,
    relay::{
        Ctx, Line, identities,
        members::{self, PortalMember},
        notices::notice_for,
        readers,
        stop::Stop,
    },
    rules::posts,
};

/// Something to be said.
#[derive(Debug, Clone, Copy)]
pub(in crate::relay) struct Saying<'a> {
    pub(in crate::relay) speaker: &'a UserId,
    pub(in crate::relay) substance: Substance,
    pub(in crate::relay) event_type: &'a str,
    pub(in crate::relay) content: &'a Value,
    pub(in crate::relay) txn_id: &'a str,
}

/// Says something in a portal, encrypted for everybody who reads there: the only way there.
///
/// `rotation` is how the room is encrypted; `None` is an unencrypted room, in which nothing is said
/// unless the settings allow it.
pub(in crate::relay) async fn say(
    ctx: &Ctx,
    line: &Line,
    room: &RoomId,
    rotation: Option<Rotation>,
    saying: Saying<'_>,
) -> Result<OwnedEventId, Stop> {
    let Saying { speaker, substance, event_type, content, txn_id } = saying;
    let Some(rotation) = rotation else {
        if ctx.devices.is_required {
            return Err(Stop::NotYet("not_encrypted"));
        }
        let id = device_id(ctx, speaker).await?;
        let voice = Voice { user: speaker, device: &id };
        ctx.store.still_ours().await?;
        return Ok(ctx.homeserver.send(voice, room, event_type, content, txn_id).await?);
    };
    // A word may tell members why their device reads nothing else.
    let trust = match substance {
        Substance::Content => line.channel.trust,
        Substance::Word => Trust::AnyDevice,
    };
    let place = SayingPlace { ctx, line, room, rotation, trust };
    let encrypt = async || place.encrypt(speaker, event_type, content).await;
    let EncryptedSaying { device, encrypted, known } = match encrypt().await {
        Err(Stop::DeviceLost) => encrypt().await?,
        encrypted => encrypted?,
    };
    tell_locked_out(ctx, line, room, &device).await?;
    // It is recognised when it comes back, even by a device that has no key for it.
    let mut content = posts::marked(encrypted.content, txn_id);
    if substance == Substance::Content {
        let humans = encrypted.readers.iter().filter(|user| !ctx.homeserver.is_ours(user));
        let humans: BTreeSet<OwnedUserId> = humans.cloned().collect();
        // Noted before it leaves: if the answer to our request is lost, it is still known.
        if humans.is_empty() {
            ctx.store.post_is_unshown(txn_id).await?;
        } else {
            content = posts::marked_as_read(content, txn_id);
        }
        readers::note_unheard(ctx, line, room, &humans, txn_id).await?;
        readers::greet(ctx, line, room, &known, &humans).await?;
    }
    let voice = Voice { user: device.user(), device: device.device() };
    // A gateway that was stopped here for a weekend would say it once more.
    ctx.store.still_ours().await?;
    Ok(ctx.homeserver.send(voice, room, "m.room.encrypted", &content, txn_id).await?)
}

/// The humans who could read what is written in a portal, if this speaker said it now.
pub(in crate::relay) async fn who_could_read(
    ctx: &Ctx,
    line: &Line,
    room: &RoomId,
    rotation: Rotation,
    speaker: &UserId,
) -> Result<BTreeSet<OwnedUserId>, Stop> {
    let trust = line.channel.trust;
    let place = SayingPlace { ctx, line, room, rotation, trust };
    let loaded = loaded(ctx, speaker).await?;
    let (circle, equipped) = place.look(&loaded, speaker).await?;
    Ok(circle.members.intersection(&equipped).cloned().collect())
}

/// Where something is said, and which devices are trusted there.
#[derive(Clone, Copy)]
struct SayingPlace<'a> {
    ctx: &'a Ctx,
    line: &'a Line,
    room: &'a RoomId,
    rotation: Rotation,
    trust: Trust,
}

/// Something encrypted, its speaker, and the room's readers.
struct EncryptedSaying {
    device: Arc<OwnDevice>,
    encrypted: EncryptedContent,
    known: Vec<PortalMember>,
}

/// The users something is for, and the identities they are known by.
struct Circle {
    members: BTreeSet<OwnedUserId>,
    pins: BTreeMap<OwnedUserId, String>,
}

impl<'a> SayingPlace<'a> {
    fn audience<'c>(&self, circle: &'c Circle) -> Audience<'c>
    where
        'a: 'c,
    {
        Audience {
            room: self.room,
            members: &circle.members,
            pins: &circle.pins,
            rotation: self.rotation,
            trust: self.trust,
        }
    }

    async fn encrypt(
        &self,
        speaker: &UserId,
        event_type: &str,
        content: &Value,
    ) -> Result<EncryptedSaying, Stop> {
        let ctx = self.ctx;
        let loaded = loaded(ctx, speaker).await?;
        let device = loaded.device.clone();
        let known = members::readers(ctx, self.line, self.room).await?;
        let mut circle = self.circle(speaker, &known);
        if !device.has_shared(&self.audience(&circle)).await {
            // A peer repairs a broken Olm session there, and the key takes the repaired way.
            drain(ctx, &loaded).await?;
            circle = self.look(&loaded, speaker).await?.0;
        }
        let once = async |circle: &Circle| {
            let audience = self.audience(circle);
            let encrypted = device.encrypt(&audience, event_type, content, count_on(ctx)).await;
            unless_lost(ctx, &device, encrypted).await
        };
        let mut encrypted = once(&circle).await?;
        if fetch_damaged(ctx, &loaded).await? {
            encrypted = once(&circle).await?;
        }
        Ok(EncryptedSaying { device, encrypted, known })
    }

    /// Makes sure, before any user gets a key, who is there and who they are. Returns these users,
    /// with those who have a device that may read.
    async fn look(
        &self,
        loaded: &LoadedDevice,
        speaker: &UserId,
    ) -> Result<(Circle, BTreeSet<OwnedUserId>), Stop> {
        let Self { ctx, line, room, .. } = *self;
        let mut known = members::readers(ctx, line, room).await?;
        let invited = people(&known, |member| member.known.is_certain);
        self.meet(loaded, invited).await?;
        if known.iter().any(|member| !member.is_ours && !member.known.is_certain) {
            members::ask(ctx, line, room).await?;
            let before = known;
            known = members::readers(ctx, line, room).await?;
            let is_new =
                |member: &PortalMember| before.iter().all(|other| other.user != member.user);
            self.meet(loaded, people(&known, is_new)).await?;
        } else {
            ctx.store.invited_get_keys(room.as_str()).await?;
        }
        // Words are for every device of the members, whatever their identity is now.
        if self.trust != line.channel.trust {
            return Ok((self.circle(speaker, &known), BTreeSet::new()));
        }
        let humans = people(&known, |_| true).into_iter().collect();
        let seen = loaded.device.look_at(&humans, self.trust).await;
        let mut seen = unless_lost(ctx, &loaded.device, seen.map_err(Stop::from)).await?;
        if fetch_damaged(ctx, loaded).await? {
            let again = loaded.device.look_at(&humans, self.trust).await;
            seen = unless_lost(ctx, &loaded.device, again.map_err(Stop::from)).await?;
        }
        if self.trust == Trust::CrossSigned {
            ctx.store.identities_seen(&seen.identities, ctx.clock.now()).await?;
            known = members::readers(ctx, line, room).await?;
            identities::tell_of_changed(ctx, line, room, &known).await?;
        }
        Ok((self.circle(speaker, &known), seen.equipped))
    }

    /// There are members whose arrival `/sync` has not told of yet.
    async fn meet(&self, loaded: &LoadedDevice, newcomers: Vec<OwnedUserId>) -> Result<(), Stop> {
        let met = loaded.device.meet(newcomers).await;
        unless_lost(self.ctx, &loaded.device, met.map_err(Stop::from)).await
    }

    /// Always with the bot, which reads for all our users.
    fn circle(&self, speaker: &UserId, readers: &[PortalMember]) -> Circle {
        let is_pinned = self.trust == Trust::CrossSigned;
        let mut members: BTreeSet<OwnedUserId> = readers
            .iter()
            .filter(|member| member.is_ours || !is_pinned || !member.has_changed())
            .map(|member| member.user.clone())
            .collect();
        members.insert(self.ctx.homeserver.bot().to_owned());
        members.insert(speaker.to_owned());
        let pins = readers.iter().filter(|_| is_pinned).filter_map(|member| {
            Some((member.user.clone(), member.known.identity.as_ref()?.pinned.clone()))
        });
        Circle { members, pins: pins.collect() }
    }
}

/// The people among members.
fn people(members: &[PortalMember], which: impl Fn(&PortalMember) -> bool) -> Vec<OwnedUserId> {
    let people = members.iter().filter(|member| !member.is_ours && which(member));
    people.map(|member| member.user.clone()).collect()
}

/// Tells members who can read no letter in this room because none of their devices is signed.
async fn tell_locked_out(
    ctx: &Ctx,
    line: &Line,
    room: &RoomId,
    device: &OwnDevice,
) -> Result<(), Stop> {
    let Some(locked_out) = device.untold_locked_out(room).await else { return Ok(()) };
    if let Some(conversation) = ctx.store.conversation_of_room(room.as_str()).await? {
        let names: Vec<(String, String)> =
            locked_out.iter().map(|(user, devices)| (user.to_string(), devices.clone())).collect();
        for (user, devices) in ctx.store.newly_locked_out(room.as_str(), &names).await? {
            bot_asks_for(ctx, &user).await?;
            let phrase = Phrase::MemberLockedOut { user_id: user.clone() };
            let notice = notice_for(line, &phrase, &user);
            let txn_id = format!("m{}", ctx.rng.uuid().simple());
            let now = ctx.clock.now();
            let who = (user.as_str(), devices.as_str());
            ctx.store
                .tell_locked_out(conversation, room.as_str(), who, &txn_id, &notice, now)
                .await?;
        }
    }
    device.locked_out_are_told(room, &locked_out).await;
    Ok(())
}
