//! `[channel.kim]`: what a KIM account has besides its two servers.

use std::time::Duration;

use super::{
    AfterRelay, DirectorySettings, directory, kim_services,
    mail_server::{host_name, one_line},
    reader::Section,
    surroundings::SettingsSurroundings,
};
use crate::{
    channel::{
        KimCallContext, KimEnvironment, KimProfile, KimServerPart, KimSystems, KimUserForm,
        LargeMails, MailboxUse, Receipts, ServiceClasses,
    },
    model::{ChannelKind, MailAddress},
    phrases::AdminPhrase,
};

/// The keys that only user names are built from, in the order of the example.
const USER_KEYS: [&str; 9] = [
    "mandant",
    "client_system",
    "workplace",
    "konnektor",
    "user_id",
    "pop3_server",
    "smtp_server",
    "separator",
    "user_id_in_smtp",
];

/// Longest id of a call context, in characters: what the Konnektor's own configuration takes.
const ID_CHARS_MAX: usize = 64;

/// Longest name of a product or a version, in bytes: the headers shall stay on one line.
const PRODUCT_BYTES_MAX: usize = 200;

/// What the section says.
#[derive(Default)]
pub(super) struct KimSection {
    /// Nothing if user names are not built here.
    pub(super) users: Option<KimUserForm>,
    /// Whether a server is asked to report what becomes of a mail (KIM-30).
    pub(super) delivery_reports: bool,
    pub(super) directory: Option<DirectorySettings>,
    systems: KimSystems,
    receipts: Receipts,
    report_wait: Duration,
    large_mails: LargeMails,
    mailbox: Option<MailboxUse>,
    /// Nothing where the table of the settings cannot be used.
    classes: Option<ServiceClasses>,
}

/// Reads the section of a channel; nothing for a channel of another kind. `servers`: the sections of its
/// inbox and its outbox.
pub(super) fn read(
    channel: &Section<'_, '_>,
    kind: Option<ChannelKind>,
    address: Option<&MailAddress>,
    servers: (&Section<'_, '_>, &Section<'_, '_>),
    around: &SettingsSurroundings<'_>,
) -> KimSection {
    let section = &channel.section("kim");
    if kind == Some(ChannelKind::Fax) {
        if section.is_there() {
            channel.wrong("kim", AdminPhrase::KimOnly);
        }
        return KimSection::default();
    }
    let users = users(section, address);
    check_given_once(section, servers);
    let systems = systems(section);
    let delivery_reports = section.flag("delivery_reports").unwrap_or(true);
    let receipts = match section.flag("read_receipts") {
        Some(true) => Receipts::Requested,
        Some(false) | None => Receipts::NotRequested,
    };
    let directory = directory::read(&section.section("directory"), around);
    let large_mails = match (section.flag("large_mails"), &directory) {
        (Some(true), _) => LargeMails::Always,
        (Some(false) | None, Some(_)) => LargeMails::WhereListed,
        (Some(false) | None, None) => LargeMails::Never,
    };
    let report_wait = section
        .whole("report_hours", 1..=720)
        .map_or(KimProfile::REPORT_WAIT, |hours| Duration::from_secs(60 * 60 * hours));
    let mailbox = kim_services::mailbox(section);
    let classes = kim_services::classes(section, around);
    section.close();
    KimSection {
        users,
        delivery_reports,
        directory,
        systems,
        receipts,
        report_wait,
        large_mails,
        mailbox,
        classes,
    }
}

/// A user name that is given as a whole is not built. What would be built for nothing is a mistake: one
/// of the two is not what was meant.
fn check_given_once(
    section: &Section<'_, '_>,
    (inbox, outbox): (&Section<'_, '_>, &Section<'_, '_>),
) {
    let wrong = |key, of: &str| {
        section.wrong(key, AdminPhrase::UserGivenTwice { of: of.to_owned() });
    };
    let (inbox_has, outbox_has) = (inbox.has("user"), outbox.has("user"));
    let first = USER_KEYS.into_iter().find(|key| section.has(key));
    match first {
        Some(first) if inbox_has && outbox_has => wrong(first, "[channel.inbox], [channel.outbox]"),
        Some(_) => {
            let of_inbox = ("pop3_server", inbox_has, "[channel.inbox]");
            let of_outbox = |key| (key, outbox_has, "[channel.outbox]");
            for (key, is_given, of) in
                [of_inbox, of_outbox("smtp_server"), of_outbox("user_id_in_smtp")]
            {
                if is_given && section.has(key) {
                    wrong(key, of);
                }
            }
        }
        None => {}
    }
}

impl KimSection {
    /// Notes a mistake where the gateway would delete what another program has not read yet (KIM-9,
    /// KIM-11).
    pub(super) fn check_deletes(&self, channel: &Section<'_, '_>, after_relay: Option<AfterRelay>) {
        if after_relay == Some(AfterRelay::Delete) && self.mailbox != Some(MailboxUse::Owned) {
            channel.section("kim").wrong("mailbox", AdminPhrase::DeletesInSharedMailbox);
        }
    }

