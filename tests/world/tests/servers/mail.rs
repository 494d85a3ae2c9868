use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};
use umstieg_world::{AddressTrouble, Folder, Mail, MailServers, World, mail::FAX_GATEWAY};

const PASSWORD: &str = "geheim-pässword";
/// As a KIM client sends it: letters of both cases, a `:` in the middle.
const KIM_TAIL: &str = "#mail.example.kim.telematik:995#Mandant_1#KOM_LE#WP-7";

/// A conversation in lines, by TLS with the world's own certificate authority.
struct TlsTalk(BufReader<TlsStream<TcpStream>>);

impl TlsTalk {
    async fn open(mail: &Mail, port: u16) -> Self {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(mail.ca_pem().unwrap().as_bytes()).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let name = ServerName::try_from(mail.host.clone()).unwrap();
        let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
        Self(BufReader::new(tls))
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.0.read_line(&mut line);
        tokio::time::timeout(Duration::from_secs(30), read).await.unwrap().unwrap();
        line.trim_end().to_owned()
    }

    /// Says a line and returns the last line of the answer.
    async fn say(&mut self, words: &str) -> String {
        self.0.write_all(format!("{words}\r\n").as_bytes()).await.unwrap();
        self.answer().await
    }

    async fn answer(&mut self) -> String {
        loop {
            let line = self.line().await;
            if line.chars().nth(3) != Some('-') {
                return line;
            }
        }
    }

    async fn submission(mail: &Mail, user: &str) -> Self {
        let mut talk = Self::open(mail, mail.ports.smtps).await;
        assert!(talk.answer().await.starts_with("220 "));
        assert!(talk.say("EHLO praxis").await.starts_with("250 "));
        let answer = talk.say(&format!("AUTH PLAIN {}", plain(user, PASSWORD))).await;
        assert!(answer.starts_with("235 "), "{answer}");
        talk
    }

    async fn submit(&mut self, from: &str, to: &str, mail: &str) -> String {
        let answer = self.say(&format!("MAIL FROM:<{from}> RET=HDRS ENVID=d1")).await;
        assert!(answer.starts_with("250 "), "{answer}");
        let answer = self.say(&format!("RCPT TO:<{to}> NOTIFY=SUCCESS,FAILURE")).await;
        if !answer.starts_with("250 ") {
            self.say("RSET").await;
            return answer;
        }
        assert!(self.say("DATA").await.starts_with("354 "));
        self.say(&format!("{mail}\r\n.")).await
    }
}

/// The argument of AUTH PLAIN (RFC 4616), by the standard alphabet of base64.
fn plain(user: &str, password: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes = [b"\0", user.as_bytes(), b"\0", password.as_bytes()].concat();
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..chunk.len()].copy_from_slice(chunk);
        let number = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for place in 0..4 {
            let sextet = (number >> (18 - 6 * place)) & 63;
            let is_padding = place > chunk.len();
            text.push(if is_padding { '=' } else { char::from(ALPHABET[sextet as usize]) });
        }
    }
    text
}

