//! What an admin is told about errors of the database, of the mail servers and of the settings at work.
//!
//! The log says the same in English, in the errors' own words.

use super::{
    RunError, directory::LookupError, fax::FaxCommandError, fax_test::FaxTestError,
    identities::IdentitiesError, lists::ListError, parked::ParkedError,
};
use crate::{
    app::start::StartError,
    directory::DirectoryError,
    matrix::HomeserverAccessError,
    phrases::{AdminPhrase, FaxAdminPhrase, Telling, Tells},
    relay::NoListing,
    rules::renaming::Unclear,
    sandbox::SandboxError,
    store::{
        Damaged, Harm, NamesError, OpenError, RekeyError, RenameError, StoreError, seal::Unsealable,
    },
    transport::{
        Distrust, Fault, LdapConnectError, MailServerError, ScanError, ServerSettingsError,
        Untrusted,
    },
};

impl Tells for RunError {
    fn telling(&self) -> Telling {
        let other = |sentence: AdminPhrase, cause: &dyn std::error::Error| {
            Telling::from(sentence).because_of(cause)
        };
        match self {
            Self::Open(error) => error.telling(),
            Self::Store(error) => error.telling(),
            Self::Start(error) => error.telling(),
            Self::Names(error) => error.telling(),
            Self::Rename(error) => error.telling(),
            Self::Listen(address, cause) => {
                other(AdminPhrase::CannotListen { address: address.to_string() }, cause)
            }
            Self::Metrics(cause) => other(AdminPhrase::MetricsFailed, cause),
            Self::Engine(cause) => other(AdminPhrase::EngineFailed, cause),
            Self::Part(cause) => other(AdminPhrase::PartEnded, cause),
            Self::Runtime(cause) => other(AdminPhrase::RuntimeFailed, cause),
            Self::Signals(cause) => other(AdminPhrase::SignalsFailed, cause),
            Self::Anew { why, .. } => AdminPhrase::LifeEnded { why: (*why).to_owned() }.into(),
        }
    }
}

impl Tells for StartError {
    fn telling(&self) -> Telling {
        match self {
            Self::ServerName(cause) => {
                Telling::from(AdminPhrase::ServerNameUnusable).because_of(cause)
            }
            Self::Homeserver(error) => error.telling(),
        }
    }
}

fn settings_of_server(error: &ServerSettingsError) -> AdminPhrase {
    match error {
        ServerSettingsError::PlaintextAbroad { host } => {
            AdminPhrase::PlaintextAbroad { host: host.clone() }
        }
        ServerSettingsError::LoginCharacter => AdminPhrase::LoginCharacter,
        ServerSettingsError::HostName { host } => AdminPhrase::NoHostName { host: host.clone() },
        ServerSettingsError::NobodyTrusted => AdminPhrase::NobodyTrusted,
    }
}

impl Tells for HomeserverAccessError {
    fn telling(&self) -> Telling {
        match self {
            Self::Bot(cause) => Telling::from(AdminPhrase::NoBotId).because_of(cause),
            Self::Roots(cause) => Telling::from(AdminPhrase::RootsUnusable).because_of(cause),
            Self::Client(cause) => Telling::from(AdminPhrase::ClientFailed).because_of(cause),
        }
    }
}

impl Tells for MailServerError {
    fn telling(&self) -> Telling {
        let at = |sentence: fn(String) -> AdminPhrase, host: &str, fault: &Fault| {
            Telling::from(sentence(host.to_owned())).because(fault.telling())
        };
        match self {
            Self::Settings { source } => {
                Telling::from(AdminPhrase::MailServerSettings).because(settings_of_server(source))
            }
            Self::Unreachable { host, source } => {
                at(|host| AdminPhrase::MailServerUnreachable { host }, host, source)
            }
            Self::Tls { host, source } => {
                at(|host| AdminPhrase::MailServerTls { host }, host, source)
            }
            Self::Credentials { host, source } => {
                at(|host| AdminPhrase::MailServerRefuses { host }, host, source)
            }
            Self::UserName { host, source } => {
                at(|host| AdminPhrase::MailServerUserName { host }, host, source)
            }
            Self::Waits { host, wait } => {
                AdminPhrase::MailServerWaits { host: host.clone(), seconds: wait.as_secs() }.into()
            }
            Self::Busy { host, source } => {
                at(|host| AdminPhrase::MailServerBusy { host }, host, source)
            }
            Self::Broken { host, source } => {
                at(|host| AdminPhrase::MailServerBroke { host }, host, source)
            }
        }
    }
}

