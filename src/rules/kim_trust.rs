//! How far a KIM letter is believed, by what the Clientmodul says of its work (KIM-13, 14, 15).

use crate::model::{KIM_SENDING_FAULTS, KimDoubt, KimResults, KimTrouble};

/// The one value of a signature that holds (gemSpec_CM_KOMLE, Tab_Verm_Sig_Prüf).
const HOLDS: &str = "01";

/// What a letter of a KIM channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KimVerdict {
    /// Decrypted, and everything about its signature holds.
    Checked,
    /// It came as it is, unencrypted: the Clientmodul confirms neither its sender nor its content.
    Unconfirmed,
    /// Decrypted, and not all is well: its words wait for a speaker.
    Withheld(KimDoubt),
    /// The Clientmodul could not decrypt it. What came is the Clientmodul's word, although it bears
    /// the sender's name; a later fetch may bring the mail.
    Undecrypted(KimTrouble),
    /// Only its outer head could be had, so nobody has opened it: there is nothing yet to vouch for.
    Unopened,
}

/// Judges a letter. `is_encrypted`: whether its outer head says that the Clientmodul has to decrypt it;
/// nothing if the outer head is not known.
///
/// Results in a mail that came unencrypted are the sender's own words, so they count for nothing. Where
/// the outer head is not known (no TOP, IMAP, fetched by an earlier version), results count, and a mail
/// without any came unencrypted.
pub fn verdict(is_encrypted: Option<bool>, results: &KimResults) -> KimVerdict {
    match is_encrypted {
        Some(false) => KimVerdict::Unconfirmed,
        None if results.are_absent() || is_of_sending(results) => KimVerdict::Unconfirmed,
        Some(true) | None => judge(results),
    }
}

/// Judges a letter of which only the head was had: its mail is too large, or its server does not hand it
/// out. That the Clientmodul says nothing of it is no doubt about it.
pub fn verdict_of_head(is_encrypted: Option<bool>, results: &KimResults) -> KimVerdict {
    if is_encrypted == Some(true) || results.is_sealed {
        KimVerdict::Unopened
    } else {
        verdict(is_encrypted, results)
    }
}

fn judge(results: &KimResults) -> KimVerdict {
    let doubt =
        results.integrity.iter().find(|result| *result != HOLDS).map(|result| doubt(result));
    match doubt {
        // The error is about the signature: the mail itself came, and no later fetch brings another.
        Some(doubt) if results.say_decrypted() => KimVerdict::Withheld(doubt),
        // Nobody has opened it. A later fetch may bring what is inside.
        None if results.are_absent() && results.is_sealed => {
            KimVerdict::Undecrypted(KimTrouble::Other)
        }
        _ if results.say_undecrypted() => KimVerdict::Undecrypted(trouble(results)),
        _ if !results.say_decrypted()
            || results.integrity.is_empty()
            || results.is_cut
            || results.is_sealed =>
        {
            KimVerdict::Withheld(KimDoubt::Silent)
        }
        _ => KimVerdict::Checked,
    }
}

/// Whether its errors are those of a mail of ours that did not leave for everybody: a report.
fn is_of_sending(results: &KimResults) -> bool {
    let is_code =
        |code: &String| KIM_SENDING_FAULTS.clone().any(|fault| *code == fault.to_string());
    !results.errors.is_empty()
        && results.errors.iter().all(is_code)
        && results.decryption.is_empty()
        && results.integrity.is_empty()
}

fn doubt(result: &str) -> KimDoubt {
    match result {
        "02" | "08" | "09" => KimDoubt::Altered,
        "03" => KimDoubt::Unsigned,
        "05" | "07" => KimDoubt::Certificate,
        _ => KimDoubt::Unclear,
    }
}

