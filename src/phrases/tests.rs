//! Every sentence is there in both languages, and says what it should.

mod one_of_each;

use std::collections::BTreeSet;

use fluent_bundle::FluentResource;
use time::macros::datetime;

use self::one_of_each::one_of_each;
use super::*;
use crate::model::{
    AccountSide, AccountTrouble, CommandRow, FateWhy, KimDoubt, KimTrouble, Substance, WhyNotLarge,
};

const AT: OffsetDateTime = datetime!(2026-11-23 13:05:59 UTC);

#[test]
fn what_people_wrote_or_named_is_content() {
    for phrase in one_of_each() {
        let quotes = Phrases::say(Language::German, &phrase).contains("Ein Text")
            || matches!(phrase, Phrase::FaxSignsMissing { .. });
        // The reply of a server, and what is not said in a post.
        let is_harmless = matches!(
            phrase,
            Phrase::DispatchFailed { .. }
                | Phrase::RoomName { .. }
                | Phrase::TrayName { .. }
                | Phrase::GhostKim { .. }
                | Phrase::GhostFax { .. }
        );
        let expected = if quotes && !is_harmless { Substance::Content } else { Substance::Word };
        assert_eq!(phrase.substance(), expected, "{phrase:?}");
    }
}

#[test]
fn one_of_each_leaves_out_none() {
    let (_, behind) = include_str!("phrase.rs").split_once("pub enum Phrase {\n").unwrap();
    let (variants, _) = behind.split_once("\n}\n").unwrap();
    let name = |text: &str| text.chars().take_while(char::is_ascii_alphanumeric).collect();
    let variants: BTreeSet<String> = variants
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(name)
        .collect();
    let listed: BTreeSet<String> =
        one_of_each().iter().map(|phrase| name(&format!("{phrase:?}"))).collect();
    assert_eq!(listed, variants);
}

fn ids_of(source: &str) -> BTreeSet<&str> {
    let is_id = |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase());
    source.lines().filter(is_id).filter_map(|line| Some(line.split_once(" =")?.0)).collect()
}

#[test]
fn every_file_is_well_formed() {
    for sentences in FOR_ROOMS.iter().chain(&FOR_ADMINS) {
        FluentResource::try_new(sentences.source.to_owned()).unwrap();
    }
}

#[test]
fn every_file_says_exactly_what_the_phrases_need() {
    let rooms = one_of_each();
    let rooms: BTreeSet<&str> =
        rooms.iter().map(|phrase| phrase.id_and_args(Language::German).0).collect();
    let phrases = AdminPhrase::one_of_each();
    let of_fax = FaxAdminPhrase::one_of_each();
    let ids = phrases.iter().map(|phrase| phrase.id_and_args(Language::German).0);
    let ids = ids.chain(of_fax.iter().map(|phrase| phrase.id_and_args(Language::German).0));
    let admins: BTreeSet<&str> = ids.collect();
    assert_eq!(admins.len(), phrases.len() + of_fax.len(), "each has an id of its own");
    assert!(rooms.is_disjoint(&admins), "{:?}", rooms.intersection(&admins));
    for (files, needed) in [(&FOR_ROOMS, rooms), (&FOR_ADMINS, admins)] {
        assert_eq!(files.each_ref().map(|sentences| sentences.language), Language::ALL);
        for sentences in files {
            assert_eq!(ids_of(sentences.source), needed, "{:?}", sentences.language);
        }
    }
}

/// The sentences of a file, each with all its lines.
fn sentences_of(source: &str) -> Vec<(&str, String)> {
    let mut sentences: Vec<(&str, String)> = Vec::new();
    for line in source.lines() {
        match line.split_once(" =") {
            Some((id, text)) if id.starts_with(|c: char| c.is_ascii_lowercase()) => {
                sentences.push((id, text.to_owned()));
            }
            _ if line.starts_with(' ') => {
                let Some((_, text)) = sentences.last_mut() else { continue };
                text.push_str(line);
            }
            _ => {}
        }
    }
    sentences
}

/// What follows each `sign` in a text.
fn words_after(text: &str, sign: char) -> BTreeSet<String> {
    let word = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    text.split(sign).skip(1).map(word).filter(|word: &String| !word.is_empty()).collect()
}

#[test]
fn every_command_that_a_sentence_names_is_one() {
    let mut seen = 0;
    for file in FOR_ROOMS.iter().chain(&FOR_ADMINS) {
        for (id, text) in sentences_of(file.source) {
            for name in words_after(&text, '!') {
                let is_its = |row: &CommandRow| row.names(file.language).contains(&&*name);
                let is_its_language = COMMANDS.iter().any(is_its);
                assert!(is_its_language, "{:?} {id}: !{name}", file.language);
                seen += 1;
            }
        }
    }
    assert!(seen >= 20, "the scan sees too little");
}