    /// `mail_bytes_max`: the limit of the outbox, and where it is given.
    pub(super) fn profile(
        self,
        outbox: &Section<'_, '_>,
        environment: KimEnvironment,
        mail_bytes_max: Option<u64>,
    ) -> Option<KimProfile> {
        let KimSection { systems, receipts, report_wait, large_mails, mailbox, classes, .. } = self;
        let most = match large_mails {
            LargeMails::Always | LargeMails::WhereListed => KimProfile::LARGE_MAIL_BYTES_MAX,
            LargeMails::Never => KimProfile::MAIL_BYTES_MAX,
        };
        if mail_bytes_max.is_some_and(|max| max > most) {
            outbox.wrong("mail_bytes_max", AdminPhrase::WantsLargeMails);
        }
        let mail_bytes_max = mail_bytes_max.unwrap_or(most);
        Some(KimProfile {
            environment,
            mail_bytes_max,
            large_mails,
            systems,
            receipts,
            report_wait,
            mailbox: mailbox.unwrap_or_default(),
            classes: classes?,
        })
    }
}

fn users(section: &Section<'_, '_>, address: Option<&MailAddress>) -> Option<KimUserForm> {
    let required = ["mandant", "client_system", "workplace"];
    let [mandant, client_system, workplace] = required.map(|key| section.text(key, context_id));
    let user_id = section.text("user_id", context_id);
    let konnektor = section.text("konnektor", context_id);
    let pop3_server = section.text("pop3_server", server_part);
    let smtp_server = section.text("smtp_server", server_part);
    let separator = section.text("separator", separator);
    let user_id_in_smtp = section.flag("user_id_in_smtp");
    let context_keys = required.into_iter().chain(["user_id", "konnektor"]);
    if context_keys.clone().any(|key| section.has(key)) {
        for key in required.into_iter().filter(|key| !section.has(key)) {
            section.missing(key, AdminPhrase::ContextIncomplete);
        }
    }
    USER_KEYS.into_iter().find(|key| section.has(key))?;
    let context = match (mandant, client_system, workplace) {
        (Some(mandant), Some(client_system), Some(workplace)) => {
            Some(KimCallContext { mandant, client_system, workplace, user_id, konnektor })
        }
        _ => None,
    };
    Some(KimUserForm {
        address: address?.as_str().to_owned(),
        pop3_server,
        smtp_server,
        separator: separator.unwrap_or(':'),
        context,
        user_id_in_smtp: user_id_in_smtp.unwrap_or(false),
    })
}

fn systems(section: &Section<'_, '_>) -> KimSystems {
    let default = KimSystems::default();
    let product = |text: &str| product(text, ';', AdminPhrase::NotAProduct);
    KimSystems {
        system: section.text("system", product).unwrap_or(default.system),
        support: section.text("support", support),
        user_agent: section
            .text("user_agent", |text| self::product(text, '/', AdminPhrase::NotAUserAgent)),
        middleware: section.text("middleware", product),
    }
}

/// An id of the Konnektor's configuration. `#` would begin the next part, and `*` stands for none.
fn context_id(text: &str) -> Result<String, AdminPhrase> {
    let text = one_line(text, AdminPhrase::AnId)?;
    let is_id = !text.contains('#')
        && text != "*"
        && text.trim() == text
        && text.chars().count() <= ID_CHARS_MAX;
    if is_id { Ok(text) } else { Err(AdminPhrase::NotAContextId) }
}

/// `host:port`, `*` or nothing.
fn server_part(text: &str) -> Result<KimServerPart, AdminPhrase> {
    if ["", "*"].contains(&text) {
        return Ok(KimServerPart::Verbatim(text.to_owned()));
    }
    let (host, port) = text.rsplit_once(':').ok_or(AdminPhrase::NotAServerPart)?;
    let host = host_name(host).map_err(|_| AdminPhrase::NotAServerPart)?;
    match port.parse() {
        Ok(port) if port > 0 => Ok(KimServerPart::HostAndPort(host, port)),
        _ => Err(AdminPhrase::NotAServerPart),
    }
}

/// What can stand in a host name, between two parts, or for a part would be taken for it.
fn separator(text: &str) -> Result<char, AdminPhrase> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) if c.is_ascii_punctuation() && !"#*.-_".contains(c) => Ok(c),
        _ => Err(AdminPhrase::NotASeparator),
    }
}

/// A name and its version. It stands in a header that the provider reads (KIM-23), so nothing in it can
/// end the header.
fn product(text: &str, between: char, wrong: AdminPhrase) -> Result<String, AdminPhrase> {
    let is_part = |part: &str| {
        !part.is_empty()
            && part.trim() == part
            && part.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
            && !part.contains([between, '@'])
    };
    match text.split_once(between) {
        Some((name, version))
            if is_part(name) && is_part(version) && text.len() <= PRODUCT_BYTES_MAX =>
        {
            Ok(text.to_owned())
        }
        _ => Err(wrong),
    }
}

fn support(text: &str) -> Result<MailAddress, AdminPhrase> {
    let address = MailAddress::new(text)?;
    if text.is_ascii() { Ok(address) } else { Err(AdminPhrase::NotASupportAddress) }
}