/// The first reason that is known (Tab_Fehlercodes, Tab_Fehlertext_Entschl).
fn trouble(results: &KimResults) -> KimTrouble {
    let of_code = |code: &String| {
        Some(match code.as_str() {
            "4009" => KimTrouble::Key,
            "4011" => KimTrouble::Konnektor,
            "4006" | "4007" | "4012" | "4013" => KimTrouble::Attachments,
            "4008" => KimTrouble::Version,
            "4018" => KimTrouble::LargeMails,
            "4010" => KimTrouble::Form,
            _ => return None,
        })
    };
    let of_result = |result: &String| {
        Some(match result.as_str() {
            "01" => KimTrouble::Key,
            "02" => KimTrouble::Form,
            "03" => KimTrouble::Konnektor,
            _ => return None,
        })
    };
    let by_code = results.errors.iter().find_map(of_code);
    by_code.or_else(|| results.decryption.iter().find_map(of_result)).unwrap_or(KimTrouble::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(text: &str) -> KimResults {
        let of = |mark: &str| {
            let words = text.split_whitespace().filter_map(|word| word.strip_prefix(mark));
            words.map(str::to_owned).collect()
        };
        KimResults {
            decryption: of("d"),
            integrity: of("i"),
            errors: of("e"),
            is_sealed: text.contains("sealed"),
            is_cut: false,
        }
    }

    #[track_caller]
    fn check(outer: Option<bool>, text: &str, expected: KimVerdict) {
        assert_eq!(verdict(outer, &results(text)), expected, "{outer:?} {text}");
    }

    #[test]
    fn kim_13_only_00_and_nothing_but_01_is_checked() {
        use KimDoubt::{Altered, Certificate, Silent, Unclear, Unsigned};
        for outer in [Some(true), None] {
            check(outer, "d00 i01", KimVerdict::Checked);
            check(outer, "d00 d00 i01 i01", KimVerdict::Checked);
            for (result, doubt) in [
                ("02", Altered),
                ("03", Unsigned),
                ("04", Unclear),
                ("05", Certificate),
                ("06", Unclear),
                ("07", Certificate),
                ("08", Altered),
                ("09", Altered),
                ("X17", Unclear),
                ("1", Unclear),
                ("", Unclear),
                ("01,01", Unclear),
            ] {
                check(outer, &format!("d00 i{result}"), KimVerdict::Withheld(doubt));
                check(outer, &format!("d00 i01 i{result}"), KimVerdict::Withheld(doubt));
            }
            check(outer, "d00", KimVerdict::Withheld(Silent));
            check(outer, "i01", KimVerdict::Withheld(Silent));
            check(outer, "d00 i08 e4014", KimVerdict::Withheld(Altered));
        }
        check(Some(true), "", KimVerdict::Withheld(Silent));
        let cut = KimResults { is_cut: true, ..results("d00 i01") };
        assert_eq!(verdict(Some(true), &cut), KimVerdict::Withheld(Silent));
    }

    #[test]
    fn kim_14_results_of_a_mail_that_came_unencrypted_count_for_nothing() {
        for text in ["", "d00 i01", "d00 i02", "d01 e4009", "e4004", "iX"] {
            check(Some(false), text, KimVerdict::Unconfirmed);
        }
        check(None, "", KimVerdict::Unconfirmed);
        check(None, "e4004 e4001", KimVerdict::Unconfirmed);
    }

    /// The Clientmodul handed out the mail as it lies at the mail service. Where nothing is known of an
    /// outer head, there may be no Clientmodul at all: then it is a letter with an encrypted file.
    #[test]
    fn kim_15_what_is_still_sealed_was_not_decrypted() {
        check(Some(true), "sealed", KimVerdict::Undecrypted(KimTrouble::Other));
        check(Some(true), "sealed d03", KimVerdict::Undecrypted(KimTrouble::Konnektor));
        // Of what it opens, a Clientmodul takes that head away: the sender wrote this one.
        check(Some(true), "sealed d00 i01", KimVerdict::Withheld(KimDoubt::Silent));
        check(Some(true), "sealed d00", KimVerdict::Withheld(KimDoubt::Silent));
        check(Some(false), "sealed", KimVerdict::Unconfirmed);
        check(None, "sealed", KimVerdict::Unconfirmed);
    }

    #[test]
    fn kim_13_a_head_alone_is_not_doubted_for_what_nobody_could_check() {
        for (outer, text, expected) in [
            (Some(true), "", KimVerdict::Unopened),
            (Some(true), "sealed", KimVerdict::Unopened),
            (None, "sealed", KimVerdict::Unopened),
            (None, "", KimVerdict::Unconfirmed),
            (Some(false), "", KimVerdict::Unconfirmed),
            (None, "d01", KimVerdict::Undecrypted(KimTrouble::Key)),
        ] {
            assert_eq!(verdict_of_head(outer, &results(text)), expected, "{outer:?} {text}");
        }
    }

    #[test]
    fn kim_15_what_was_not_decrypted_says_why() {
        use KimTrouble::{Attachments, Form, Key, Konnektor, LargeMails, Other, Version};
        for outer in [Some(true), None] {
            for (text, trouble) in [
                ("d01", Key),
                ("d02", Form),
                ("d03", Konnektor),
                ("dX4", Other),
                ("d00 d01", Key),
                ("d01 e4009", Key),
                ("d03 e4011", Konnektor),
                ("e4006", Attachments),
                ("e4007", Attachments),
                ("e4012", Attachments),
                ("e4013", Attachments),
                ("e4008", Version),
                ("e4018", LargeMails),
                ("e4010", Form),
                ("ecmgerr_4", Other),
                ("eX1 e4011", Konnektor),
                ("d00 i01 e4009", Key),
                ("d01 i02", Key),
            ] {
                check(outer, text, KimVerdict::Undecrypted(trouble));
            }
        }
    }
}