#[test]
fn every_sentence_tells_the_same_in_every_language() {
    for [first, others @ ..] in [&FOR_ROOMS, &FOR_ADMINS] {
        for other in others {
            for ((id, text), (of_other, in_other)) in
                sentences_of(first.source).iter().zip(sentences_of(other.source))
            {
                assert_eq!(*id, of_other, "the order of the sentences");
                let values = |text: &str| {
                    let mut values = words_after(&text.replace(' ', ""), '$');
                    // The detail of a protocol is English; another language says where it stands.
                    values.remove("what");
                    values
                };
                assert_eq!(values(text), values(&in_other), "{:?} {id}", other.language);
            }
        }
    }
}

#[test]
fn every_admin_phrase_is_said_without_error_in_every_language() {
    let of_fax = FaxAdminPhrase::one_of_each().into_iter().map(AdminPhrase::from);
    for phrase in AdminPhrase::one_of_each().into_iter().chain(of_fax) {
        let said = Language::ALL.map(|language| {
            let (id, args) = phrase.id_and_args(language);
            let (text, errors) = text_or_errors(&FOR_ADMINS, language, id, &args);
            assert_eq!(errors, Vec::<String>::new(), "{phrase:?} {language:?}");
            assert!(!text.contains(['{', '\u{2068}']), "{text}");
            assert!(!text.trim().is_empty(), "{phrase:?}");
            text
        });
        let same_in_all = matches!(
            phrase,
            AdminPhrase::AsItIs { .. } | AdminPhrase::TriedAsToken | AdminPhrase::TriedPing
        );
        let different: BTreeSet<&String> = said.iter().collect();
        assert!(different.len() == said.len() || same_in_all, "{said:?}");
    }
}

#[test]
fn what_happened_stands_before_what_it_came_from() {
    let io = std::io::Error::other("broken pipe");
    let told = Telling::from(AdminPhrase::OutputClosed).because_of(&io);
    let lines = |language| told.in_lines(language);
    assert_eq!(
        lines(Language::English),
        "standard output cannot be written\n  because: broken pipe"
    );
    assert_eq!(
        lines(Language::German),
        "Die Standardausgabe nimmt nichts an. Bitte prüfen Sie, wohin Sie sie umleiten\n  \
         Ursache: „broken pipe“"
    );
    assert_eq!(told.to_string(), "standard output cannot be written: broken pipe");
}

#[test]
fn every_phrase_is_said_without_error_in_every_language() {
    for phrase in one_of_each() {
        let said = Language::ALL.map(|language| {
            let (text, errors) = say_or_errors(language, &phrase);
            assert_eq!(errors, Vec::<String>::new(), "{phrase:?} {language:?}");
            assert!(!text.contains(['{', '\u{2068}']), "{text}");
            assert!(!text.trim().is_empty(), "{phrase:?}");
            text
        });
        let same_in_all = ["(KIM)", "(Fax)", "OK"].iter().any(|word| said[0].contains(word));
        let different: BTreeSet<&String> = said.iter().collect();
        assert!(different.len() == said.len() || same_in_all, "{said:?}");
    }
}

/// A file without a case for one would say another's.
#[test]
fn every_trouble_has_sentences_of_its_own() {
    for language in Language::ALL {
        let failed = |trouble| Phrase::DispatchFailed { trouble, reply: String::new() };
        let later = |trouble| Phrase::DispatchTryLater { trouble, next: AT };
        for phrases in [Trouble::ALL.map(failed), Trouble::ALL.map(later)] {
            let said = phrases.iter().map(|phrase| Phrases::say(language, phrase));
            let different: BTreeSet<String> = said.collect();
            assert_eq!(different.len(), Trouble::ALL.len(), "{different:#?}");
        }
        let undelivered = FateWhy::MAIL.map(|why| Phrase::DispatchUndelivered { at: AT, why });
        let said = undelivered.iter().map(|phrase| Phrases::say(language, phrase));
        let different: BTreeSet<String> = said.collect();
        assert_eq!(different.len(), FateWhy::MAIL.len(), "{different:#?}");
    }
}

/// KIM-6: a person of the practice knows what to do, and the card is named where there is one.
#[test]
fn kim_6_every_trouble_of_an_account_says_what_to_do() {
    for language in Language::ALL {
        let mut said = BTreeSet::new();
        for trouble in AccountTrouble::ALL {
            for side in [AccountSide::Inbox, AccountSide::Outbox] {
                let say = |is_kim| {
                    Phrases::say(language, &Phrase::AccountTrouble { side, trouble, is_kim })
                };
                let speaks_of_kim =
                    |text: &str| ["SMC-B", "Konnektor"].iter().any(|word| text.contains(word));
                assert!(!speaks_of_kim(&say(false)), "{trouble:?}");
                said.insert(say(true));
            }
        }
        assert_eq!(said.len(), 2 * AccountTrouble::ALL.len(), "{said:#?}");
    }
    check(
        Phrase::AccountTrouble {
            side: AccountSide::Inbox,
            trouble: AccountTrouble::Settings,
            is_kim: true,
        },
        "Umstieg kann das Postfach, zu dem dieser Raum gehört, zurzeit nicht abrufen: Der Mailserver \
         kann mit dem Benutzernamen nichts anfangen. Bitte lassen Sie Ihre Systemverwaltung die \
         Einstellungen prüfen, auch Mandant, Clientsystem und Arbeitsplatz im Konnektor. Was für Sie \
         ankommt, bleibt so lange im Postfach.",
    );
}

