//! The mail servers: Dovecot keeps the mailboxes, Exim takes mail in and sends it on.
//!
//! Together they stand for a KIM client module and for the mail side of a fax gateway, as far as
//! stock servers can: KIM user names on every login, certificates of a private authority, DSNs,
//! bounces, a catch-all mailbox for a whole domain. All mail stays inside. Both run without root
//! (when started by root they step down to `nobody`).

mod dovecot;
mod exim;
mod lmtp;
pub mod misbehaving;
mod outer_heads;

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    io,
    net::SocketAddr,
    ops::Deref,
    path::{Path, PathBuf},
};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use self::outer_heads::OuterHeads;
use crate::{
    error::{Result, WorldError},
    ports::Port,
    process::{Server, listens, run},
    setup::{UnixAccount, installed},
    tls::{Authority, MAIL_HOST},
};

/// The domain of the fax gateway stand-in: a mail to any number in it is a fax sent.
pub const FAX_DOMAIN: &str = "fax.example";
/// The mailbox that all mail to [`FAX_DOMAIN`] lands in, unless its address has its own.
pub const FAX_GATEWAY: &str = "gateway@fax.example";
/// The password of [`FAX_GATEWAY`].
pub const FAX_GATEWAY_PASSWORD: &str = "gateway";

/// The ports of the mail servers, all on 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailPorts {
    /// SMTP, TLS from the first byte, as KIM client modules want it.
    pub smtps: u16,
    /// SMTP that offers AUTH only after STARTTLS.
    pub smtp_starttls: u16,
    /// POP3, TLS from the first byte. Of a mail with the mark of KIM, TOP shows the head of a sealed one.
    pub pop3s: u16,
    /// POP3 with STLS. Dovecot takes a password before it as well, since it trusts loopback.
    pub pop3_stls: u16,
    /// IMAP, TLS from the first byte.
    pub imaps: u16,
    /// IMAP with STARTTLS. Dovecot takes a password before it as well, since it trusts loopback.
    pub imap_starttls: u16,
    /// LMTP into the mailboxes, without TLS or login.
    pub lmtp: u16,
}

/// What an address does to those who write to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressTrouble {
    /// `451` at `RCPT TO`.
    TryLater,
    /// `550` at `RCPT TO`.
    Refuse,
    /// `451` after the data.
    TryLaterAfterData,
    /// `554` after the data.
    RefuseAfterData,
}

/// How to reach the mail servers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mail {
    /// The name in the servers' certificate; `localhost` and 127.0.0.1 are in it as well.
    pub host: String,
    pub ports: MailPorts,
    /// The certificate of the authority the servers' certificate comes from, in PEM.
    pub ca_file: PathBuf,
    folder: PathBuf,
}

impl Mail {
    /// The certificate of the private authority, in PEM.
    ///
    /// # Errors
    /// When its file is gone.
    pub fn ca_pem(&self) -> Result<String> {
        std::fs::read_to_string(&self.ca_file)
            .map_err(|error| WorldError::io("read the certificate of the authority", error))
    }

    /// Makes a mailbox; if it is there, gives it this password.
    ///
    /// Logs in as `address` or in the form of a KIM client module,
    /// `address#host:port#mandant#client#workplace` (gemSpec_CM_KOM-LE; only the form of the part
    /// after the address is checked).
    ///
    /// # Errors
    ///
    /// When the table of mailboxes cannot be written.
    pub async fn add_mailbox(&self, address: &str, password: &str) -> Result<()> {
        let home = self.home(address);
        self.edit_accounts(&["mailbox", address, password, &home.display().to_string()]).await
    }

    /// Lets all mail to a domain land in one mailbox, if its address has none itself.
    ///
    /// # Errors
    ///
    /// When the table of mailboxes cannot be written.
    pub async fn add_catch_all(&self, domain: &str, mailbox: &str) -> Result<()> {
        self.edit_accounts(&["catch_all", domain, mailbox]).await
    }

    async fn edit_accounts(&self, args: &[&str]) -> Result<()> {
        let file = self.accounts().display().to_string();
        let mut all = vec!["-c", dovecot::EDIT_ACCOUNTS, &file];
        all.extend(args);
        run("edit the mailboxes", None, &installed("venv/bin/python")?, &all).await?;
        Ok(())
    }

    /// Puts a mail into the mailbox of `to`, through LMTP: within milliseconds, past Exim.
    ///
    /// Line ends may be LF or CRLF. Dovecot adds `Return-Path`, `Delivered-To` and `Received`. In a KIM
    /// mailbox a mail bears what a Clientmodul says of its work, as after Exim.
    ///
    /// # Errors
    /// When there is no such mailbox, or Dovecot is down.
    pub async fn deliver(&self, raw_mail: &[u8], to: &str) -> Result<()> {
        self.deliver_all(&[(raw_mail, to)]).await
    }

