//! How large a mail for a recipient may be (KIM-27).

use crate::{
    channel::{Channel, Dialect, KimProfile, LargeMails},
    model::{AddressStanding, WhyNotLarge},
};

/// The largest mail that leaves for a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailLimit {
    /// As sent, base64 included.
    pub bytes: u64,
    /// Why it is less than what the channel takes; nothing if it is not.
    pub why: Option<WhyNotLarge>,
}

/// Above 15 MiB a mail leaves where the settings say that it always does, or where the recipient's entry
/// in the directory says that it is taken. What is not known is no yes.
pub fn limit(channel: &Channel, standing: AddressStanding) -> MailLimit {
    let whole = MailLimit { bytes: channel.mail_bytes_max(), why: None };
    let Dialect::Kim(profile) = &channel.dialect else { return whole };
    if profile.large_mails != LargeMails::WhereListed || whole.bytes <= KimProfile::MAIL_BYTES_MAX {
        return whole;
    }
    let why = match standing {
        AddressStanding::Listed { takes_large: true } => return whole,
        AddressStanding::Listed { takes_large: false } => WhyNotLarge::NotTaken,
        AddressStanding::Unlisted { .. } => WhyNotLarge::NotListed,
        AddressStanding::Unasked | AddressStanding::Away => WhyNotLarge::NotKnown,
    };
    MailLimit { bytes: KimProfile::MAIL_BYTES_MAX, why: Some(why) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        channel::{KimEnvironment, Rights, ThreadBy},
        model::{ChannelName, Language, MailAddress, Trust},
    };

    const MIB: u64 = 1024 * 1024;

    fn check(
        large_mails: LargeMails,
        most: u64,
        standing: AddressStanding,
        expected: (u64, Option<&str>),
    ) {
        let mut profile = KimProfile::new(KimEnvironment::Production);
        (profile.large_mails, profile.mail_bytes_max) = (large_mails, most * MIB);
        let channel = Channel {
            name: ChannelName::new("kim").unwrap(),
            label: "KIM".to_owned(),
            address: MailAddress::new("praxis@mueller.kim.telematik").unwrap(),
            team: Vec::new(),
            speakers: Vec::new(),
            rights: Rights::default(),
            thread_by: ThreadBy::Thread,
            collect: std::time::Duration::ZERO,
            language: Language::German,
            tells_clients: false,
            insured_persons: false,
            trust: Trust::CrossSigned,
            alarm: std::time::Duration::ZERO,
            has_team_room: true,
            tray: Default::default(),
            dialect: Dialect::Kim(profile),
        };
        let MailLimit { bytes, why } = limit(&channel, standing);
        let found = (bytes / MIB, why.map(WhyNotLarge::word));
        assert_eq!(found, expected, "{large_mails:?} {most} {standing:?}");
    }

    #[test]
    fn kim_27_the_entry_decides_unless_the_settings_do() {
        let plus = AddressStanding::Listed { takes_large: true };
        let none = AddressStanding::Listed { takes_large: false };
        let gone = AddressStanding::Unlisted { vanished: true };
        check(LargeMails::WhereListed, 700, plus, (700, None));
        check(LargeMails::WhereListed, 700, none, (15, Some("not-taken")));
        check(LargeMails::WhereListed, 700, gone, (15, Some("not-listed")));
        check(LargeMails::WhereListed, 700, AddressStanding::Away, (15, Some("not-known")));
        check(LargeMails::WhereListed, 700, AddressStanding::Unasked, (15, Some("not-known")));
        // A limit of the settings that is lower holds for all, and is the reason then.
        check(LargeMails::WhereListed, 10, none, (10, None));
        check(LargeMails::WhereListed, 20, plus, (20, None));
        for standing in [plus, none, gone, AddressStanding::Away, AddressStanding::Unasked] {
            check(LargeMails::Always, 700, standing, (700, None));
            check(LargeMails::Never, 15, standing, (15, None));
        }
    }
}
