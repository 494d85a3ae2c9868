//! What a room message is: an answer to hand over, a command, something to refuse, or nothing.

use super::commands::{self, Asked};
use crate::{
    channel::Entitled,
    model::{MayAsk, MessageKind, ReactionSign, RoomEvent, RoomFile},
};

/// What the rule needs to know about the room and the speaker.
#[derive(Debug, Clone, Copy)]
pub struct RoomFacts<'a> {
    /// Whether the sender is one of our users: the bot or a ghost.
    pub is_ours: bool,
    /// What the channel lets the sender do.
    pub entitled: Entitled,
    /// Whether the correspondent can be written to at all.
    pub is_answerable: bool,
    /// Largest file the channel takes, in bytes.
    pub file_bytes_max: u64,
    /// The sender's name: the subject of what it says about itself (`/me`).
    pub speaker: &'a str,
    /// Whether files have to be encrypted: nobody signed what the homeserver gives for another
    /// file.
    pub encrypts_files: bool,
}

/// What to do with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    Ignore,
    /// Becomes (part of) a dispatch.
    Text(String),
    File(RoomFile),
    /// Words about files, then the files.
    Gallery {
        caption: Option<String>,
        files: Vec<RoomFile>,
    },
    Command(Asked),
    /// An edit: what an earlier room message is to say from now on, or why that cannot leave.
    Replace {
        event_id: String,
        by: Result<WhatLeaves, Refusal>,
    },
    Withdraw {
        event_id: String,
    },
    /// A sign that means something, put to an event. What it means depends on the event.
    Approve {
        event_id: String,
        sign: ReactionSign,
        entitled: Entitled,
    },
    /// Does not leave, and the sender is told why.
    Refuse(Refusal),
}

/// The part of one room message that leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhatLeaves {
    Text(String),
    File(RoomFile),
    Gallery { caption: Option<String>, files: Vec<RoomFile> },
}

/// Why a room message does not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    MayNotSpeak,
    /// A command that the channel obeys for fewer than may speak.
    NotEntitled(MayAsk),
    NotAnswerable,
    NotTransferable,
    Encrypted,
    TooLarge,
    /// An unencrypted file, where files have to be encrypted.
    ClearFile,
    /// An edit that leaves no words.
    Empty,
}

/// Decides about one event of a portal.
///
/// Notices never leave: bots speak in notices, and two gateways in one room must not answer each
/// other for ever.
pub fn route(event: &RoomEvent, facts: RoomFacts<'_>) -> Route {
    if facts.is_ours {
        return Route::Ignore;
    }
    let message = match event {
        RoomEvent::Message(message) => message,
        RoomEvent::Redaction(redaction) => {
            return Route::Withdraw { event_id: redaction.redacts.to_string() };
        }
        RoomEvent::Reaction(reaction) => {
            let (event_id, entitled) = (reaction.target.to_string(), facts.entitled);
            return match reaction.sign() {
                Some(sign) => Route::Approve { event_id, sign, entitled },
                None => Route::Ignore,
            };
        }
        RoomEvent::Encrypted(_) => return Route::Refuse(Refusal::Encrypted),
        RoomEvent::Member(_)
        | RoomEvent::Tombstone { .. }
        | RoomEvent::Encryption(_)
        | RoomEvent::Other => {
            return Route::Ignore;
        }
    };
    // An edit is one whatever it says: clients show it in the place of the message. So it is
    // neither a command nor a notice, and if it cannot leave, the message stays here.
    if let Some(event_id) = &message.replaces {
        let by = if facts.entitled.may_speak {
            saying(&message.kind, facts).and_then(|saying| saying.ok_or(Refusal::Empty))
        } else {
            Err(Refusal::MayNotSpeak)
        };
        return Route::Replace { event_id: event_id.to_string(), by };
    }
    if matches!(message.kind, MessageKind::Notice(_)) {
        return Route::Ignore;
    }
    if let MessageKind::Text(words) = &message.kind
        && let Some(asked) = commands::asked(words)
    {
        let whose = asked.may_ask();
        if !facts.entitled.may(whose) {
            return Route::Refuse(match facts.entitled.may_speak {
                true => Refusal::NotEntitled(whose),
                false => Refusal::MayNotSpeak,
            });
        }
        return Route::Command(asked);
    }
    if !facts.entitled.may_speak {
        return Route::Refuse(Refusal::MayNotSpeak);
    }
    if !facts.is_answerable {
        return Route::Refuse(Refusal::NotAnswerable);
    }
    match saying(&message.kind, facts) {
        Ok(Some(WhatLeaves::Text(text))) => Route::Text(text),
        Ok(Some(WhatLeaves::File(file))) => Route::File(file),
        Ok(Some(WhatLeaves::Gallery { caption, files })) => Route::Gallery { caption, files },
        Ok(None) => Route::Ignore,
        Err(refusal) => Route::Refuse(refusal),
    }
}