fn certificate(untrusted: &Untrusted) -> AdminPhrase {
    let why = match &untrusted.why {
        Distrust::NotPinned => AdminPhrase::CertificateNotPinned,
        Distrust::NoAuthority => AdminPhrase::CertificateOfNobody,
        Distrust::OtherName => AdminPhrase::CertificateOfOther,
        Distrust::OutOfDate => AdminPhrase::CertificateOutOfDate,
        Distrust::Other(words) => AdminPhrase::OfOthers { text: words.clone() },
    };
    let fingerprint = untrusted.seen.to_string();
    AdminPhrase::WireUntrusted { why: Box::new(why), fingerprint }
}

impl Tells for Fault {
    fn telling(&self) -> Telling {
        let sentence = match self {
            Self::Io { source } => {
                return Telling::from(AdminPhrase::WireFailed).because_of(source);
            }
            Self::Tls { source } => {
                if let Some(untrusted) = self.untrusted() {
                    return certificate(untrusted).into();
                }
                return Telling::from(AdminPhrase::WireNotSecure).because_of(source);
            }
            Self::Closed => AdminPhrase::WireClosed,
            Self::Silent => AdminPhrase::WireSilent,
            Self::TooMuch(what) => AdminPhrase::WireTooMuch { what: (*what).to_owned() },
            Self::Protocol(what) => AdminPhrase::WireProtocol { what: (*what).to_owned() },
            Self::Refused { reply } => AdminPhrase::WireRefused { reply: reply.clone() },
            Self::Over => AdminPhrase::WireOver,
        };
        sentence.into()
    }
}

impl Tells for ScanError {
    fn telling(&self) -> Telling {
        match self {
            Self::Unreachable { source } => {
                Telling::from(AdminPhrase::ScannerUnreachable).because_of(source)
            }
            Self::Silent | Self::BrokenOff | Self::NoVerdict | Self::Source => {
                AdminPhrase::ScannerNoVerdict.into()
            }
        }
    }
}

impl Tells for SandboxError {
    fn telling(&self) -> Telling {
        match self {
            Self::Document(error) => Telling::of_others(error),
            Self::Broken { .. } => AdminPhrase::SandboxBroken.into(),
            Self::Unavailable(cause) => {
                Telling::from(AdminPhrase::SandboxUnavailable).because_of(cause)
            }
        }
    }
}

impl Tells for OpenError {
    fn telling(&self) -> Telling {
        let sentence = match self {
            Self::Unreachable(cause) => {
                return Telling::from(AdminPhrase::DatabaseUnreachable).because_of(cause);
            }
            Self::Migrate(cause) => {
                return Telling::from(AdminPhrase::DatabaseNotMigrated).because_of(cause);
            }
            Self::MigrateJobs(cause) => {
                return Telling::from(AdminPhrase::JobTablesNotMigrated).because_of(cause.as_ref());
            }
            Self::Keys(cause) => {
                return Telling::from(AdminPhrase::KeysUnreadable).because(cause.telling());
            }
            Self::DamagedKey { id, cause } => {
                return Telling::from(AdminPhrase::DataKeyDamaged { id: u64::from(*id) })
                    .because(unsealable(*cause));
            }
            Self::NotMigrated => AdminPhrase::NeedsMigration,
            Self::AnotherGateway => AdminPhrase::AnotherGateway,
            Self::Pooled => AdminPhrase::PoolerBetween,
            Self::OtherKey { sealed_with, given } => {
                let (sealed_with, given) = (sealed_with.clone(), given.clone());
                AdminPhrase::OtherKey { sealed_with, given }
            }
            Self::KeysLost => AdminPhrase::DataKeysLost,
        };
        sentence.into()
    }
}

fn unsealable(error: Unsealable) -> AdminPhrase {
    match error {
        Unsealable::TooShort => AdminPhrase::SealTooShort,
        Unsealable::UnknownVersion(version) => {
            AdminPhrase::SealVersion { version: u64::from(version) }
        }
        Unsealable::UnknownKey(id) => AdminPhrase::SealDataKey { id: u64::from(id) },
        Unsealable::Altered => AdminPhrase::SealAltered,
    }
}

