//! The dialogue of SMTP (kim.md 1.4).
//!
//! Before AUTH the Clientmodul talks itself. MAIL and RCPT reach the Fachdienst only with the mail, so
//! whatever it has against a sender or a mail is heard behind the final dot; [`submission`] decides.

mod submission;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    journal::{LoginTry, SubmittedRecipient},
    login::{self, LoginOutcome},
    switches::{AuthMechanism, CmStep, MAIL_BYTES_MAX, RecipientCheck, SERVICE_AWAY, Switches},
    talk::{CmEnd, CmTalk, UntilEnd},
    user_name::{KimProtocol, NameTrouble},
};

/// No limit is documented for KIM; this one keeps the memory bounded.
const RECIPIENTS_MAX: usize = 1000;

/// What MAIL FROM began.
#[derive(Clone, Debug, Default)]
struct MailOrder {
    from: String,
    parameters: Vec<String>,
    recipients: Vec<SubmittedRecipient>,
}

struct SmtpTalk {
    talk: CmTalk,
    mail: Option<MailOrder>,
}

pub(super) async fn serve(talk: CmTalk) -> UntilEnd {
    let mut smtp = SmtpTalk { talk, mail: None };
    smtp.says(CmStep::SmtpGreeting, "(connected)", "220 KOM-LE-Clientmodul ESMTP").await?;
    loop {
        let line = smtp.talk.line().await?;
        if smtp.talk.has_more() {
            // Pipelining was not offered. What a real one does is not known; this one is strict.
            smtp.talk.say(b"503 5.5.1 Pipelining is not offered\r\n").await?;
            return Err(CmEnd);
        }
        let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let verb = verb.to_ascii_uppercase();
        if verb == "STARTTLS" && !smtp.talk.is_encrypted {
            smtp.talk.note(&verb);
            smtp.talk.say(b"220 2.0.0 Ready to start TLS\r\n").await?;
            smtp = SmtpTalk { talk: smtp.talk.encrypted().await?, mail: None };
            continue;
        }
        match (verb.as_str(), smtp.talk.account.is_some()) {
            ("EHLO", _) => smtp.ehlo().await?,
            ("HELO", _) => smtp.says(CmStep::Ehlo, &verb, "250 KOM-LE-Clientmodul").await?,
            ("NOOP", _) => smtp.says(CmStep::Noop, &verb, "250 2.0.0 OK").await?,
            ("RSET", _) => {
                smtp.mail = None;
                smtp.says(CmStep::Rset, &verb, "250 2.0.0 OK").await?;
            }
            ("QUIT", _) => {
                smtp.says(CmStep::SmtpQuit, &verb, "221 2.0.0 Bye").await?;
                smtp.talk.close().await;
                return Ok(());
            }
            ("AUTH", false) => smtp.auth(argument).await?,
            ("MAIL" | "RCPT" | "DATA", false) => {
                smtp.refuses(&verb, "530 5.7.0 Authentication required").await?
            }
            ("AUTH", true) => smtp.refuses(&verb, "503 5.5.1 Already authenticated").await?,
            ("MAIL", true) => smtp.mail_from(argument).await?,
            ("RCPT", true) => smtp.rcpt_to(argument).await?,
            ("DATA", true) => smtp.data().await?,
            _ => smtp.refuses(&verb, "502 5.5.1 Command not implemented").await?,
        }
    }
}

impl SmtpTalk {
    fn switches(&self) -> Switches {
        self.talk.core.switches()
    }

    async fn says(&mut self, at: CmStep, verb: &str, line: &str) -> UntilEnd {
        self.talk.answer(at, verb, None, |_| format!("{line}\r\n").into_bytes()).await.map(drop)
    }

    async fn refuses(&mut self, verb: &str, line: &str) -> UntilEnd {
        self.talk.note(verb);
        self.talk.say(format!("{line}\r\n").as_bytes()).await
    }