/// The part of a content that leaves; `None` where the room shows no words either.
fn saying(kind: &MessageKind, facts: RoomFacts<'_>) -> Result<Option<WhatLeaves>, Refusal> {
    let text = match kind {
        // Its words are only in what could not be read.
        MessageKind::Text(words) | MessageKind::Emote(words)
            if words.body.trim().is_empty()
                && words.html.as_deref().is_some_and(|html| !html.trim().is_empty()) =>
        {
            return Err(Refusal::NotTransferable);
        }
        MessageKind::Text(words) => words.body.clone(),
        // "ruft Sie morgen an" says nothing without the person who does it.
        MessageKind::Emote(words) if words.body.trim().is_empty() => String::new(),
        MessageKind::Emote(words) => format!("{} {}", facts.speaker, words.body),
        // Structured messages carry a text for people (TIM-11); without one there is nothing.
        MessageKind::Other { fallback: Some(text) } if !text.trim().is_empty() => text.clone(),
        MessageKind::File(file) => {
            fits(std::slice::from_ref(file), facts)?;
            return Ok(Some(WhatLeaves::File(file.clone())));
        }
        MessageKind::Gallery { caption, files } => {
            fits(files, facts)?;
            return Ok(Some(WhatLeaves::Gallery {
                caption: caption.clone(),
                files: files.clone(),
            }));
        }
        MessageKind::Location { body, geo_uri: Some(uri) } => format!("{body}\n{uri}"),
        MessageKind::Location { body, geo_uri: None } if !body.trim().is_empty() => body.clone(),
        // The room shows something, if not words.
        MessageKind::Other { .. } | MessageKind::Location { .. } | MessageKind::Notice(_) => {
            return Err(Refusal::NotTransferable);
        }
    };
    Ok((!text.trim().is_empty()).then_some(WhatLeaves::Text(text)))
}