fn check(phrase: Phrase, german: &str) {
    assert_eq!(Phrases::say(Language::German, &phrase), german);
}

/// Who reads it at the front desk sees at once what is wrong, whose letter it is, and what to do: a line
/// each, and no word that only admins know.
#[test]
fn fax_36_what_is_printed_bears_its_year() {
    check(Phrase::FaxMoment { at: AT }, "23.11.2026, 14:05 Uhr");
}

#[test]
fn kim_13_a_warning_about_a_letter_has_a_line_for_each_thing() {
    check(
        Phrase::LetterWithheld {
            doubt: KimDoubt::Certificate,
            sender: Some("klinik@nord.kim.telematik".to_owned()),
            at: None,
        },
        "Vorsicht: KIM bestätigt diesen Brief nicht. Ob das Zertifikat der elektronischen Unterschrift \
         gültig ist, konnte nicht bestätigt werden. Der Inhalt wird deshalb nicht gezeigt.\n\
         Absender nach eigener Angabe: klinik@nord.kim.telematik.\n\
         Bitte fragen Sie auf einem anderen Weg beim Absender nach, zum Beispiel am Telefon. Wer hier \
         antworten darf, kann den Inhalt trotzdem zeigen lassen: mit !freigeben als Antwort auf diese \
         Meldung.",
    );
}

#[test]
fn accepted_is_not_called_delivered() {
    check(
        Phrase::DispatchAcceptedKim { at: AT },
        "An KIM übergeben um 14:05 Uhr. Eine Zustellbestätigung liegt noch nicht vor.",
    );
    check(
        Phrase::DispatchAcceptedFax { at: AT },
        "An den Fax-Dienst übergeben um 14:05 Uhr. Ein Sendebericht liegt noch nicht vor.",
    );
}

#[test]
fn a_failure_says_what_to_do_and_ends_with_the_server_s_words() {
    check(
        Phrase::DispatchFailed {
            trouble: Trouble::RecipientRefused,
            reply: "550 5.1.1 no such\r\n user".to_owned(),
        },
        "Nicht zugestellt: Für diese Adresse wird nichts angenommen. Bitte prüfen Sie die \
         Adresse oder wählen Sie einen anderen Weg. (Antwort des Servers: 550 5.1.1 no such \
         user)",
    );
    check(
        Phrase::DispatchFailed { trouble: Trouble::Unreachable, reply: String::new() },
        "Nicht zugestellt: Der Mailserver war zu lange nicht erreichbar. Bitte informieren Sie \
         Ihre Systemverwaltung; schreiben Sie danach !erneut, oder wählen Sie einen anderen Weg.",
    );
}

#[test]
fn a_later_attempt_names_day_and_time() {
    check(
        Phrase::DispatchTryLater { trouble: Trouble::Unreachable, next: AT },
        "Noch nicht übergeben: Der Mailserver ist zurzeit nicht erreichbar. Nächster Versuch am \
         23.11. um 14:05 Uhr; Sie müssen nichts tun.",
    );
}

#[test]
fn names_of_rooms_and_ghosts_are_neutral() {
    check(
        Phrase::RoomName { label: "KIM Praxis".to_owned(), number: 1234 },
        "KIM Praxis · Vorgang 1234",
    );
    check(Phrase::GhostKim { name: "Muster, Erika".to_owned() }, "Muster, Erika (KIM)");
    check(Phrase::GhostFax { number: "+49301234567".to_owned() }, "+49301234567 (Fax)");
    check(Phrase::GhostUnknownFax, "Unbekannte Faxnummer (Fax)");
}

#[test]
fn foreign_text_cannot_break_a_sentence() {
    check(
        Phrase::RoomName { label: "  Befund\r\n{ $x }\u{0}\tEnde ".to_owned(), number: 7 },
        "Befund { $x } Ende · Vorgang 7",
    );
    let long = Phrase::GhostKim { name: "ü".repeat(1_000_000) };
    let said = Phrases::say(Language::German, &long);
    assert_eq!(said, format!("{}… (KIM)", "ü".repeat(Phrases::FOREIGN_TEXT_MAX)));
}

/// Promise 5: a file's name is its sender's. It ends no quotation, and so says nothing as the gateway.
#[test]
fn l198_the_name_of_a_file_says_nothing_in_the_gateway_s_name() {
    let file_name = "a\u{201c} ist sauber. Bitte rufen Sie 0900 an. \u{201e}b.exe".to_owned();
    let virus = "Eicar".to_owned();
    for language in Language::ALL {
        for phrase in [
            Phrase::FileInfected { file_name: file_name.clone(), virus: virus.clone() },
            Phrase::FileUnscanned { file_name: file_name.clone() },
            Phrase::FilePassed { file_name: file_name.clone() },
            Phrase::FileLost { file_name: file_name.clone() },
        ] {
            let said = Phrases::say(language, &phrase);
            assert!(!said.contains("a\u{201c} ist"), "{said}");
            assert!(!said.contains("\u{201e}b.exe"), "{said}");
        }
    }
}