    async fn ehlo(&mut self) -> UntilEnd {
        let switches = self.switches();
        self.mail = None;
        let mut lines = vec!["KOM-LE-Clientmodul".to_owned()];
        lines.push(format!("SIZE {}", switches.size_announced));
        if self.talk.is_encrypted {
            let names = switches.mechanisms.iter().map(|mechanism| mechanism.name());
            lines.push(format!("AUTH {}", names.collect::<Vec<_>>().join(" ")));
        } else {
            lines.push("STARTTLS".to_owned());
        }
        lines.push("8BITMIME".to_owned());
        // Misspelt in the specification, so misspelt everywhere.
        lines.push("ENCHANCEDSTATUSCODES".to_owned());
        if switches.dsn_offered {
            lines.push("DSN".to_owned());
        }
        let last = lines.len() - 1;
        let lines = lines.iter().enumerate().map(|(at, line)| {
            let mark = if at == last { ' ' } else { '-' };
            format!("250{mark}{line}\r\n")
        });
        let answer: String = lines.collect();
        self.talk.answer(CmStep::Ehlo, "EHLO", None, |_| answer.into_bytes()).await.map(drop)
    }

    async fn auth(&mut self, argument: &str) -> UntilEnd {
        if !self.talk.is_encrypted {
            return self.refuses("AUTH", "530 5.7.0 Must issue a STARTTLS command first").await;
        }
        let (wanted, first) = argument.split_once(' ').unwrap_or((argument, ""));
        let offered = self.switches().mechanisms;
        let Some(mechanism) = offered.into_iter().find(|it| it.name().eq_ignore_ascii_case(wanted))
        else {
            return self.refuses("AUTH", "504 5.7.4 Unrecognized authentication type").await;
        };
        let first = (!first.is_empty()).then(|| first.to_owned());
        let login = match mechanism {
            AuthMechanism::Plain => {
                let argument = match first {
                    Some(argument) => argument,
                    None => self.asks("").await?,
                };
                login::plain(&argument)
            }
            AuthMechanism::Login => {
                let name = match first {
                    Some(name) => name,
                    None => self.asks("Username:").await?,
                };
                let password = self.asks("Password:").await?;
                login::decoded(&name).zip(login::decoded(&password))
            }
        };
        let Some((name, password)) = login else {
            return self.refuses("AUTH", "501 5.5.2 Cannot decode the credentials").await;
        };
        let mut is_malformed = false;
        let work = |talk: &mut CmTalk| {
            let outcome = login::log_in(&talk.core, KimProtocol::Smtp, &name, &password);
            is_malformed = outcome == LoginOutcome::Misnamed(NameTrouble::Malformed);
            let answer = login_answer(&outcome);
            let address = name.split('#').next().unwrap_or_default().to_ascii_lowercase();
            talk.core.note_login(LoginTry {
                protocol: KimProtocol::Smtp,
                address,
                mechanism: mechanism.name().to_owned(),
                answer: answer.split(' ').next().unwrap_or_default().to_owned(),
            });
            if let LoginOutcome::Welcome(address) = outcome {
                talk.account = Some(address);
            }
            format!("{answer}\r\n").into_bytes()
        };
        self.talk.answer(CmStep::SmtpLogin, "AUTH", None, work).await?;
        // As in the example of the specification.
        if is_malformed { Err(CmEnd) } else { Ok(()) }
    }

    /// Asks for the next line of a login.
    async fn asks(&mut self, for_what: &str) -> UntilEnd<String> {
        self.talk.say(format!("334 {}\r\n", STANDARD.encode(for_what)).as_bytes()).await?;
        self.talk.line().await
    }

    async fn mail_from(&mut self, argument: &str) -> UntilEnd {
        let Some((from, parameters)) = path(argument, "FROM:") else {
            return self.refuses("MAIL", "501 5.5.2 Syntax error in MAIL FROM").await;
        };
        if self.mail.is_some() {
            return self.refuses("MAIL", "503 5.5.1 Sender already given").await;
        }
        if let Some(refusal) = refused_parameter(&self.switches(), &parameters, &["RET", "ENVID"]) {
            return self.refuses("MAIL", &refusal).await;
        }
        let order = MailOrder { from, parameters, recipients: Vec::new() };
        let work = |_: &mut CmTalk| b"250 2.1.0 Sender OK\r\n".to_vec();
        if self.talk.answer(CmStep::MailFrom, "MAIL", None, work).await? {
            self.mail = Some(order);
        }
        Ok(())
    }