    /// As [`deliver`](Self::deliver), each mail to its address on one and the same connection.
    ///
    /// # Errors
    /// When there is no such mailbox, or Dovecot is down; mails before it are delivered.
    pub async fn deliver_all(&self, mails: &[(&[u8], &str)]) -> Result<()> {
        let checked: Vec<Vec<u8>> = mails.iter().map(|(mail, to)| as_checked(mail, to)).collect();
        let mails: Vec<(&[u8], &str)> =
            checked.iter().zip(mails).map(|(mail, (_, to))| (mail.as_slice(), *to)).collect();
        lmtp::deliver(SocketAddr::from(([127, 0, 0, 1], self.ports.lmtp)), &mails).await
    }

    /// The mails in the inbox of an address, oldest first, as the server keeps them.
    ///
    /// # Errors
    /// When the files cannot be read. A mailbox that has never had a mail is empty.
    pub fn mails(&self, address: &str) -> Result<Vec<Vec<u8>>> {
        let failed = |error| WorldError::io("read a mailbox", error);
        loop {
            let mut files = BTreeSet::new();
            for kind in ["new", "cur"] {
                match std::fs::read_dir(self.home(address).join("Maildir").join(kind)) {
                    Ok(entries) => {
                        for entry in entries {
                            let entry = entry.map_err(failed)?;
                            files.insert((arrival(&entry.file_name()), entry.path()));
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(failed(error)),
                }
            }
            let mails = files.into_iter().map(|(_, path)| std::fs::read(path)).collect();
            match mails {
                // Dovecot has just moved a mail from new to cur, or removed it: look again.
                Err(error) if io::Error::kind(&error) == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
                Ok(mails) => return Ok(mails),
            }
        }
    }

    /// Makes an address refuse mail from the next connection on; `None` ends the trouble.
    ///
    /// # Errors
    /// When the table of troubles cannot be written.
    pub fn set_trouble(&self, address: &str, trouble: Option<AddressTrouble>) -> Result<()> {
        exim::set_trouble(&self.folder, address, trouble)
    }

    /// From now on Exim delivers mail for a domain, one that ends with `.test`, by LMTP to this port on
    /// loopback, and tries again every two seconds.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub fn add_door(&self, domain: &str, port: u16) -> Result<()> {
        exim::add_door(&self.folder, domain, port)
    }

    /// Whether Exim has taken over a mail that is not in its mailbox yet.
    ///
    /// # Errors
    /// When its queue cannot be read.
    pub fn is_underway(&self) -> Result<bool> {
        exim::queue(&self.folder)
            .map(|mails| mails > 0)
            .map_err(|error| WorldError::io("read the queue of Exim", error))
    }

    /// The name that Exim gave a mail when it took it over. Two mails of one content that were
    /// submitted have two names; a mail that Exim delivered twice (it was ended between the
    /// delivery and its note of it) has one. `None` for a mail that did not come through Exim.
    pub fn taken_over_as(mail: &[u8]) -> Option<String> {
        exim::name_of(&String::from_utf8_lossy(mail))
    }

    fn accounts(&self) -> PathBuf {
        self.folder.join("accounts.db")
    }

    fn home(&self, address: &str) -> PathBuf {
        self.folder.join("homes").join(address.to_lowercase().replace('/', "_"))
    }
}

/// When a mail arrived, in seconds and microseconds, by its file's name: `1700000000.M1234P56.host`.
fn arrival(file_name: &OsStr) -> (u64, u64) {
    let name = file_name.to_string_lossy();
    let (seconds, rest) = name.split_once(".M").unwrap_or_default();
    let micros = rest.split_once('P').unwrap_or_default().0;
    (seconds.parse().unwrap_or_default(), micros.parse().unwrap_or_default())
}

/// Dovecot and Exim, ended with this value.
#[derive(Debug)]
pub struct MailServers {
    mail: Mail,
    dovecot: Server,
    exim: Server,
    _outer_heads: OuterHeads,
    _ports: [Port; 7],
}

impl Deref for MailServers {
    type Target = Mail;