impl Tells for StoreError {
    fn telling(&self) -> Telling {
        match self {
            Self::Again(cause) => Telling::from(AdminPhrase::DatabaseFailed).because_of(cause),
            Self::Damaged(damaged) => self::damaged(damaged).into(),
        }
    }
}

fn damaged(damaged: &Damaged) -> AdminPhrase {
    let Damaged { table, column, row, why } = damaged;
    let place = format!("{table}.{column}");
    let why = Box::new(match why {
        Harm::Sealed(error) => unsealable(*error),
        Harm::Form => AdminPhrase::HarmForm,
        Harm::Word => AdminPhrase::HarmWord,
        Harm::Name => AdminPhrase::HarmName,
        Harm::Number => AdminPhrase::HarmNumber,
        Harm::Time => AdminPhrase::HarmTime,
        Harm::Missing => AdminPhrase::HarmMissing,
        Harm::Refused => AdminPhrase::HarmRefused,
        Harm::State(wrong) => {
            AdminPhrase::HarmState { from: wrong.from.to_owned(), to: wrong.to.to_owned() }
        }
    });
    match row.map(u64::try_from) {
        Some(Ok(row)) => AdminPhrase::DamagedRow { place, row, why },
        _ => AdminPhrase::DamagedSomewhere { place, why },
    }
}

impl Tells for NamesError {
    fn telling(&self) -> Telling {
        match self {
            Self::Store(error) => error.telling(),
            Self::ServerName { kept, given } => {
                AdminPhrase::OtherServerName { kept: kept.clone(), given: given.clone() }.into()
            }
            Self::UserPrefix { kept, given } => {
                AdminPhrase::OtherUserPrefix { kept: kept.clone(), given: given.clone() }.into()
            }
        }
    }
}

impl Tells for RenameError {
    fn telling(&self) -> Telling {
        match self {
            Self::Store(error) => error.telling(),
            Self::Unclear(error) => unclear(error).into(),
        }
    }
}

fn unclear(error: &Unclear) -> AdminPhrase {
    match error {
        Unclear::Taken { from, to } => {
            AdminPhrase::ChannelTaken { from: from.clone(), to: to.to_string() }
        }
        Unclear::StillThere { from, to } => {
            AdminPhrase::ChannelStillThere { from: from.clone(), to: to.to_string() }
        }
        Unclear::OneSource { from, first, second } => AdminPhrase::ChannelOneSource {
            from: from.clone(),
            first: first.to_string(),
            second: second.to_string(),
        },
        Unclear::Circle { names } => {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            AdminPhrase::ChannelCircle { names: names.join(", ") }
        }
        Unclear::OtherKind { from, to, before, now } => AdminPhrase::ChannelOtherKind {
            from: from.clone(),
            to: to.to_string(),
            before: (*before).to_owned(),
            now: (*now).to_owned(),
        },
    }
}

impl Tells for RekeyError {
    fn telling(&self) -> Telling {
        let sentence = match self {
            Self::Open(error) => return error.telling(),
            Self::Store(error) => {
                return Telling::from(AdminPhrase::RekeyInterrupted).because(error.telling());
            }
            Self::OldKeyMissing { sealed_with } => {
                AdminPhrase::RekeyOldKeyMissing { sealed_with: sealed_with.clone() }
            }
            Self::WrongOldKey { sealed_with, given } => {
                let (sealed_with, given) = (sealed_with.clone(), given.clone());
                AdminPhrase::RekeyWrongOldKey { sealed_with, given }
            }
            Self::Damaged { count, table, column } => AdminPhrase::RekeyDamaged {
                count: u64::try_from(*count).unwrap_or(u64::MAX),
                table: (*table).to_owned(),
                column: (*column).to_owned(),
            },
        };
        sentence.into()
    }
}

impl Tells for ParkedError {
    fn telling(&self) -> Telling {
        match self {
            Self::Open(error) => error.telling(),
            Self::Store(error) => error.telling(),
            Self::NoSuch(id) => AdminPhrase::NoSuchParked { id: id.to_string() }.into(),
            Self::Write(cause) => Telling::from(AdminPhrase::ListBroken).because_of(cause),
        }
    }
}