    async fn rcpt_to(&mut self, argument: &str) -> UntilEnd {
        let Some((address, parameters)) = path(argument, "TO:") else {
            return self.refuses("RCPT", "501 5.5.2 Syntax error in RCPT TO").await;
        };
        let Some(order) = &self.mail else {
            return self.refuses("RCPT", "503 5.5.1 MAIL first").await;
        };
        if order.recipients.len() >= RECIPIENTS_MAX {
            return self.refuses("RCPT", "452 4.5.3 Too many recipients").await;
        }
        let switches = self.switches();
        if let Some(refusal) = refused_parameter(&switches, &parameters, &["NOTIFY", "ORCPT"]) {
            return self.refuses("RCPT", &refusal).await;
        }
        let is_unknown = submission::refusal(&self.talk.core.state(), &address, false).is_some();
        if is_unknown && switches.recipients_checked == RecipientCheck::AtRcpt {
            return self.refuses("RCPT", "550 5.1.1 No valid encryption certificate").await;
        }
        let work = |_: &mut CmTalk| b"250 2.1.5 Recipient OK\r\n".to_vec();
        let is_taken = self.talk.answer(CmStep::RcptTo, "RCPT", None, work).await?;
        if let (Some(order), true) = (&mut self.mail, is_taken) {
            order.recipients.push(SubmittedRecipient { address, parameters, refusal: None });
        }
        Ok(())
    }

    async fn data(&mut self) -> UntilEnd {
        let Some(order) = self.mail.take().filter(|order| !order.recipients.is_empty()) else {
            return self.refuses("DATA", "503 5.5.1 RCPT first").await;
        };
        let work = |_: &mut CmTalk| b"354 Start mail input; end with <CRLF>.<CRLF>\r\n".to_vec();
        if !self.talk.answer(CmStep::Data, "DATA", None, work).await? {
            return Ok(());
        }
        let bytes_max = self.switches().size_max.min(MAIL_BYTES_MAX);
        let mut submitted = submission::Submitted::new(order, self.talk.mail(bytes_max).await?);
        let work = |talk: &mut CmTalk| {
            let answer = submitted.decide(&talk.core, talk.account.as_deref().unwrap_or_default());
            format!("{answer}\r\n").into_bytes()
        };
        let ended = self.talk.answer(CmStep::EndOfData, "END", None, work).await;
        submitted.note_if_undecided(&self.talk.core, self.talk.account.as_deref());
        ended.map(drop)
    }
}

impl AuthMechanism {
    fn name(self) -> &'static str {
        match self {
            Self::Login => "LOGIN",
            Self::Plain => "PLAIN",
        }
    }
}

fn login_answer(outcome: &LoginOutcome) -> &'static str {
    match outcome {
        LoginOutcome::Welcome(_) => "235 2.7.0 Authentication successful",
        LoginOutcome::Misnamed(NameTrouble::Malformed) => "501 5.5.4 User name incomplete",
        LoginOutcome::Misnamed(NameTrouble::UnknownContext) => {
            "501 Context unknown to the Konnektor"
        }
        LoginOutcome::Away | LoginOutcome::InUse => SERVICE_AWAY,
        LoginOutcome::Rejected => "535 5.7.8 Authentication credentials invalid",
    }
}

/// The address, in lower case, and the parameters of MAIL and RCPT.
fn path(argument: &str, keyword: &str) -> Option<(String, Vec<String>)> {
    let (before, rest) = argument.split_at_checked(keyword.len())?;
    let rest = before.eq_ignore_ascii_case(keyword).then_some(rest)?;
    let (address, rest) = rest.trim_start().strip_prefix('<')?.split_once('>')?;
    let parameters = rest.split_ascii_whitespace().map(str::to_owned).collect();
    Some((address.to_ascii_lowercase(), parameters))
}

/// The answer to a parameter that was not offered.
fn refused_parameter(switches: &Switches, given: &[String], of_dsn: &[&str]) -> Option<String> {
    let is_offered = |parameter: &String| {
        let name = parameter.split('=').next().unwrap_or_default().to_ascii_uppercase();
        let is_of_mail = of_dsn.contains(&"RET");
        (is_of_mail && ["SIZE", "BODY"].contains(&name.as_str()))
            || (switches.dsn_offered && of_dsn.contains(&name.as_str()))
    };
    let code = switches.parameter_refusal;
    let all_offered = given.iter().all(is_offered);
    (!all_offered).then(|| format!("{code} 5.5.4 Parameter not recognized"))
}
