//! The section `[channel.inbox]`: a mailbox, or the listener.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use ipnet::IpNet;
use time::{Date, macros::format_description};

use super::{
    AfterRelay, InboxSettings, IntakeSettings, mail_server,
    mail_server::{allowed, one_line},
    reader::Section,
    secrets::{self, secret},
    surroundings::SettingsSurroundings,
};
use crate::{
    channel::{Entrance, EntranceAddress, EntranceLogin},
    model::{ChannelKind, ChannelName, MailAddress},
    phrases::AdminPhrase,
    transport::{DoorTls, MailboxProtocol},
};

/// Values that must be unique over all channels.
#[derive(Default)]
pub(super) struct OnceOnly {
    pub(super) names: BTreeSet<ChannelName>,
    /// Host, port and user of each inbox.
    inboxes: BTreeSet<(String, u16, String)>,
    /// Of the listener.
    recipients: BTreeSet<String>,
    /// The largest mail the listener takes, and its TLS; nothing where there is no listener.
    pub(super) door: Option<(u64, DoorTls)>,
}

impl OnceOnly {
    /// `false`: another channel has the same one.
    fn add_inbox(&mut self, inbox: &InboxSettings) -> bool {
        let server = &inbox.server;
        let mailbox = (server.host.to_ascii_lowercase(), server.port, server.login.user.clone());
        self.inboxes.insert(mailbox)
    }

    /// `false`: another channel, or this one, has the same one.
    fn add_recipient(&mut self, recipient: &EntranceAddress) -> bool {
        self.recipients.insert(recipient.key())
    }
}

/// What `protocol` says.
enum IntakeProtocol {
    Mailbox(MailboxProtocol),
    Door,
}

/// Reads the section. `built`: the user name where it gives none.
pub(super) fn read(
    section: &Section<'_, '_>,
    kind: Option<ChannelKind>,
    built: Option<String>,
    around: &SettingsSurroundings<'_>,
    seen: &mut OnceOnly,
) -> Option<IntakeSettings> {
    let protocol = section.text("protocol", |text| match (text, kind) {
        ("pop3", _) => Ok(IntakeProtocol::Mailbox(MailboxProtocol::Pop3)),
        ("imap", _) => Ok(IntakeProtocol::Mailbox(MailboxProtocol::Imap)),
        ("smtp", Some(ChannelKind::Fax)) => Ok(IntakeProtocol::Door),
        (_, Some(ChannelKind::Fax)) => {
            Err(AdminPhrase::AllowedForms { names: "\"pop3\", \"imap\", \"smtp\"".to_owned() })
        }
        _ => Err(allowed("pop3", "imap")),
    });
    let protocol = section.required("protocol", AdminPhrase::WantsProtocol, protocol);
    if let Some(IntakeProtocol::Door) = protocol {
        return door(section, around, seen);
    }
    for key in ["recipients", "peers"] {
        if section.has(key) {
            section.wrong(key, AdminPhrase::OnlyWithSmtp);
        }
    }
    let protocol = protocol.and_then(|protocol| match protocol {
        IntakeProtocol::Mailbox(protocol) => Some(protocol),
        IntakeProtocol::Door => None,
    });
    let inbox = mailbox(section, protocol, built, around);
    if let Some(inbox) = &inbox
        && !seen.add_inbox(inbox)
    {
        section.wrong("user", AdminPhrase::MailboxTwice);
    }
    inbox.map(IntakeSettings::Mailbox)
}

