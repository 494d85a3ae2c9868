//! The tray: what waits, who takes care of it, and a conversation that begins in a room.

use umstieg_world::client::SeenEvent;

use crate::{
    DemoError,
    evidence::expect,
    mail::{read, text_of},
    practice::ERIK,
    story::{InRoom, Story, WITHIN},
    tale::{Miss, Tale},
};

/// How the tray of the KIM account introduces itself.
const TRAY: &str = "Dies ist der Eingang Ihres Teams für „KIM Praxis Müller“";
const NEW_SUBJECT: &str = "Termin zur Kontrolle";
const NEW_TEXT: &str = "Bitte nennen Sie uns einen Termin für die Kontrolle im Dezember.";

impl Story<'_> {
    pub(crate) async fn tray_says_what_waits(
        &self,
        tale: &mut Tale,
        letter: &InRoom,
    ) -> Result<(), DemoError> {
        tale.heading("7. The tray says what waits")?;
        let anna = &self.practice.anna;
        let tray =
            tale.step("Anna finds the room of the KIM account", self.anna_sees(TRAY)).await?;
        let asks = async {
            let asked = anna.send_text(&tray.room_id, "!offen").await?;
            self.anna_is_answered(&asked).await
        };
        let list = tale.step("she asks what is open", asks).await?;
        self.quote_room(tale, &[&list]).await?;
        tale.step("the thread of the first letter is in the list", async {
            expect("a line with its room", "true", &list.body().contains(&letter.room).to_string())
        })
        .await?;
        let done = async {
            let asked = anna.reply(&letter.room, &letter.event_id, "!erledigt").await?;
            self.anna_is_answered(&asked).await
        };
        let done = tale.step("she marks it as done, in its room", done).await?;
        self.quote_room(tale, &[&done]).await?;
        let asks = async {
            let asked = anna.send_text(&tray.room_id, "!offen").await?;
            self.anna_is_answered(&asked).await
        };
        let list = tale.step("she asks again", asks).await?;
        self.quote_room(tale, &[&list]).await?;
        tale.step("it is not in the list any more", async {
            expect("a line with its room", "false", &list.body().contains(&letter.room).to_string())
        })
        .await?;
        self.conversation_begins_here(tale, &tray).await
    }

    async fn conversation_begins_here(
        &self,
        tale: &mut Tale,
        tray: &SeenEvent,
    ) -> Result<(), DemoError> {
        tale.heading("8. Anna begins a conversation")?;
        let anna = &self.practice.anna;
        let command = format!("!kim {ERIK} {NEW_SUBJECT}");
        tale.quote(&format!("anna: {command}"))?;
        let begins = async {
            anna.send_text(&tray.room_id, &command).await?;
            self.anna_sees(&format!("Betreff: {NEW_SUBJECT}")).await
        };
        let opened = tale.step("she says to whom and about what, and a room opens", begins).await?;
        self.quote_room(tale, &[&opened]).await?;
        let arrived = async {
            anna.send_text(&opened.room_id, NEW_TEXT).await?;
            self.mail_in(ERIK, |mail| mail.subject() == Some(NEW_SUBJECT)).await
        };
        let raw = tale.step("what she writes there arrives as a new mail", arrived).await?;
        let mail = read(&raw).map_err(|miss| tale.missed("read the mail", miss))?;
        self.quote_mail(tale, &mail)?;
        tale.step("it has her words, and answers nothing", async {
            expect("the text", NEW_TEXT, &text_of(&mail))?;
            expect("In-Reply-To", "", mail.header_raw("In-Reply-To").unwrap_or_default().trim())
        })
        .await
    }

    /// Waits for the gateway's answer to a command.
    async fn anna_is_answered(&self, asked: &str) -> Result<SeenEvent, Miss> {
        let anna = &self.practice.anna;
        let answer = anna.wait_for_within(WITHIN, "an answer to the command", |seen| {
            seen.messages().find(|said| said.reply_to() == Some(asked)).cloned()
        });
        Ok(answer.await?)
    }
}
