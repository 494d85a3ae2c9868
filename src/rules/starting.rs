//! A conversation that a speaker begins: what the command asks for, on which channel, and whether a person
//! has to confirm the address before anything goes there.

use super::commands::shows_nothing;
use crate::model::{ChannelKind, ChannelName, MailAddress, WhyNoStart};

/// Longest subject, in characters. A subject is a line in a list of mails.
pub const SUBJECT_CHARS_MAX: usize = 200;

/// The doubt of an address to which nothing ever went from its channel, as the database calls it.
pub const NEW_ADDRESS: &str = "new-address";

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedStart {
    /// The channel that it names.
    pub channel: Option<String>,
    pub recipient: WantedRecipient,
    pub subject: Option<String>,
}

/// Whom it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedRecipient {
    Address(MailAddress),
    /// As it was written: what number it is, the line's own place tells.
    Number(String),
}

/// Reads what stands behind the word of a command. `body` is the message as it came, with what shows
/// nothing.
///
/// # Errors
/// When it is not certain who is meant. Nothing is put right: an address that was guessed is a stranger's.
pub fn wanted(kind: ChannelKind, behind: &str, body: &str) -> Result<WantedStart, WhyNoStart> {
    let said = behind.trim_start_matches([':', '=']);
    let (channel, rest) = match said.strip_prefix('@') {
        Some(named) => {
            let (channel, rest) = named.split_once(char::is_whitespace).unwrap_or((named, ""));
            (Some(channel.to_owned()), rest)
        }
        None => (None, said),
    };
    let rest = rest.trim();
    if rest.chars().any(ends_line) {
        return Err(WhyNoStart::Lines);
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (first, others) = words.split_first().ok_or(WhyNoStart::Missing)?;
    if hides_something(first, body) {
        return Err(WhyNoStart::Characters);
    }
    if is_link(first) {
        return Err(WhyNoStart::Link);
    }
    let recipient = match kind {
        ChannelKind::Kim => WantedRecipient::Address(address(first, others)?),
        ChannelKind::Fax => WantedRecipient::Number(number(first, others)?),
    };
    let subject = others.join(" ");
    if subject.chars().count() > SUBJECT_CHARS_MAX {
        return Err(WhyNoStart::LongSubject);
    }
    if subject.is_empty() && kind == ChannelKind::Kim {
        return Err(WhyNoStart::NoSubject);
    }
    let subject = Some(subject).filter(|subject| !subject.is_empty());
    Ok(WantedStart { channel, recipient, subject })
}

fn ends_line(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether the message shows something else than what is read of it: a mark of the writing direction
/// anywhere, or something unseen within the recipient.
fn hides_something(first: &str, body: &str) -> bool {
    let turns = |c: char| {
        matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2066}'..='\u{2069}')
    };
    let is_first_with_more = |word: &str| {
        let seen: String = word.chars().filter(|c| !shows_nothing(*c)).collect();
        seen.len() != word.len() && seen == first
    };
    body.chars().any(turns) || body.split_whitespace().any(is_first_with_more)
}

fn is_link(word: &str) -> bool {
    let word = word.trim_start_matches(['<', '(', '[', '"']).to_lowercase();
    ["mailto:", "tel:", "fax:", "sip:", "http:", "https:", "matrix:"]
        .iter()
        .any(|scheme| word.starts_with(scheme))
}

fn address(first: &str, others: &[&str]) -> Result<MailAddress, WhyNoStart> {
    let has_another = others.iter().any(|word| bare_address(word).is_some());
    if first.matches('@').count() > 1 {
        return Err(WhyNoStart::Several);
    }
    match MailAddress::new(first) {
        Ok(_) if has_another => Err(WhyNoStart::Several),
        Ok(address) => Ok(address),
        Err(_) if first.contains(['<', '>', '"']) => Err(WhyNoStart::Name),
        Err(_) if bare_address(first).is_some() && has_another => Err(WhyNoStart::Several),
        Err(_) if !first.contains('@') && has_another => Err(WhyNoStart::Name),
        Err(_) if !first.is_ascii() => Err(WhyNoStart::Characters),
        Err(_) => Err(WhyNoStart::NoAddress),
    }
}

/// The address that stands in a word, if one does.
fn bare_address(word: &str) -> Option<MailAddress> {
    MailAddress::new(word.trim_matches(|c| ",;<>()[]\"'".contains(c))).ok()
}

fn number(first: &str, others: &[&str]) -> Result<String, WhyNoStart> {
    let goes_on = |word: &&str| {
        word.contains(|c: char| c.is_ascii_digit())
            && word.chars().all(|c| c.is_ascii_digit() || "+()/-.".contains(c))
    };
    if !first.is_ascii() {
        return Err(WhyNoStart::Characters);
    }
    if first.contains([',', ';']) {
        return Err(WhyNoStart::Several);
    }
    if first.contains(['<', '>', '"']) {
        return Err(WhyNoStart::Name);
    }
    // A date and a price have digits, too; the line's own rules refuse them.
    if !first.contains(|c: char| c.is_ascii_digit()) {
        return Err(WhyNoStart::NoNumber);
    }
    if others.first().is_some_and(goes_on) {
        return Err(WhyNoStart::Blanks);
    }
    Ok(first.to_owned())
}

/// Why no channel is certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoStartChannel {
    /// The speaker may speak on none, or on none of that name.
    None,
    /// One of these has to be named.
    Several(Vec<ChannelName>),
}