/// Whether files are encrypted as required, and small enough by the sizes their sender states.
fn fits(files: &[RoomFile], facts: RoomFacts<'_>) -> Result<(), Refusal> {
    if facts.encrypts_files && files.iter().any(|file| file.encryption.is_none()) {
        return Err(Refusal::ClearFile);
    }
    let bytes = files.iter().filter_map(|file| file.bytes).fold(0_u64, u64::saturating_add);
    if bytes > facts.file_bytes_max { Err(Refusal::TooLarge) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use ruma::{owned_event_id, owned_room_id, owned_user_id};

    use super::*;
    use crate::model::{CommandRow, FileForm, Reaction, RoomMessage, Words};

    const ALL: Entitled =
        Entitled { may_speak: true, may_confirm: true, may_release: true, may_admit: true };
    const NOTHING: Entitled =
        Entitled { may_speak: false, may_confirm: false, may_release: false, may_admit: false };

    const OPEN: RoomFacts<'_> = RoomFacts {
        is_ours: false,
        entitled: ALL,
        is_answerable: true,
        file_bytes_max: 1000,
        speaker: "Anna",
        encrypts_files: false,
    };

    fn message(kind: MessageKind) -> RoomEvent {
        RoomEvent::Message(RoomMessage {
            event_id: owned_event_id!("$e"),
            room_id: owned_room_id!("!r:x"),
            sender: owned_user_id!("@anna:x"),
            sent_at_ms: 0,
            kind,
            replies_to: None,
            replaces: None,
        })
    }

    fn edit(kind: MessageKind) -> RoomEvent {
        let RoomEvent::Message(message) = message(kind) else { unreachable!() };
        RoomEvent::Message(RoomMessage { replaces: Some(owned_event_id!("$dose")), ..message })
    }

    fn replaced(by: Result<WhatLeaves, Refusal>) -> Route {
        Route::Replace { event_id: "$dose".to_owned(), by }
    }

    fn words(body: &str) -> Words {
        Words { body: body.to_owned(), html: None }
    }

    fn text(body: &str) -> RoomEvent {
        message(MessageKind::Text(words(body)))
    }

    fn file(bytes: Option<u64>) -> RoomFile {
        RoomFile {
            encryption: None,
            form: FileForm::File,
            uri: "mxc://x/y".into(),
            file_name: "Befund.pdf".to_owned(),
            caption: None,
            media_type: Some("application/pdf".to_owned()),
            bytes,
        }
    }

    #[test]
    fn words_and_files_of_a_speaker_leave() {
        assert_eq!(route(&text("Guten Tag"), OPEN), Route::Text("Guten Tag".to_owned()));
        let event = message(MessageKind::File(file(Some(10))));
        assert_eq!(route(&event, OPEN), Route::File(file(Some(10))));
        assert_eq!(route(&text("  "), OPEN), Route::Ignore);
    }

    #[test]
    fn our_own_words_and_notices_never_leave() {
        assert_eq!(route(&text("x"), RoomFacts { is_ours: true, ..OPEN }), Route::Ignore);
        assert_eq!(route(&message(MessageKind::Notice(words("x"))), OPEN), Route::Ignore);
    }

    #[test]
    fn who_may_not_speak_is_told_so() {
        let facts = RoomFacts { entitled: NOTHING, ..OPEN };
        assert_eq!(route(&text("x"), facts), Route::Refuse(Refusal::MayNotSpeak));
        let facts = RoomFacts { is_answerable: false, ..OPEN };
        assert_eq!(route(&text("x"), facts), Route::Refuse(Refusal::NotAnswerable));
    }

    #[test]
    fn what_cannot_be_carried_over_is_refused_with_a_reason() {
        let event = message(MessageKind::Other { fallback: None });
        assert_eq!(route(&event, OPEN), Route::Refuse(Refusal::NotTransferable));
        let event = message(MessageKind::File(file(Some(1001))));
        assert_eq!(route(&event, OPEN), Route::Refuse(Refusal::TooLarge));
    }

    #[test]
    fn what_speaks_for_the_practice_is_for_speakers() {
        let facts = RoomFacts { entitled: NOTHING, ..OPEN };
        for command in ["!einlassen @c:x", "!ausladen @c:x", "!vertrauen @c:x"] {
            assert_eq!(route(&text(command), facts), Route::Refuse(Refusal::MayNotSpeak));
        }
    }

    #[test]
    fn what_is_for_fewer_than_may_speak_is_refused_to_the_others() {
        for (command, whose, lacking) in [
            ("!einlassen @c:x", MayAsk::Doorkeepers, Entitled { may_admit: false, ..ALL }),
            ("!ausladen @c:x", MayAsk::Doorkeepers, Entitled { may_admit: false, ..ALL }),
            ("!vertrauen @c:x", MayAsk::Doorkeepers, Entitled { may_admit: false, ..ALL }),
            ("!freigeben", MayAsk::Releasers, Entitled { may_release: false, ..ALL }),
            ("!faxen", MayAsk::Confirmers, Entitled { may_confirm: false, ..ALL }),
            ("!bestätigen", MayAsk::Confirmers, Entitled { may_confirm: false, ..ALL }),
        ] {
            let facts = RoomFacts { entitled: lacking, ..OPEN };
            let refused = Route::Refuse(Refusal::NotEntitled(whose));
            assert_eq!(route(&text(command), facts), refused, "{command}");
            assert!(matches!(route(&text(command), OPEN), Route::Command(_)), "{command}");
            assert_eq!(route(&text("Danke"), facts), Route::Text("Danke".to_owned()));
        }
    }

    /// Whether it is a preview is asked where that is known.
    #[test]
    fn fax_25_one_sign_is_a_confirmation_and_no_ghost_gives_it() {
        let sign = |key: &str| {
            RoomEvent::Reaction(Reaction {
                event_id: owned_event_id!("$r"),
                room_id: owned_room_id!("!r:x"),
                sender: owned_user_id!("@a:x"),
                target: owned_event_id!("$p"),
                key: key.to_owned(),
            })
        };
        let approve = |sign, entitled| Route::Approve { event_id: "$p".to_owned(), sign, entitled };
        assert_eq!(route(&sign("✅"), OPEN), approve(ReactionSign::Done, ALL));
        let facts = RoomFacts { entitled: NOTHING, ..OPEN };
        assert_eq!(route(&sign("✅"), facts), approve(ReactionSign::Done, NOTHING));
        assert_eq!(route(&sign("👀"), OPEN), approve(ReactionSign::Take, ALL));
        assert_eq!(route(&sign("✅"), RoomFacts { is_ours: true, ..OPEN }), Route::Ignore);
        assert_eq!(route(&sign("👍"), OPEN), Route::Ignore);
    }

    /// B43, R edit_is_no_command: an edit says what an earlier message should have said.
    #[test]
    fn b43_an_edit_is_neither_a_command_nor_a_notice() {
        let said = |text: &str| Ok(WhatLeaves::Text(text.to_owned()));
        for text in ["!wichtig heute noch anrufen", "!erneut", "!hilfe", "5 mg"] {
            let event = edit(MessageKind::Text(words(text)));
            assert_eq!(route(&event, OPEN), replaced(said(text)), "{text}");
        }
        let event = edit(MessageKind::Notice(words("5 mg")));
        assert_eq!(route(&event, OPEN), replaced(Err(Refusal::NotTransferable)));
    }

    /// B40, B49: what an edit makes of a message leaves, or keeps the message here.
    #[test]
    fn b40_an_edit_into_whatever_is_judged_as_that() {
        let caption =
            |caption: &str| RoomFile { caption: Some(caption.to_owned()), ..file(Some(10)) };
        let event = edit(MessageKind::File(caption("Wunde LINKS")));
        assert_eq!(route(&event, OPEN), replaced(Ok(WhatLeaves::File(caption("Wunde LINKS")))));
        let event = edit(MessageKind::File(file(Some(1001))));
        assert_eq!(route(&event, OPEN), replaced(Err(Refusal::TooLarge)));
        let event = edit(MessageKind::Other { fallback: None });
        assert_eq!(route(&event, OPEN), replaced(Err(Refusal::NotTransferable)));
        let event = edit(MessageKind::Text(words(" ")));
        assert_eq!(route(&event, OPEN), replaced(Err(Refusal::Empty)));
        let event = edit(MessageKind::Text(words("5 mg")));
        let facts = RoomFacts { entitled: NOTHING, ..OPEN };
        assert_eq!(route(&event, facts), replaced(Err(Refusal::MayNotSpeak)));
    }

    /// The room shows something of these, so they are not ignored.
    #[test]
    fn what_the_room_shows_without_words_is_refused() {
        let html = |html: &str| Words { body: " ".to_owned(), html: Some(html.to_owned()) };
        for kind in [
            MessageKind::Text(html("<img src=\"mxc://x/y\">")),
            MessageKind::Emote(html("<b>geht</b>")),
            MessageKind::Other { fallback: Some(" ".to_owned()) },
            MessageKind::Location { body: String::new(), geo_uri: None },
        ] {
            let refused = Route::Refuse(Refusal::NotTransferable);
            assert_eq!(route(&message(kind.clone()), OPEN), refused, "{kind:?}");
        }
        assert_eq!(route(&message(MessageKind::Text(html(" "))), OPEN), Route::Ignore);
    }

    /// Only the homeserver vouches for the content of an unencrypted file.
    #[test]
    fn a_file_in_the_clear_stays_where_files_are_encrypted() {
        let facts = RoomFacts { encrypts_files: true, ..OPEN };
        let sealed = RoomFile { encryption: Some(serde_json::json!({})), ..file(Some(10)) };
        let gallery = |files: &[&RoomFile]| MessageKind::Gallery {
            caption: None,
            files: files.iter().map(|file| (*file).clone()).collect(),
        };
        let clear = file(Some(10));
        for kind in [MessageKind::File(clear.clone()), gallery(&[&sealed, &clear])] {
            assert_eq!(route(&message(kind.clone()), facts), Route::Refuse(Refusal::ClearFile));
            assert_eq!(route(&edit(kind.clone()), facts), replaced(Err(Refusal::ClearFile)));
            assert!(!matches!(route(&message(kind), OPEN), Route::Refuse(_)));
        }
        for kind in [MessageKind::File(sealed.clone()), gallery(&[&sealed, &sealed])] {
            assert!(!matches!(route(&message(kind), facts), Route::Refuse(_)));
        }
    }

    /// B41: every file of a gallery leaves, or all of it is refused.
    #[test]
    fn b41_a_gallery_leaves_whole_or_not_at_all() {
        let gallery = |bytes| MessageKind::Gallery {
            caption: Some("Drei Bilder".to_owned()),
            files: vec![file(bytes), file(bytes), file(None)],
        };
        let routed = route(&message(gallery(Some(10))), OPEN);
        assert!(matches!(routed, Route::Gallery { files, .. } if files.len() == 3));
        let routed = route(&message(gallery(Some(600))), OPEN);
        assert_eq!(routed, Route::Refuse(Refusal::TooLarge));
    }

    /// B46: the person who does something is part of what is said.
    #[test]
    fn b46_an_emote_has_its_subject() {
        let event = message(MessageKind::Emote(words("ruft Sie morgen an")));
        assert_eq!(route(&event, OPEN), Route::Text("Anna ruft Sie morgen an".to_owned()));
        assert_eq!(route(&message(MessageKind::Emote(words(" "))), OPEN), Route::Ignore);
    }

    #[test]
    fn a_command_is_answered_also_where_nothing_may_leave() {
        let facts = RoomFacts { entitled: NOTHING, is_answerable: false, ..OPEN };
        assert_eq!(
            route(&text("!original"), facts),
            Route::Command(Asked::Known {
                command: CommandRow::named("original").unwrap(),
                argument: None,
            })
        );
    }
}