    fn deref(&self) -> &Mail {
        &self.mail
    }
}

impl MailServers {
    /// Starts both below `folder`, with [`FAX_GATEWAY`] as their only mailbox.
    ///
    /// # Errors
    /// When one of them is not installed, or does not come up.
    pub async fn start(folder: &Path) -> Result<Self> {
        let account = UnixAccount::plain("nobody")?;
        let [smtps, smtp_starttls, pop3s, pop3_stls, imaps, imap_starttls, lmtp] =
            [(); 7].map(|()| Port::reserve());
        let held = [smtps?, smtp_starttls?, pop3s?, pop3_stls?, imaps?, imap_starttls?, lmtp?];
        let [smtps, smtp_starttls, pop3s, pop3_stls, imaps, imap_starttls, lmtp] =
            held.each_ref().map(Port::number);
        let ports =
            MailPorts { smtps, smtp_starttls, pop3s, pop3_stls, imaps, imap_starttls, lmtp };

        let folder = account.folder(folder.join(format!("mail-{smtps}")))?;
        account.folder(folder.join("homes"))?;
        let authority = Authority::new()?;
        let ca_file = folder.join("ca.pem");
        authority.write(&ca_file)?;
        let issued = authority.issue(&[MAIL_HOST, "localhost", "127.0.0.1"])?;
        for (name, text) in [("server.crt", &issued.certificate), ("server.key", &issued.key)] {
            write(&account, &folder.join(name), text)?;
        }
        let mail = Mail { host: MAIL_HOST.to_owned(), ports, ca_file, folder };
        mail.add_mailbox(FAX_GATEWAY, FAX_GATEWAY_PASSWORD).await?;
        mail.add_catch_all(FAX_DOMAIN, FAX_GATEWAY).await?;
        account.give(&mail.accounts())?;

        let dovecot = Server::new(dovecot::launch(&mail.folder, ports, &account)?);
        let exim = Server::new(exim::launch(&mail.folder, ports, &account)?);
        let _outer_heads = OuterHeads::start(pop3s, pop3_stls, &issued)?;
        let mut servers = Self { mail, dovecot, exim, _outer_heads, _ports: held };
        servers.start_dovecot().await?;
        servers.start_exim().await?;
        Ok(servers)
    }

    /// Ends Dovecot as a crash would: mailboxes and logins are away, Exim queues.
    pub fn kill_dovecot(&mut self) {
        self.dovecot.kill();
    }

    /// Starts Dovecot again: same mailboxes, same ports.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_dovecot(&mut self) -> Result<()> {
        let port = self.mail.ports.pop3_stls;
        self.dovecot.start(|| listens(port)).await
    }

    /// Ends Dovecot in an orderly way and starts it again.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart_dovecot(&mut self) -> Result<()> {
        self.dovecot.stop(Signal::TERM);
        self.start_dovecot().await
    }

    /// Ends Exim as a crash would: connections break, its queue stays.
    pub fn kill_exim(&mut self) {
        self.exim.kill();
    }

    /// Starts Exim again: same queue, same ports.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_exim(&mut self) -> Result<()> {
        let port = self.mail.ports.smtps;
        self.exim.start(|| listens(port)).await
    }

    /// Ends Exim in an orderly way and starts it again.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart_exim(&mut self) -> Result<()> {
        self.exim.stop(Signal::TERM);
        self.start_exim().await
    }
}

fn write(account: &UnixAccount, file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text)
        .map_err(|error| WorldError::io(format!("write {}", file.display()), error))?;
    account.give(file)
}

/// A field of a mail that comes as it is, in lower case.
const UNTOUCHED: &str = "x-world-untouched";

/// A mail as a Clientmodul hands it out that decrypted it and found it well, with the mark of the outer
/// mail, by which TOP knows which head to show. Reports and absence notes come unencrypted, and what speaks
/// of a Clientmodul itself stays as it is.
fn as_checked(mail: &[u8], to: &str) -> Vec<u8> {
    const CHECKED: &[u8] = b"X-KOM-LE-Version: 1.5\nX-KIM-DecryptionResult: 00\n\
        X-KIM-IntegrityCheckResult: 01\n";
    let text = String::from_utf8_lossy(mail.get(..4_096).unwrap_or(mail)).to_ascii_lowercase();
    let is_kim = to.ends_with(".kim.telematik") || to.ends_with(".kim.telematik-test");
    let has_head = text.split_once(':').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    let as_it_is = [
        "x-kom-le-version",
        "x-kim-decryptionresult",
        "x-kim-integritycheckresult",
        "x-kim-fehlermeldung",
        "multipart/report",
        ";abwesend",
        UNTOUCHED,
    ];
    if !is_kim || !has_head || as_it_is.iter().any(|mark| text.contains(mark)) {
        return mail.to_vec();
    }
    let line_ends = if mail.windows(2).any(|pair| pair == b"\r\n") { "\r\n" } else { "\n" };
    let checked = String::from_utf8_lossy(CHECKED).replace('\n', line_ends);
    [checked.as_bytes(), mail].concat()
}
