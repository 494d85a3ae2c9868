//! The part of POP3 that the gateway speaks.

use super::{MisbehavingSession, PossibleAnswers, UntilOver};

pub(super) async fn serve(mut session: MisbehavingSession) -> UntilOver {
    session.answer("GREETING", None, plain("+OK ready")).await?;
    let mut marked = Vec::new();
    loop {
        let line = session.line().await?;
        let mut words = line.split(' ');
        let command = words.next().unwrap_or_default().to_ascii_uppercase();
        let place = words.next().and_then(|number| number.parse::<usize>().ok()?.checked_sub(1));
        let mail = place.and_then(|place| session.mails.get(place).cloned());
        let name = mail.as_ref().map(|(name, _)| name.as_str());
        match (command.as_str(), &mail) {
            ("USER" | "PASS", _) => session.answer(&command, None, plain("+OK")).await?,
            ("UIDL", None) => {
                let lines = (0..session.mails.len())
                    .map(|place| format!("{} {}\r\n", place + 1, session.name(place)));
                let lines: String = lines.collect();
                session.answer("UIDL", None, several(&lines.into_bytes())).await?;
            }
            ("LIST", None) => {
                let mails = session.mails.iter().enumerate();
                let lines: String = mails
                    .map(|(place, (_, mail))| format!("{} {}\r\n", place + 1, mail.len()))
                    .collect();
                session.answer("LIST", None, several(&lines.into_bytes())).await?;
            }
            ("TOP", Some((_, bytes))) => {
                let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
                let head = bytes.get(..end.map_or(bytes.len(), |end| end + 4)).unwrap_or_default();
                session.answer("TOP", name, several(head)).await?;
            }
            ("RETR", Some((_, bytes))) => session.answer("RETR", name, several(bytes)).await?,
            ("DELE", Some(mail)) => {
                session.answer("DELE", name, plain("+OK")).await?;
                marked.push(mail.clone());
            }
            ("QUIT", _) => {
                session.answer("QUIT", None, plain("+OK")).await?;
                let mut state = session.state();
                for mail in marked {
                    if let Some(place) = state.mails.iter().position(|there| *there == mail)
                        && !state.keeps_deleted
                    {
                        state.mails.remove(place);
                        state.deleted.push(mail);
                    }
                }
                return Ok(());
            }
            _ => session.answer(&command, name, plain("-ERR what?")).await?,
        }
    }
}

fn plain(line: &str) -> PossibleAnswers {
    answer(format!("{line}\r\n").into_bytes(), b"+OK\r\n")
}

/// An answer of several lines, up to its dot.
fn several(lines: &[u8]) -> PossibleAnswers {
    let mut right = b"+OK\r\n".to_vec();
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            right.push(b'.');
        }
        right.extend(line);
    }
    if !lines.is_empty() && !lines.ends_with(b"\r\n") {
        right.extend(b"\r\n");
    }
    right.extend(b".\r\n");
    answer(right, b"+OK\r\n.\r\n")
}

fn answer(right: Vec<u8>, nothing: &[u8]) -> PossibleAnswers {
    PossibleAnswers {
        right,
        refusal: b"-ERR not now\r\n".to_vec(),
        nothing: nothing.to_vec(),
        bye: b"-ERR closing\r\n".to_vec(),
    }
}