/// Waits until a mailbox holds as many mails.
async fn mails(mail: &Mail, address: &str, count: usize) -> Vec<String> {
    let arrived = async {
        loop {
            let mails = mail.mails(address).unwrap();
            if mails.len() >= count {
                return mails;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mails = tokio::time::timeout(Duration::from_secs(30), arrived).await;
    let mails = mails.unwrap_or_else(|_| panic!("no {count} mails for {address}"));
    mails.iter().map(|mail| String::from_utf8_lossy(mail).into_owned()).collect()
}

#[tokio::test]
async fn kim_user_names_log_in_by_smtps_pop3s_and_imaps() {
    let mail = &World::shared().await.unwrap().mail;
    let address = "Login@Mueller.kim.telematik";
    mail.add_mailbox(address, PASSWORD).await.unwrap();
    let kim = format!("{address}{KIM_TAIL}");

    TlsTalk::submission(mail, &kim).await;

    let mut pop3 = TlsTalk::open(mail, mail.ports.pop3s).await;
    assert!(pop3.line().await.starts_with("+OK"));
    assert!(pop3.say(&format!("USER {kim}")).await.starts_with("+OK"));
    let answer = pop3.say(&format!("PASS {PASSWORD}")).await;
    assert!(answer.starts_with("+OK"), "{answer}");

    let mut imap = TlsTalk::open(mail, mail.ports.imaps).await;
    assert!(imap.line().await.starts_with("* OK"));
    let answer = imap.say(&format!("a AUTHENTICATE PLAIN {}", plain(&kim, PASSWORD))).await;
    let answer = if answer == "+" || answer.starts_with("+ ") {
        imap.say(&plain(&kim, PASSWORD)).await
    } else {
        answer
    };
    assert!(answer.contains("OK"), "{answer}");
}

#[tokio::test]
async fn a_wrong_password_and_half_a_kim_user_name_are_refused() {
    let mail = &World::shared().await.unwrap().mail;
    let address = "refused@mueller.kim.telematik";
    mail.add_mailbox(address, PASSWORD).await.unwrap();
    for (user, password) in [
        (address.to_owned(), "wrong"),
        (format!("{address}#mail.example.kim.telematik:995#m1"), PASSWORD),
        (format!("{address}#no-port#m1#cs1#wp1"), PASSWORD),
    ] {
        let mut pop3 = TlsTalk::open(mail, mail.ports.pop3s).await;
        pop3.line().await;
        pop3.say(&format!("USER {user}")).await;
        let answer = pop3.say(&format!("PASS {password}")).await;
        assert!(answer.starts_with("-ERR"), "{user}: {answer}");
    }
}

#[tokio::test]
async fn starttls_is_offered_and_exim_takes_a_password_only_after_it() {
    let mail = &World::shared().await.unwrap().mail;
    for (port, hello) in [
        (mail.ports.smtp_starttls, "EHLO praxis\r\n"),
        (mail.ports.pop3_stls, "CAPA\r\n"),
        (mail.ports.imap_starttls, "a CAPABILITY\r\n"),
    ] {
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut talk = BufReader::new(tcp);
        let mut text = String::new();
        talk.read_line(&mut text).await.unwrap();
        talk.write_all(hello.as_bytes()).await.unwrap();
        let ended = |line: &str| {
            line.starts_with("250 ") || line.starts_with(".") || line.starts_with("a OK")
        };
        loop {
            let mut line = String::new();
            talk.read_line(&mut line).await.unwrap();
            text.push_str(&line);
            if ended(&line) || line.is_empty() {
                break;
            }
        }
        assert!(text.contains("STARTTLS") || text.contains("STLS"), "{text}");
        assert!(port != mail.ports.smtp_starttls || !text.contains("AUTH"), "{text}");
    }
}

#[tokio::test]
async fn a_delivered_mail_lies_in_the_mailbox_and_is_read_by_pop3() {
    let mail = &World::shared().await.unwrap().mail;
    let address = "delivered@charite.kim.telematik";
    mail.add_mailbox(address, PASSWORD).await.unwrap();
    assert!(mail.mails(address).unwrap().is_empty());

    mail.deliver(b"Subject: one\n\n.dot\n\xfc\n", address).await.unwrap();
    mail.deliver(b"Subject: two\r\n\r\ntext\r\n", address).await.unwrap();

    let kept = mail.mails(address).unwrap();
    assert_eq!(kept.len(), 2);
    assert!(kept[0].ends_with(b"Subject: one\n\n.dot\n\xfc\n"), "{:?}", kept[0]);
    assert!(kept[1].ends_with(b"text\n"), "{:?}", kept[1]);
    let mut pop3 = TlsTalk::open(mail, mail.ports.pop3s).await;
    pop3.line().await;
    pop3.say(&format!("USER {address}")).await;
    pop3.say(&format!("PASS {PASSWORD}")).await;
    assert!(pop3.say("STAT").await.starts_with("+OK 2 "));

    let error = mail.deliver(b"Subject: three\n\n", "nobody@charite.kim.telematik").await;
    assert!(error.unwrap_err().to_string().contains("550 5.1.1"));
}

#[tokio::test]
async fn a_submitted_mail_arrives_and_is_reported_and_an_unknown_recipient_bounces() {
    let mail = &World::shared().await.unwrap().mail;
    let (from, to) = ("from@mueller.kim.telematik", "to@mvz.kim.telematik");
    mail.add_mailbox(from, PASSWORD).await.unwrap();
    mail.add_mailbox(to, PASSWORD).await.unwrap();

    let mut smtp = TlsTalk::submission(mail, from).await;
    let answer = smtp.submit(from, to, "Subject: hello\r\n\r\ntext").await;
    assert!(answer.starts_with("250 "), "{answer}");
    assert!(mails(mail, to, 1).await[0].contains("Subject: hello"));
    let report = mails(mail, from, 1).await.remove(0);
    assert!(report.contains("report-type=delivery-status"), "{report}");
    assert!(report.contains("Action: delivered"), "{report}");

    let unknown = "unknown@mvz.kim.telematik";
    let answer = smtp.submit(from, unknown, "Subject: lost\r\n\r\ntext").await;
    assert!(answer.starts_with("250 "), "{answer}");
    let bounce = mails(mail, from, 2).await.remove(1);
    assert!(bounce.contains("Action: failed"), "{bounce}");

    let answer = smtp.say("MAIL FROM:<other@mueller.kim.telematik>").await;
    assert!(answer.starts_with("250 "), "{answer}");
    let answer = smtp.say(&format!("RCPT TO:<{to}>")).await;
    assert!(answer.starts_with("550 5.7.1"), "{answer}");
}

#[tokio::test]
async fn every_fax_number_lands_at_the_fax_gateway() {
    let mail = &World::shared().await.unwrap().mail;
    let from = "practice@fax.example";
    mail.add_mailbox(from, PASSWORD).await.unwrap();
    let mut smtp = TlsTalk::submission(mail, from).await;
    let answer = smtp.submit(from, "+49301234567@fax.example", "Subject: fax\r\n\r\n").await;
    assert!(answer.starts_with("250 "), "{answer}");
    let to = "Delivered-To: +49301234567@fax.example";
    let arrived = async {
        // Other tests' faxes land there too.
        let is_it = |fax: &Vec<u8>| String::from_utf8_lossy(fax).contains(to);
        while !mail.mails(FAX_GATEWAY).unwrap().iter().any(is_it) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), arrived).await.unwrap();
    // The practice's own address has a mailbox, which goes before the catch-all.
    mail.deliver(b"Subject: report\n\n", from).await.unwrap();
    assert!(mails(mail, from, 1).await.iter().any(|mail| mail.contains("Subject: report")));
}

#[tokio::test]
async fn troubles_answer_as_their_names_say_and_end() {
    let mail = &World::shared().await.unwrap().mail;
    let (from, to) = ("troubled@mueller.kim.telematik", "trouble@mvz.kim.telematik");
    mail.add_mailbox(from, PASSWORD).await.unwrap();
    mail.add_mailbox(to, PASSWORD).await.unwrap();
    for (trouble, expected) in [
        (Some(AddressTrouble::TryLater), "451"),
        (Some(AddressTrouble::Refuse), "550"),
        (Some(AddressTrouble::TryLaterAfterData), "451"),
        (Some(AddressTrouble::RefuseAfterData), "550 5.6.0"),
        (None, "250"),
    ] {
        mail.set_trouble(to, trouble).unwrap();
        let mut smtp = TlsTalk::submission(mail, from).await;
        let answer = smtp.submit(from, to, "Subject: trouble\r\n\r\n").await;
        assert!(answer.starts_with(expected), "{trouble:?}: {answer}");
    }
    assert_eq!(mails(mail, to, 1).await.len(), 1);
}

#[tokio::test]
async fn what_exim_took_while_dovecot_was_away_arrives_after_both_were_killed() {
    let folder = Folder::make("test").unwrap();
    let mut servers = MailServers::start(folder.path()).await.unwrap();
    let (from, to) = ("from@mueller.kim.telematik", "to@mvz.kim.telematik");
    servers.add_mailbox(from, PASSWORD).await.unwrap();
    servers.add_mailbox(to, PASSWORD).await.unwrap();
    servers.restart_dovecot().await.unwrap();
    servers.restart_exim().await.unwrap();

    let mut smtp = TlsTalk::submission(&servers, from).await;
    servers.kill_dovecot();
    servers.deliver(b"Subject: no\n\n", to).await.unwrap_err();
    let answer = smtp.submit(from, to, "Subject: queued\r\n\r\n").await;
    assert!(answer.starts_with("250 "), "{answer}");
    servers.kill_exim();
    servers.start_dovecot().await.unwrap();
    servers.start_exim().await.unwrap();

    let arrived = mails(&servers, to, 1).await;
    assert!(arrived[0].contains("Subject: queued"), "{arrived:?}");
}
