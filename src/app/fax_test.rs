//! `umstieg fax test`: a page goes to a number, and is followed to its report.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::start;
use crate::{
    channel::{Channel, FaxSend, WhyNot, number_shown},
    config::{ChannelSettings, Settings},
    document::{self, DocumentError},
    mail::{self, ComposeError, MailBody, MailForm, Piece},
    model::{
        Clock, Correspondent, DeliveryState, Dispatch, DispatchFile, FateWhy, FaxNumber, MessageId,
        Outcome, Rng,
    },
    phrases::{AdminPhrase, FaxAdminPhrase},
    relay::fax_sheet,
    store::{FaxTestSaid, OpenError, Store, StoreError, seal::OuterKey},
    transport::submit,
};

/// How often the report is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A test fax could not be sent, or did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum FaxTestError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no fax channel of this name; with several, name one with --channel")]
    NoChannel,
    #[error("this is no fax number that can be dialled")]
    NotANumber,
    #[error("the channel sends no faxes: send is \"off\" in its settings")]
    Off,
    #[error("no fax goes to this number: {0}")]
    Unreachable(WhyNot),
    #[error("the test page could not be made")]
    Page(#[from] DocumentError),
    #[error("the mail could not be written")]
    Mail(#[from] ComposeError),
    #[error("the mail server did not take the fax: {0}")]
    NotTaken(String),
    #[error("the fax gateway reports that the fax was not sent: {}", .0.word())]
    NotSent(FateWhy),
    #[error("no final report came in time")]
    Silent,
}

/// What an admin asks for.
#[derive(Debug)]
pub struct FaxTestOrder {
    pub number: String,
    /// Needed where there are several fax channels.
    pub channel: Option<String>,
    /// How long to wait for the final report.
    pub minutes: u64,
}

/// Sends a test page, and tells each step. The gateway has to be running, since it reads the reports.
pub async fn send(
    settings: &Settings,
    key: &OuterKey,
    order: FaxTestOrder,
    mut tell: impl FnMut(&AdminPhrase),
) -> Result<(), FaxTestError> {
    let channel = chosen(&settings.channels, order.channel.as_deref())?;
    let profile = channel.channel.fax().ok_or(FaxTestError::NoChannel)?;
    if profile.send == FaxSend::Off {
        return Err(FaxTestError::Off);
    }
    let number = channel.channel.typed_number(&order.number).ok_or(FaxTestError::NotANumber)?;
    let clock = Clock::of_the_machine();
    let uuid = Rng::from_os().uuid();
    let id = MessageId::new(&format!("{uuid}@{}", crate::channel::FAX_ID_DOMAIN));
    let id = id.map_err(|_| FaxTestError::NotANumber)?;
    let store = start::store(settings, key).await?;
    let (envelope, mail, pages) = written(&channel.channel, &number, &id, &clock)?;
    let name = &channel.channel.name;
    let test = store.begin_fax_test(name, &id, (&number, pages), clock.now()).await?;
    let outbox = start::line(channel).outbox;
    let nothing_to_save = async || Ok::<_, std::convert::Infallible>(());
    match submit(&outbox, &envelope, mail.as_slice(), nothing_to_save).await {
        Outcome::Accepted { .. } => {}
        Outcome::Refused { why, .. } | Outcome::TryLater { why, .. } | Outcome::Unclear { why } => {
            return Err(FaxTestError::NotTaken(why.to_string()));
        }
    }
    tell(&FaxAdminPhrase::FaxTestTaken { number: number_shown(&number) }.into());
    if profile.form.reports.forms.is_empty() {
        tell(&FaxAdminPhrase::FaxTestNoReports.into());
        return Ok(());
    }
    let wait =
        Duration::from_secs(60).saturating_mul(u32::try_from(order.minutes).unwrap_or(u32::MAX));
    follow(&store, test, wait, tell).await
}

fn chosen<'s>(
    channels: &'s [ChannelSettings],
    name: Option<&str>,
) -> Result<&'s ChannelSettings, FaxTestError> {
    let is_meant = |channel: &&ChannelSettings| {
        let is_named = name.is_none_or(|name| channel.channel.name.as_str() == name);
        is_named && channel.channel.fax().is_some()
    };
    let mut meant = channels.iter().filter(is_meant);
    match (meant.next(), meant.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(FaxTestError::NoChannel),
    }
}

/// The mail of a test page, its envelope, and its pages.
fn written(
    channel: &Channel,
    number: &FaxNumber,
    id: &MessageId,
    clock: &Clock,
) -> Result<(crate::model::Envelope, Vec<u8>, u32), FaxTestError> {
    let to = Correspondent::Fax(number.clone());
    let recipient = channel.recipient(&to).map_err(FaxTestError::Unreachable)?;
    let text = FaxAdminPhrase::FaxTestPage.said(channel.language);
    let sheet = fax_sheet(channel, Some(number), clock.now(), text);
    let pdf = document::fax(Some(&sheet), &[], 1, &mut |_| {})?;
    let file = DispatchFile {
        file_name: "fax.pdf".to_owned(),
        media_type: "application/pdf".to_owned(),
        bytes: pdf.bytes.len() as u64,
    };
    let order = channel.fax_order(&to, id).unwrap_or_default();
    let mut headers = channel.extra_headers();
    headers.extend(order.fields);
    let dispatch = Dispatch {
        to,
        message_id: id.clone(),
        date: clock.now(),
        subject: order.subject,
        in_reply_to: None,
        references: Vec::new(),
        parts: Vec::new(),
    };
    let envelope = channel.envelope(recipient, id);
    let form = MailForm { headers, body: MailBody::Document(file, order.lines) };
    let composed = mail::compose(&dispatch, &envelope, &form)?;
    let mut bytes = Vec::new();
    for piece in composed.pieces {
        match piece {
            Piece::Bytes(piece) => bytes.extend(piece),
            Piece::File(_) => bytes.extend(mail::file_lines(&pdf.bytes)),
        }
    }
    Ok((envelope, bytes, pdf.pages))
}

/// Waits for the final report, and tells what comes before it.
async fn follow(
    store: &Store,
    test: i64,
    wait: Duration,
    mut tell: impl FnMut(&AdminPhrase),
) -> Result<(), FaxTestError> {
    let until = Instant::now() + wait;
    let mut told: Option<FaxTestSaid> = None;
    while Instant::now() < until {
        let said = store.fax_test_said(test).await?;
        if said != told
            && let Some(FaxTestSaid { state, why }) = &said
        {
            match state {
                DeliveryState::Delivered => {
                    tell(&FaxAdminPhrase::FaxTestSent.into());
                    return Ok(());
                }
                DeliveryState::Undelivered => {
                    let why = why.as_deref().map_or(FateWhy::Unknown, FateWhy::from_word);
                    return Err(FaxTestError::NotSent(why));
                }
                DeliveryState::Delayed => tell(&FaxAdminPhrase::FaxTestAgain.into()),
                _ => tell(&FaxAdminPhrase::FaxTestUnderway.into()),
            }
        }
        told = said;
        sleep(LOOK_EVERY).await;
    }
    Err(FaxTestError::Silent)
}
