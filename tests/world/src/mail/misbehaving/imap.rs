//! The part of IMAP that the gateway speaks.

use super::{MisbehavingSession, MisbehavingState, PossibleAnswers, UntilOver};

pub(super) async fn serve(mut session: MisbehavingSession) -> UntilOver {
    let ready = "* OK [CAPABILITY IMAP4rev1] ready\r\n";
    session.answer("GREETING", None, answer(ready, "", "* ")).await?;
    let mut marked: Vec<String> = Vec::new();
    loop {
        let line = session.line().await?;
        let (tag, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let ok = |lines: &str| answer(&format!("{lines}{tag} OK done\r\n"), tag, tag);
        // What came since shows at the next command.
        let now = session.state().mails.clone();
        session.mails = now;
        let words: Vec<&str> = rest.split(' ').collect();
        match words.as_slice() {
            ["CAPABILITY"] => {
                let lines = "* CAPABILITY IMAP4rev1 UIDPLUS\r\n";
                session.answer("CAPABILITY", None, ok(lines)).await?;
            }
            ["LOGIN", ..] => session.answer("LOGIN", None, ok("")).await?,
            ["SELECT", ..] => {
                let (count, validity) = (session.mails.len(), session.state().validity);
                let lines = format!("* {count} EXISTS\r\n* OK [UIDVALIDITY {validity}] x\r\n");
                session.answer("SELECT", None, ok(&lines)).await?;
            }
            ["UID", "SEARCH", ..] => {
                let names: Vec<&str> =
                    session.mails.iter().map(|(name, _)| name.as_str()).collect();
                let found = ok(&format!("* SEARCH {}\r\n", names.join(" ")));
                session.answer("UID SEARCH", None, found).await?;
            }
            ["UID", "FETCH", uid, what @ ..] => {
                let what = what.join(" ");
                let mail = session.mails.iter().enumerate().find(|(_, (name, _))| name == uid);
                let (command, values) = match mail {
                    Some((_, (_, mail))) if what.contains("RFC822.SIZE") => {
                        ("UID FETCH SIZE", format!("RFC822.SIZE {}", mail.len()))
                    }
                    Some((_, (_, mail))) if what.contains("HEADER") => {
                        let end = mail.windows(4).position(|four| four == b"\r\n\r\n");
                        let end = end.map_or(mail.len(), |end| end + 4);
                        let head = mail.get(..end).unwrap_or_default();
                        ("UID FETCH HEADER", literal("BODY[HEADER]", head))
                    }
                    Some((_, (_, mail))) => ("UID FETCH BODY", literal("BODY[]", mail)),
                    None => ("UID FETCH GONE", String::new()),
                };
                let lines = match mail {
                    Some((place, _)) => format!("* {} FETCH (UID {uid} {values})\r\n", place + 1),
                    None => String::new(),
                };
                session.answer(command, Some(uid), ok(&lines)).await?;
            }
            ["UID", "STORE", uids, ..] => {
                session.answer("UID STORE", None, ok("")).await?;
                marked.extend(uids.split(',').map(str::to_owned));
            }
            ["UID", "EXPUNGE", uids] => {
                let uids: Vec<&str> = uids.split(',').collect();
                session.answer("UID EXPUNGE", None, ok("")).await?;
                let mut state = session.state();
                let MisbehavingState { mails, deleted, keeps_deleted, .. } = &mut *state;
                if !*keeps_deleted {
                    let goes =
                        |name: &String| uids.contains(&name.as_str()) && marked.contains(name);
                    deleted.extend(mails.extract_if(.., |(name, _)| goes(name)));
                }
            }
            ["LOGOUT"] => {
                let lines = answer(&format!("* BYE\r\n{tag} OK done\r\n"), tag, tag);
                return session.answer("LOGOUT", None, lines).await;
            }
            _ => {
                let what = answer(&format!("{tag} BAD what?\r\n"), tag, tag);
                session.answer("OTHER", None, what).await?;
            }
        }
    }
}

fn literal(name: &str, bytes: &[u8]) -> String {
    format!("{name} {{{}}}\r\n{}", bytes.len(), String::from_utf8_lossy(bytes))
}

fn answer(right: &str, tag: &str, refused: &str) -> PossibleAnswers {
    PossibleAnswers {
        right: right.as_bytes().to_vec(),
        refusal: format!("{} NO not now\r\n", refused.trim_end()).into_bytes(),
        nothing: format!("{tag} OK done\r\n").into_bytes(),
        bye: b"* BYE closing\r\n".to_vec(),
    }
}