/// The channel on which a conversation begins. `here`: the one of the room where the command was given;
/// `all`: those of the right kind on which its author may speak.
pub fn channel_for(
    named: Option<&str>,
    here: &ChannelName,
    all: &[ChannelName],
) -> Result<ChannelName, NoStartChannel> {
    if let Some(named) = named {
        let named = named.to_lowercase();
        let found = all.iter().find(|channel| channel.to_string() == named);
        return found.cloned().ok_or(NoStartChannel::None);
    }
    match all {
        [] => Err(NoStartChannel::None),
        _ if all.contains(here) => Ok(here.clone()),
        [only] => Ok(only.clone()),
        several => Err(NoStartChannel::Several(several.to_vec())),
    }
}

/// What is known of the address of a conversation that a speaker began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressFacts {
    /// A letter came from there, on this channel.
    pub has_written: bool,
    /// Something that left for there was accepted on this channel, and nothing bad was heard of it since.
    pub was_reached: bool,
    /// A speaker confirmed it in this conversation, and did not take that back.
    pub is_confirmed: bool,
}

/// Whether a person has to confirm an address before anything goes there: a typing error in it puts what is
/// written into a stranger's hands.
pub fn needs_confirmation(facts: AddressFacts) -> bool {
    !(facts.has_written || facts.was_reached || facts.is_confirmed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERIK: &str = "erik@charite.kim.telematik";

    fn kim(behind: &str) -> Result<(String, String), WhyNoStart> {
        let start = wanted(ChannelKind::Kim, behind, &format!("!kim{behind}"))?;
        let WantedRecipient::Address(address) = start.recipient else { unreachable!() };
        Ok((address.as_str().to_owned(), start.subject.unwrap_or_default()))
    }

    fn fax(behind: &str) -> Result<(String, String), WhyNoStart> {
        let start = wanted(ChannelKind::Fax, behind, &format!("!fax{behind}"))?;
        let WantedRecipient::Number(number) = start.recipient else { unreachable!() };
        Ok((number, start.subject.unwrap_or_default()))
    }

    /// TIM-19: an address is taken as it stands, or not at all.
    #[test]
    fn tim_19_what_is_no_address_is_refused_with_its_reason() {
        let ok = |subject: &str| Ok((ERIK.to_owned(), subject.to_owned()));
        let long = |chars: usize| format!(" {ERIK} {}", "ä".repeat(chars));
        for (behind, expected) in [
            (" erik@charite.kim.telematik Befund Schmidt", ok("Befund Schmidt")),
            (": Erik@Charite.KIM.telematik  Befund\t zu  morgen ", ok("Befund zu morgen")),
            (&long(200), ok(&"ä".repeat(200))),
            (&long(201), Err(WhyNoStart::LongSubject)),
            (&long(100_000), Err(WhyNoStart::LongSubject)),
            ("", Err(WhyNoStart::Missing)),
            (" ", Err(WhyNoStart::Missing)),
            (" erik@charite.kim.telematik", Err(WhyNoStart::NoSubject)),
            (" hat angerufen", Err(WhyNoStart::NoAddress)),
            (" erik@ Befund", Err(WhyNoStart::NoAddress)),
            (" Dr. Erik <erik@charite.kim.telematik> Befund", Err(WhyNoStart::Name)),
            (" \"Erik\" <erik@charite.kim.telematik> Befund", Err(WhyNoStart::Name)),
            (" <erik@charite.kim.telematik> Befund", Err(WhyNoStart::Name)),
            (" mailto:erik@charite.kim.telematik Befund", Err(WhyNoStart::Link)),
            (" <mailto:erik@charite.kim.telematik> Befund", Err(WhyNoStart::Link)),
            (" https://charite.example Befund", Err(WhyNoStart::Link)),
            (" a@b.kim.telematik,c@d.kim.telematik Befund", Err(WhyNoStart::Several)),
            (" a@b.kim.telematik, c@d.kim.telematik Befund", Err(WhyNoStart::Several)),
            (" a@b.kim.telematik c@d.kim.telematik Befund", Err(WhyNoStart::Several)),
            (" a@b.kim.telematik Befund an c@d.kim.telematik", Err(WhyNoStart::Several)),
            (" a@b@c.kim.telematik Befund", Err(WhyNoStart::Several)),
            (" erik\u{FF20}charite.kim.telematik Befund", Err(WhyNoStart::Characters)),
            (" \u{FF45}rik@charite.kim.telematik Befund", Err(WhyNoStart::Characters)),
            (" m\u{FC}ller@charite.kim.telematik Befund", Err(WhyNoStart::Characters)),
            (" erik@charite.kim.telematik Befund\nBcc: eve@x", Err(WhyNoStart::Lines)),
            (" erik@charite.kim.telematik\r\nBcc: eve@x Befund", Err(WhyNoStart::Lines)),
            (" erik@charite.kim.telematik Befund\u{2028}mehr", Err(WhyNoStart::Lines)),
            (" erik@charite.kim.telematik Befund\u{85}mehr", Err(WhyNoStart::Lines)),
        ] {
            assert_eq!(kim(behind), expected, "{behind:?}");
        }
    }

    /// The words of a command come without what shows nothing; the message tells that it was there.
    #[test]
    fn tim_19_what_shows_something_else_than_is_read_is_refused() {
        let behind = " erik@charite.kim.telematik Befund";
        let of = |body: &str| wanted(ChannelKind::Kim, behind, body).map(|_| ());
        assert_eq!(of("!kim erik@charite.kim.telematik Befund"), Ok(()));
        // A picture in the subject, and a soft hyphen there, show what is read.
        assert_eq!(of("!kim erik@charite.kim.telematik Be\u{AD}fund"), Ok(()));
        for body in [
            "!kim er\u{200B}ik@charite.kim.telematik Befund",
            "!kim er\u{AD}ik@charite.kim.telematik Befund",
            "!kim \u{202E}erik@charite.kim.telematik Befund",
            "!kim \u{202E} erik@charite.kim.telematik Befund",
            "!kim\u{202E} erik@charite.kim.telematik Befund",
            "!kim erik@charite.kim.telematik \u{202E}Befund",
            "!kim erik@charite.kim.telematik\u{2069} Befund",
        ] {
            assert_eq!(of(body), Err(WhyNoStart::Characters), "{body:?}");
        }
    }

    #[test]
    fn tim_19_what_is_no_number_is_refused_with_its_reason() {
        let ok = |number: &str, subject: &str| Ok((number.to_owned(), subject.to_owned()));
        for (behind, expected) in [
            (" 0305550171 Befund", ok("0305550171", "Befund")),
            (" +49305550171", ok("+49305550171", "")),
            (" 030/5550171-9 Befund 2", ok("030/5550171-9", "Befund 2")),
            (" 0305550171 2.Befund", ok("0305550171", "2.Befund")),
            (" 030 5550171 Befund", Err(WhyNoStart::Blanks)),
            (" +49 30 5550171", Err(WhyNoStart::Blanks)),
            (" 0305550171 2 Befunde", Err(WhyNoStart::Blanks)),
            (" (030) 5550171", Err(WhyNoStart::Blanks)),
            (" tel:+49305550171 Befund", Err(WhyNoStart::Link)),
            (" 0305550171,0305550172 Befund", Err(WhyNoStart::Several)),
            (" 0305550171; 0305550172", Err(WhyNoStart::Several)),
            (" <0305550171>", Err(WhyNoStart::Name)),
            (" Praxis 0305550171", Err(WhyNoStart::NoNumber)),
            (" \u{FF10}305550171", Err(WhyNoStart::Characters)),
            (" 030\u{2013}5550171", Err(WhyNoStart::Characters)),
            (" 0305550171\nBefund", Err(WhyNoStart::Lines)),
        ] {
            assert_eq!(fax(behind), expected, "{behind:?}");
        }
    }

    #[test]
    fn a_channel_is_named_or_certain() {
        let name = |name: &str| ChannelName::new(name).unwrap();
        let (kim, labor, fax) = (name("kim"), name("labor"), name("fax"));
        let both = [kim.clone(), labor.clone()];
        let one = [labor.clone()];
        let none = || Err(NoStartChannel::None);
        for (named, here, all, expected) in [
            (None, &kim, &both[..], Ok(kim.clone())),
            (None, &labor, &both[..], Ok(labor.clone())),
            (None, &fax, &both[..], Err(NoStartChannel::Several(both.to_vec()))),
            (None, &fax, &one[..], Ok(labor.clone())),
            (None, &kim, &one[..], Ok(labor.clone())),
            (None, &fax, &[][..], none()),
            (Some("labor"), &kim, &both[..], Ok(labor.clone())),
            (Some("Labor"), &kim, &both[..], Ok(labor.clone())),
            (Some("praxis"), &kim, &both[..], none()),
            (Some(""), &kim, &both[..], none()),
            (Some("kim"), &kim, &one[..], none()),
        ] {
            assert_eq!(channel_for(named, here, all), expected, "{named:?} {here} {all:?}");
        }
        let start = wanted(ChannelKind::Kim, "@labor a@b.kim.telematik Befund", "").unwrap();
        assert_eq!(start.channel.as_deref(), Some("labor"));
        assert_eq!(wanted(ChannelKind::Kim, "@labor", ""), Err(WhyNoStart::Missing));
    }

    #[test]
    fn tim_19_an_address_without_a_history_is_confirmed() {
        let none = AddressFacts { has_written: false, was_reached: false, is_confirmed: false };
        for (facts, expected) in [
            (none, true),
            (AddressFacts { has_written: true, ..none }, false),
            (AddressFacts { was_reached: true, ..none }, false),
            (AddressFacts { is_confirmed: true, ..none }, false),
        ] {
            assert_eq!(needs_confirmation(facts), expected, "{facts:?}");
        }
    }
}
