//! What stays in the room, and what its author is told.

use super::{ReadingProgress, SaidBy};
use crate::{
    model::Correspondent,
    phrases::{EditTrouble, Phrase, RightsPhrase},
    relay::{
        Line,
        acts::{self, ActTarget},
        notices::unreachable_phrase,
        reader::PortalReader,
        unreadable,
    },
    rules::{acts::ActKind, routing::Refusal},
    store::{EditSays, EventStep, StoreError, StoredEvent},
};

impl PortalReader<'_> {
    /// What was said stays in the room, and its sender is told why.
    pub(super) async fn refuse(
        &self,
        stored: &StoredEvent,
        said: &SaidBy,
        phrase: &Phrase,
    ) -> Result<ReadingProgress, StoreError> {
        if !self.may_be_told(said).await? {
            return Ok(ReadingProgress::Done);
        }
        let Some(mut step) = self.step(stored).await? else { return Ok(ReadingProgress::Acted) };
        if stored.was_announced {
            self.take_back(&mut step, said, &Phrase::MessageReadableStays).await?;
        }
        self.tell(&mut step, &said.event_id, &said.event_id, phrase).await?;
        step.commit().await?;
        Ok(ReadingProgress::Acted)
    }

    /// An edit's content can be neither fetched nor believed, and never will be: its message does
    /// not leave in its earlier form, because the room may show something else. `else_phrase` is
    /// said where there is no such message.
    pub(super) async fn refuse_edit(
        &self,
        stored: &StoredEvent,
        said: &SaidBy,
        message: &str,
        trouble: EditTrouble,
        else_phrase: &Phrase,
    ) -> Result<ReadingProgress, StoreError> {
        let may_be_told = self.may_be_told(said).await?;
        let Some(mut step) = self.step(stored).await? else { return Ok(ReadingProgress::Acted) };
        let (edit, author) = (said.event_id.as_str(), said.sender.as_str());
        step.edit_says(edit, self.room_id, author, message, EditSays::Never).await?;
        let act = acts::ReadAct {
            event_id: edit,
            author,
            kind: ActKind::Edit,
            message,
            trouble: Some(trouble),
            was_announced: stored.was_announced,
        };
        if acts::follow(self, &mut step, &act).await? != ActTarget::Part && may_be_told {
            self.tell(&mut step, edit, edit, else_phrase).await?;
        }
        step.commit().await?;
        Ok(ReadingProgress::Acted)
    }

    /// It is no message. What its relation claimed is forgotten, so that nothing waits for it.
    pub(super) async fn nothing(
        &self,
        stored: &StoredEvent,
        said: Option<&SaidBy>,
    ) -> Result<ReadingProgress, StoreError> {
        if stored.edit_of.is_none() && !stored.was_announced {
            return Ok(ReadingProgress::Done);
        }
        let Some(mut step) = self.step(stored).await? else { return Ok(ReadingProgress::Acted) };
        if let Some(said) = said.filter(|_| stored.edit_of.is_none()) {
            self.take_back(&mut step, said, &Phrase::MessageReadableStays).await?;
        }
        step.is_no_edit(&stored.event_id).await?;
        step.wake_hand_over(self.conversation.id).await?;
        step.commit().await?;
        Ok(ReadingProgress::Acted)
    }

    /// The sender of a message was told that it is not readable. Now it is, and this happens to it.
    pub(super) async fn take_back(
        &self,
        step: &mut EventStep<'_>,
        said: &SaidBy,
        phrase: &Phrase,
    ) -> Result<(), StoreError> {
        unreadable::take_back(step, self.line, self.conversation.id, &said.event_id, phrase).await
    }
}

pub(super) fn refusal_phrase(
    refusal: Refusal,
    line: &Line,
    correspondent: Option<&Correspondent>,
) -> Phrase {
    match refusal {
        Refusal::MayNotSpeak => Phrase::NotASpeaker,
        Refusal::NotEntitled(whose) => {
            let those = line.channel.those_who(whose).unwrap_or_default();
            Phrase::OfRights(RightsPhrase::OnlyThese { members: those.join(", ") })
        }
        Refusal::ClearFile => Phrase::FileNotEncrypted,
        Refusal::NotTransferable | Refusal::Encrypted | Refusal::Empty => {
            Phrase::MessageNotTransferable
        }
        Refusal::TooLarge => {
            Phrase::MessageTooLarge { limit_mib: line.channel.mail_bytes_max() / (1024 * 1024) }
        }
        Refusal::NotAnswerable => match correspondent {
            Some(correspondent @ (Correspondent::Fax(_) | Correspondent::ClaimedFax(_))) => {
                let why = line.channel.recipient(correspondent).err();
                why.map_or(Phrase::NoCorrespondentAddress, unreachable_phrase)
            }
            Some(Correspondent::UnknownFax) => Phrase::UnknownFaxNotAnswerable,
            Some(Correspondent::Mail(_)) => Phrase::NotAKimAddress,
            Some(Correspondent::UnknownSender) | None => Phrase::NoCorrespondentAddress,
        },
    }
}
