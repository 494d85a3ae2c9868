//! The table of `umstieg check`: what works, and what to do about what does not.

use std::{fmt, fmt::Write as _};

use crate::{
    model::Language,
    phrases::{AdminPhrase, Phrase, Phrases, Telling},
    transport::Untrusted,
};

/// The result of one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was tried, for example `inbox kim`.
    pub what: AdminPhrase,
    pub state: FindingState,
    /// What was seen: a version, or an error with its causes. One line.
    pub detail: Telling,
    /// What to do about it; empty when there is nothing to do.
    pub advice: Telling,
}

/// How a probe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingState {
    Ok,
    /// The gateway works, but an admin should know something.
    Warn,
    /// The gateway, or one channel, does not work.
    Fail,
}

impl Finding {
    pub fn ok(what: AdminPhrase, detail: impl Into<Telling>) -> Self {
        Self { what, state: FindingState::Ok, detail: detail.into(), advice: Telling::default() }
    }

    pub fn warn(what: AdminPhrase, detail: impl Into<Telling>, advice: impl Into<Telling>) -> Self {
        Self { what, state: FindingState::Warn, detail: detail.into(), advice: advice.into() }
    }

    pub fn fail(what: AdminPhrase, detail: impl Into<Telling>, advice: impl Into<Telling>) -> Self {
        Self { what, state: FindingState::Fail, detail: detail.into(), advice: advice.into() }
    }
}

/// Whether nothing failed; warnings are no failures.
pub fn is_well(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.state != FindingState::Fail)
}

/// How to trust a server, with the certificate that it showed.
pub(super) fn trust(shown: Option<&Untrusted>) -> AdminPhrase {
    shown.map_or(AdminPhrase::TrustServer, |shown| AdminPhrase::TrustCertificate {
        fingerprint: shown.seen.to_string(),
    })
}

/// The findings as a plain-text table, in their order, with a last line that sums up.
pub fn table(language: Language, findings: &[Finding]) -> String {
    FindingsTable { language, findings }.to_string()
}

struct FindingsTable<'a> {
    language: Language,
    findings: &'a [Finding],
}

impl FindingsTable<'_> {
    fn say(&self, phrase: &Phrase) -> String {
        Phrases::say(self.language, phrase)
    }

    fn word(&self, state: FindingState) -> String {
        self.say(match state {
            FindingState::Ok => &Phrase::CheckOk,
            FindingState::Warn => &Phrase::CheckWarn,
            FindingState::Fail => &Phrase::CheckFail,
        })
    }

    fn count(&self, state: FindingState) -> u64 {
        // A machine has fewer probes than u64 has numbers.
        self.findings.iter().filter(|f| f.state == state).map(|_| 1).sum()
    }
}

impl fmt::Display for FindingsTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heading = self.say(&Phrase::CheckHeading);
        let whats = self.findings.iter().map(|finding| finding.what.said(self.language));
        let whats: Vec<String> = whats.collect();
        let all = whats.iter().chain([&heading]);
        let what_width = all.map(|what| width(what)).max().unwrap_or(0);
        let words = [FindingState::Ok, FindingState::Warn, FindingState::Fail]
            .map(|state| self.word(state));
        let word_width = words.iter().map(|word| width(word)).max().unwrap_or(0);
        let advice = self.say(&Phrase::CheckAdvice);
        writeln!(f, "{heading}")?;
        for (finding, what) in self.findings.iter().zip(&whats) {
            let mut row = String::new();
            write!(row, "  {}  ", padded(what, what_width))?;
            write!(row, "{}  ", padded(&self.word(finding.state), word_width))?;
            let indent = width(&row);
            row.push_str(&one_line(&finding.detail.in_one_line(self.language)));
            writeln!(f, "{}", row.trim_end())?;
            if !finding.advice.is_empty() {
                let todo = one_line(&finding.advice.in_one_line(self.language));
                writeln!(f, "{}{advice}: {todo}", " ".repeat(indent))?;
            }
        }
        let (failures, warnings) = (self.count(FindingState::Fail), self.count(FindingState::Warn));
        let sum = if failures == 0 && warnings == 0 {
            Phrase::CheckAllWell
        } else {
            Phrase::CheckNotWell { failures, warnings }
        };
        writeln!(f, "{}", self.say(&sum))
    }
}

/// In characters: the words of both languages are one column each.
fn width(text: &str) -> usize {
    text.chars().count()
}

fn padded(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

/// Replies of servers may hold line ends and terminal escapes; a table holds neither.
fn one_line(text: &str) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    flat.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        let reply = AdminPhrase::as_it_is("-ERR no\r\n\u{1b}[2Jlogin");
        vec![
            Finding::ok(AdminPhrase::TriedDatabase, AdminPhrase::Reached),
            Finding::warn(
                AdminPhrase::TriedMigrations,
                AdminPhrase::NotUpToDate,
                AdminPhrase::RunMigrate,
            ),
            Finding::fail(
                AdminPhrase::TriedInbox { channel: "kim".to_owned() },
                Telling::from(AdminPhrase::WireFailed).because(reply),
                AdminPhrase::MailboxBusy,
            ),
        ]
    }

    #[test]
    fn the_table_says_what_to_do_in_both_languages() {
        assert_eq!(
            table(Language::English, &findings()),
            "\
Check
  database    OK      reached
  migrations  note    not up to date
                      What to do: run: umstieg migrate
  inbox kim   FAILED  the connection failed: -ERR no [2Jlogin
                      What to do: another program is reading this mailbox now; try again in a minute
1 failure prevents operation, 1 note.
"
        );
        assert_eq!(
            table(Language::German, &findings()),
            "\
Prüfung
  Datenbank        OK       erreicht
  Datenbankstand   Hinweis  nicht aktuell
                            Abhilfe: Rufen Sie auf: umstieg migrate
  Posteingang kim  FEHLER   Die Verbindung kam nicht zustande oder brach ab: -ERR no [2Jlogin
                            Abhilfe: Jemand anders liest dieses Postfach gerade. Prüfen Sie in einer Minute noch einmal
1 Fehler verhindert den Betrieb, 1 Hinweis.
"
        );
    }

    #[test]
    fn warnings_are_no_failure() {
        assert!(!is_well(&findings()));
        let [ok, warn, _] = findings().try_into().unwrap();
        let only_warning = [ok.clone(), warn];
        assert!(is_well(&only_warning));
        assert!(
            table(Language::English, &only_warning)
                .ends_with("Nothing prevents the start, 1 note.\n")
        );
        assert!(table(Language::German, &[ok]).ends_with("Alles in Ordnung.\n"));
        assert!(is_well(&[]));
    }
}
