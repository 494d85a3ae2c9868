//! What was done here, for a test to ask.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

use super::user_name::KimProtocol;

/// Older entries of the lists give way, so that a Clientmodul can run for days.
const ENTRIES_MAX: usize = 20_000;
/// The bytes of older submissions give way.
const BYTES_MAX: usize = 256 * 1024 * 1024;

/// Everything that was asked of the Clientmodul and what became of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CmJournal {
    pub logins: Vec<LoginTry>,
    /// Every command, in order.
    pub commands: Vec<AskedCommand>,
    /// By account and UIDL.
    pub mails: BTreeMap<String, BTreeMap<String, MailUse>>,
    /// What came over SMTP up to its final dot.
    pub submissions: Vec<Submission>,
}

/// A login and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoginTry {
    pub protocol: KimProtocol,
    /// Of the user name, up to the first `#`, in lower case.
    pub address: String,
    /// PLAIN, LOGIN or PASS.
    pub mechanism: String,
    /// The code of SMTP; `+OK`, `-ERR` or `-ERR [IN-USE]` of POP3.
    pub answer: String,
}

/// A command, without its arguments where they are secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AskedCommand {
    pub protocol: KimProtocol,
    /// Who is logged in.
    pub account: Option<String>,
    /// In capitals.
    pub verb: String,
    /// The mail it is about.
    pub uidl: Option<String>,
}

/// How often a mail was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MailUse {
    pub top: u32,
    /// RETR that was begun; the connection may have ended in the middle.
    pub retr: u32,
    /// Those of them that brought an error mail in place of the mail.
    pub unreadable: u32,
    /// Marked; done only at QUIT.
    pub dele: u32,
    /// Really deleted by the client.
    pub deleted: bool,
}

/// A mail that came over SMTP.
#[derive(Clone, Debug, Serialize)]
pub struct Submission {
    /// Who was logged in.
    pub account: String,
    pub mail_from: String,
    /// As written behind MAIL FROM: `RET=HDRS`, `ENVID=…`, `SIZE=…`.
    pub mail_parameters: Vec<String>,
    pub recipients: Vec<SubmittedRecipient>,
    /// As it came, dots unstuffed.
    #[serde(serialize_with = "as_text")]
    pub bytes: Arc<Vec<u8>>,
    /// The answer the Clientmodul had, whether it could still be given or not.
    pub answer: String,
    /// It is on its way to at least one recipient.
    pub is_taken: bool,
    /// What KIM asks of every client and this mail does not have (kim.md 2.1); a test that wants a
    /// good client wants this empty.
    pub complaints: Vec<String>,
}

/// One RCPT TO and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubmittedRecipient {
    /// In lower case.
    pub address: String,
    /// `NOTIFY=…`, `ORCPT=…`
    pub parameters: Vec<String>,
    /// Why it was taken out, as X-KIM-Fehlermeldung has it.
    pub refusal: Option<String>,
}

impl SubmittedRecipient {
    /// Whether NOTIFY asks for this: `SUCCESS`, `FAILURE`, `DELAY`.
    pub fn wants(&self, what: &str) -> bool {
        let notify = self.parameters.iter().find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.eq_ignore_ascii_case("NOTIFY").then_some(value)
        });
        notify.is_some_and(|all| all.split(',').any(|one| one.eq_ignore_ascii_case(what)))
    }
}

impl CmJournal {
    /// How a mail was used; all zero if it never was.
    pub fn mail(&self, address: &str, uidl: &str) -> MailUse {
        let of_account = self.mails.get(&address.to_ascii_lowercase());
        of_account.and_then(|mails| mails.get(uidl)).cloned().unwrap_or_default()
    }

    /// The mails that are on their way.
    pub fn accepted(&self) -> impl Iterator<Item = &Submission> {
        self.submissions.iter().filter(|submission| submission.is_taken)
    }

    /// How often a verb was heard over this protocol.
    pub fn count(&self, protocol: KimProtocol, verb: &str) -> usize {
        let same = |it: &&AskedCommand| it.protocol == protocol && it.verb == verb;
        self.commands.iter().filter(same).count()
    }

    pub(super) fn use_of(&mut self, address: &str, uidl: &str) -> &mut MailUse {
        self.mails.entry(address.to_owned()).or_default().entry(uidl.to_owned()).or_default()
    }

    pub(super) fn note_login(&mut self, login: LoginTry) {
        push(&mut self.logins, login);
    }

    pub(super) fn note_command(&mut self, command: AskedCommand) {
        push(&mut self.commands, command);
    }

    pub(super) fn note_submission(&mut self, submission: Submission) {
        push(&mut self.submissions, submission);
        let mut bytes: usize = self.submissions.iter().map(|it| it.bytes.len()).sum();
        for older in &mut self.submissions {
            if bytes <= BYTES_MAX {
                break;
            }
            bytes -= older.bytes.len();
            older.bytes = Arc::default();
        }
    }
}

fn push<T>(list: &mut Vec<T>, entry: T) {
    if list.len() >= ENTRIES_MAX {
        list.drain(..ENTRIES_MAX / 2);
    }
    list.push(entry);
}

fn as_text<S: serde::Serializer>(bytes: &Arc<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&String::from_utf8_lossy(bytes))
}
