//! The directory of KIM addresses (VZD) as a practice sees it: OpenLDAP's slapd, with the few attributes
//! that matter, behind TLS with a certificate that nobody but itself vouches for.
//!
//! A Konnektor's LDAP proxy answers the same questions. What differs is told where it matters: that
//! `kimData` can be searched by its beginning is assumed of the real one.
//!
//! No part of a world: each test starts its own, and says what stands in it.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use ring::digest::{SHA256, digest};
use rustix::process::Signal;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use crate::{
    error::{Result, WorldError},
    folder::Folder,
    ports::Port,
    process::{Launch, Server, listens, run},
    setup::{UnixAccount, program},
    tls::self_signed,
};

/// The name below which everything stands.
pub const VZD_BASE: &str = "dc=data,dc=vzd";

/// An entry, as its owner and the mail services filled it.
#[derive(Clone, Debug, Default)]
pub struct VzdEntry {
    pub telematik_id: String,
    pub display_name: String,
    pub mail: Vec<String>,
    /// `ADDRESS,VERSION[+][,TAGS]`
    pub kim_data: Vec<String>,
    /// `VERSION,ADDRESS`
    pub kom_le_data: Vec<String>,
}

impl VzdEntry {
    /// A practice with one address, whose KIM is `version`, such as `1.5+`.
    pub fn of(address: &str, version: &str) -> Self {
        Self {
            telematik_id: "5-SMC-B-Testkarte-1".to_owned(),
            display_name: "Praxis Dr. Testfall".to_owned(),
            mail: vec![address.to_owned()],
            kim_data: vec![format!("{address},{version},KIM-Mail;Default;V1.0")],
            kom_le_data: Vec::new(),
        }
    }
}

/// A directory that runs. Dropping it ends it.
#[derive(Debug)]
pub struct Vzd {
    server: Server,
    account: UnixAccount,
    port: Port,
    pin: String,
    files: PathBuf,
    /// Dropped last.
    _folder: Folder,
}

impl Vzd {
    /// Starts one with these entries.
    ///
    /// # Errors
    /// When slapd is not installed, or does not come up.
    pub async fn start(entries: &[VzdEntry]) -> Result<Self> {
        let folder = Folder::make("vzd")?;
        let account = UnixAccount::plain("nobody")?;
        let files = account.folder(folder.path().join("slapd"))?;
        let port = Port::reserve()?;
        let issued = self_signed("konnektor.praxis.example")?;
        let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes())
            .map_err(|error| WorldError::refused("read a certificate", error))?;
        let pin: String =
            digest(&SHA256, &certificate).as_ref().iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
        for (name, text) in [
            ("server.crt", issued.certificate.as_str()),
            ("server.key", issued.key.as_str()),
            ("slapd.conf", &settings(&files)),
            ("slapd.log", ""),
        ] {
            write(&account, &files.join(name), text)?;
        }
        let launch = launch(&files, &account, port.number())?;
        let mut vzd =
            Self { server: Server::new(launch), account, port, pin, files, _folder: folder };
        vzd.now_has(entries).await?;
        Ok(vzd)
    }

    /// Starts it again with these entries and no others.
    ///
    /// # Errors
    /// When slapd does not take them, or does not come up.
    pub async fn now_has(&mut self, entries: &[VzdEntry]) -> Result<()> {
        self.server.stop(Signal::TERM);
        let data = self.files.join("data");
        match std::fs::remove_dir_all(&data) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(WorldError::io("empty the directory", error));
            }
            _ => {}
        }
        self.account.folder(data)?;
        let file = self.files.join("entries.ldif");
        write(&self.account, &file, &ldif(entries))?;
        let (file, settings) = (shown(&file), shown(&self.files.join("slapd.conf")));
        let args = ["-f", &settings, "-l", &file];
        run("fill the directory", Some(&self.account), &program("slapadd")?, &args).await?;
        let port = self.port.number();
        self.server.start(|| listens(port)).await
    }

    /// Ends it; [`now_has`](Self::now_has) starts it again.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The lines for `[channel.kim]` that let a gateway ask here.
    pub fn settings(&self) -> String {
        format!(
            "[channel.kim.directory]\nhost = \"127.0.0.1\"\nport = {}\npin_sha256 = [{:?}]\n",
            self.port(),
            self.pin
        )
    }

    /// How often somebody searched, over all its lives.
    pub fn searches(&self) -> usize {
        self.log().matches(" SRCH base=").count()
    }

    /// The most connections that were open at one time, over all its lives.
    pub fn connections_at_once(&self) -> usize {
        let (mut open, mut most) = (0_usize, 0_usize);
        for line in self.log().lines() {
            // The check whether it is up opens one without a word; only those that search count.
            if line.contains(" BIND dn=") {
                open += 1;
            } else if line.contains(" UNBIND") {
                open = open.saturating_sub(1);
            }
            most = most.max(open);
        }
        most
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.files.join("slapd.log")).unwrap_or_default()
    }
}

fn launch(files: &Path, account: &UnixAccount, port: u16) -> Result<Launch> {
    let url = format!("ldaps://127.0.0.1:{port}/");
    let args = ["-f", &shown(&files.join("slapd.conf")), "-h", &url, "-d", "stats"];
    Ok(Launch {
        name: "slapd",
        program: program("slapd")?,
        args: args.map(str::to_owned).to_vec(),
        env: vec![],
        account: Some(account.clone()),
        folder: files.to_owned(),
        log: files.join("slapd.log"),
        quick_end: Signal::KILL,
        piped: false,
    })
}

/// The attributes have the names of the real ones. Their numbers are from the arc that RFC 4520 leaves
/// for experiments within OpenLDAP's documentation.
fn settings(files: &Path) -> String {
    let files = files.display();
    let attributes = ["telematikID", "kimData", "komLeData"];
    let mut text = "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/inetorgperson.schema\n"
        .to_owned();
    for (number, name) in attributes.iter().enumerate() {
        let _ = writeln!(
            text,
            "attributetype ( 1.1.2.1.{number} NAME '{name}' EQUALITY caseIgnoreMatch \
             SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )"
        );
    }
    let _ = write!(
        text,
        "objectclass ( 1.1.2.2.1 NAME 'vzdEntry' SUP top STRUCTURAL MUST uid \
         MAY ( displayName $ mail $ {} ) )\n\
         modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {files}/slapd.pid\n\
         TLSCertificateFile {files}/server.crt\nTLSCertificateKeyFile {files}/server.key\n\
         database mdb\nsuffix \"{VZD_BASE}\"\ndirectory {files}/data\nmaxsize 10485760\n\
         access to * by * read\n",
        attributes.join(" $ ")
    );
    text
}

fn ldif(entries: &[VzdEntry]) -> String {
    let mut text = format!(
        "dn: {VZD_BASE}\nobjectClass: dcObject\nobjectClass: organization\no: VZD\ndc: data\n"
    );
    for (number, entry) in entries.iter().enumerate() {
        let _ = write!(
            text,
            "\ndn: uid={number},{VZD_BASE}\nobjectClass: vzdEntry\nuid: {number}\n\
             telematikID: {}\ndisplayName: {}\n",
            entry.telematik_id, entry.display_name
        );
        for (name, values) in
            [("mail", &entry.mail), ("kimData", &entry.kim_data), ("komLeData", &entry.kom_le_data)]
        {
            for value in values {
                let _ = writeln!(text, "{name}: {value}");
            }
        }
    }
    text
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn write(account: &UnixAccount, file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text)
        .map_err(|error| WorldError::io(format!("write {}", file.display()), error))?;
    account.give(file)
}