impl Tells for FaxTestError {
    fn telling(&self) -> Telling {
        match self {
            Self::Open(error) => error.telling(),
            Self::Store(error) => error.telling(),
            Self::NoChannel => FaxAdminPhrase::FaxTestNoChannel.into(),
            Self::NotANumber => FaxAdminPhrase::FaxTestNoNumber.into(),
            Self::Off => FaxAdminPhrase::FaxTestOff.into(),
            Self::Unreachable(why) => {
                FaxAdminPhrase::FaxTestUnreachable { why: why.word().to_owned() }.into()
            }
            Self::NotSent(why) => {
                FaxAdminPhrase::FaxTestNotSent { why: why.word().to_owned() }.into()
            }
            Self::Page(cause) => Telling::from(FaxAdminPhrase::FaxTestNotMade).because_of(cause),
            Self::Mail(cause) => Telling::from(FaxAdminPhrase::FaxTestNotMade).because_of(cause),
            Self::NotTaken(why) => {
                Telling::from(FaxAdminPhrase::FaxTestNotTaken).because(AdminPhrase::as_it_is(why))
            }
            Self::Silent => FaxAdminPhrase::FaxTestSilent.into(),
        }
    }
}

impl Tells for ListError {
    fn telling(&self) -> Telling {
        match self {
            Self::Open(error) => error.telling(),
            Self::Store(error) => error.telling(),
            Self::Write(cause) => Telling::from(AdminPhrase::ListBroken).because_of(cause),
        }
    }
}

impl Tells for FaxCommandError {
    fn telling(&self) -> Telling {
        match self {
            Self::Unreadable { file, source } => {
                Telling::from(AdminPhrase::MailUnreadable { file: file.clone() }).because_of(source)
            }
            Self::TooLarge { file } => AdminPhrase::MailTooLong { file: file.clone() }.into(),
            Self::NoProfile { file, source } => {
                let (file, message) = (file.clone(), source.to_string());
                AdminPhrase::FaxProfileWrong { file, message }.into()
            }
            Self::Write(cause) => Telling::from(AdminPhrase::ListBroken).because_of(cause),
        }
    }
}

impl Tells for LookupError {
    fn telling(&self) -> Telling {
        match self {
            Self::NotKim => AdminPhrase::AddressNotKim.into(),
            Self::NoDirectory => AdminPhrase::NoDirectory.into(),
            Self::Unanswered(error) => error.telling(),
            Self::Write(cause) => Telling::from(AdminPhrase::ListBroken).because_of(cause),
        }
    }
}

impl Tells for NoListing {
    fn telling(&self) -> Telling {
        match self {
            Self::Connect(error) => error.telling(),
            Self::Session(error) => error.telling(),
            Self::Silent => AdminPhrase::DirectorySilent.into(),
        }
    }
}

impl Tells for LdapConnectError {
    fn telling(&self) -> Telling {
        match self {
            Self::Settings { source } => {
                Telling::from(AdminPhrase::DirectorySettings).because(settings_of_server(source))
            }
            Self::Unreachable { host, source } => {
                Telling::from(AdminPhrase::DirectoryUnreachable { host: host.clone() })
                    .because(source.telling())
            }
            Self::Tls { host, source } => {
                Telling::from(AdminPhrase::DirectoryTls { host: host.clone() })
                    .because(source.telling())
            }
        }
    }
}

impl Tells for DirectoryError {
    fn telling(&self) -> Telling {
        let sentence = match self {
            Self::Io(cause) => return Telling::from(AdminPhrase::WireFailed).because_of(cause),
            Self::Closed => AdminPhrase::DirectoryClosed,
            Self::Protocol => AdminPhrase::DirectoryNoLdap,
            Self::TooMuch => AdminPhrase::DirectoryTooMuch,
            Self::NoSuchBase => AdminPhrase::DirectoryNoBase,
            Self::Elsewhere => AdminPhrase::DirectoryElsewhere,
            Self::Refused { code } => {
                AdminPhrase::DirectoryRefused { code: u64::try_from(*code).unwrap_or(u64::MAX) }
            }
        };
        sentence.into()
    }
}

impl Tells for IdentitiesError {
    fn telling(&self) -> Telling {
        match self {
            Self::Open(error) => error.telling(),
            Self::Store(error) => error.telling(),
            Self::NoSuch => AdminPhrase::NoSuchIdentity.into(),
            Self::Write(cause) => Telling::from(AdminPhrase::ListBroken).because_of(cause),
        }
    }
}