fn mailbox(
    section: &Section<'_, '_>,
    protocol: Option<MailboxProtocol>,
    built: Option<String>,
    around: &SettingsSurroundings<'_>,
) -> Option<InboxSettings> {
    let poll = section.whole("poll_seconds", 1..=86_400).map(Duration::from_secs);
    let after_relay = section.text("after_relay", |text| match text {
        "keep" => Ok(AfterRelay::Keep),
        "delete" => Ok(AfterRelay::Delete),
        _ => Err(allowed("keep", "delete")),
    });
    let mail_bytes_max = section.whole("mail_bytes_max", 65_536..=InboxSettings::MAIL_BYTES_MOST);
    let since = section.text("since", day);
    let server = mail_server::read(section, built, around);
    section.close();
    Some(InboxSettings {
        since,
        protocol: protocol?,
        server: server?,
        poll: poll.unwrap_or(InboxSettings::POLL_DEFAULT),
        after_relay: after_relay.unwrap_or(AfterRelay::Keep),
        mail_bytes_max: mail_bytes_max.unwrap_or(InboxSettings::MAIL_BYTES_DEFAULT),
    })
}

/// Who may deliver to the channel, and under which recipients (FAX-9, FAX-12).
fn door(
    section: &Section<'_, '_>,
    around: &SettingsSurroundings<'_>,
    seen: &mut OnceOnly,
) -> Option<IntakeSettings> {
    let recipients = section.texts("recipients", MailAddress::new);
    let recipients = section.required("recipients", AdminPhrase::WantsRecipients, recipients);
    let recipients: Option<Vec<EntranceAddress>> =
        recipients.map(|all| all.iter().map(EntranceAddress::new).collect());
    if recipients.as_ref().is_some_and(Vec::is_empty) {
        section.wrong("recipients", AdminPhrase::WantsRecipients);
    }
    for recipient in recipients.iter().flatten() {
        if !seen.add_recipient(recipient) {
            section.wrong("recipients", AdminPhrase::RecipientTwice);
        }
    }
    let peers = section.texts("peers", peer);
    let login = login(section, around);
    let has_login = section.has("user");
    section.close();
    if !has_login && peers.as_ref().is_none_or(Vec::is_empty) {
        // A list that is wrong is one mistake, not two.
        let is_given = section.has("peers") && peers.is_none();
        if !is_given {
            section.wrong("peers", AdminPhrase::WantsProof);
        }
    } else if peers.as_ref().is_some_and(Vec::is_empty) {
        section.wrong("peers", AdminPhrase::WantsProof);
    }
    match seen.door {
        None => section.wrong("protocol", AdminPhrase::NeedsListener),
        Some((_, DoorTls::None)) if has_login => section.wrong("user", AdminPhrase::LoginNeedsTls),
        Some(_) => {}
    }
    let peers_are_wrong = section.has("peers") && peers.is_none();
    let entrance = Entrance {
        recipients: recipients.filter(|all| !all.is_empty())?,
        peers: peers.unwrap_or_default(),
        login: match has_login {
            true => Some(login?),
            false => None,
        },
    };
    if peers_are_wrong {
        return None;
    }
    let (mail_bytes_max, _) = seen.door?;
    Some(IntakeSettings::Door { entrance, mail_bytes_max })
}

fn login(section: &Section<'_, '_>, around: &SettingsSurroundings<'_>) -> Option<EntranceLogin> {
    let keys = [secrets::PASSWORD.plain, secrets::PASSWORD.file, secrets::PASSWORD.env];
    let user = section.text("user", |text| one_line(text, AdminPhrase::AUserName));
    if !section.has("user") {
        if let Some(given) = keys.into_iter().find(|key| section.has(key)) {
            section.wrong(given, AdminPhrase::NeedsBeside { key: "user".to_owned() });
        }
        return None;
    }
    let password = secret(section, &secrets::PASSWORD, AdminPhrase::WantsPassword, around);
    Some(EntranceLogin { user: user?, password: password? })
}

/// An address, or a network. Not all addresses there are: that would be no proof.
fn peer(text: &str) -> Result<IpNet, AdminPhrase> {
    let net = text.parse::<IpNet>();
    let net = net.or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    match net {
        Ok(net) if net.prefix_len() > 0 => Ok(net.trunc()),
        _ => Err(AdminPhrase::NotAPeer),
    }
}

fn day(text: &str) -> Result<Date, AdminPhrase> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).map_err(|_| AdminPhrase::NotADay)
}
