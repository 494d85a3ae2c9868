//! HylaFAX as Debian brings it: its scripts that write mails of faxes, and the whole server.
//!
//! Everything happens in a spool of the test's own, under `/tmp`; the machine's own spool and settings are read
//! for their scripts and templates, and left as they are. Mails leave through msmtp, as from a small fax server,
//! to the door of a gateway. [`HylafaxSpool`] runs without root; [`Hylafax`] does not, since faxq and faxgetty
//! want to be started by root.

mod server;

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    error::{Result, WorldError},
    setup::program,
};

pub use server::{DeadEnd, FaxLine, Hylafax};

/// Where Debian keeps the settings and templates, the scripts, and the programs that scripts call.
const SETTINGS: &str = "/etc/hylafax";
const SCRIPTS: &str = "/var/spool/hylafax/bin";
const PROGRAMS: &str = "/usr/lib/hylafax/bin";

/// How the mails of a HylaFAX look and where they go. The words are the shell's, as in FaxDispatch: `$CALLID3` is
/// the number that was dialled.
#[derive(Clone, Debug)]
pub struct FaxMails {
    /// The SMTP port on loopback that takes them.
    pub port: u16,
    pub from: String,
    /// `SENDTO`: who gets a fax.
    pub send_to: String,
    /// `TOADDR`: who is told of a call that brought none.
    pub told: String,
    /// `FILETYPE`: `pdf`, `tif`, or both.
    pub file_type: String,
    /// The folder of templates: `en`, `de`.
    pub language: String,
}

/// What the receiving modem knows of a call.
#[derive(Clone, Copy, Debug)]
pub struct ReceivedCall<'a> {
    /// What came; nothing when the call brought no page.
    pub file: Option<&'a Path>,
    /// What the sending machine says of itself (TSI).
    pub station: &'a str,
    /// The caller, as the telephone network says.
    pub number: &'a str,
    /// The number that was dialled.
    pub dialled: &'a str,
    /// Why the call ended before its end; empty when it did not.
    pub error: &'a str,
}

/// A spool with settings, in which HylaFAX's scripts run.
#[derive(Debug)]
pub struct HylafaxSpool {
    path: PathBuf,
    calls: AtomicU32,
}

impl HylafaxSpool {
    /// Makes the folders and settings below `path`.
    ///
    /// # Errors
    /// [`WorldError::NotSetUp`] where HylaFAX is not installed; when something cannot be written.
    pub fn make(path: &Path, mails: &FaxMails) -> Result<Self> {
        for wanted in [Path::new(SETTINGS).join("setup.cache"), Path::new(SCRIPTS).join("faxrcvd")]
        {
            if !wanted.exists() {
                return Err(WorldError::NotSetUp { what: format!("hylafax-server ({wanted:?})") });
            }
        }
        for name in ["msmtp", "tiffset"] {
            program(name)?;
        }
        let failed = |error| WorldError::io("make a spool for HylaFAX", error);
        furnish(path, mails).map_err(failed)?;
        Ok(Self { path: path.to_owned(), calls: AtomicU32::new(0) })
    }

    /// Does what HylaFAX does after a call: its script `faxrcvd` makes the mails and sends them.
    ///
    /// # Errors
    /// When a program cannot be run.
    pub async fn receive(&self, call: &ReceivedCall<'_>) -> Result<()> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let (id, file) = (format!("{number:09}"), format!("recvq/fax{number:09}.tif"));
        if let Some(came) = call.file {
            let here = self.path.join(&file);
            fs::copy(came, &here).map_err(|error| WorldError::io("keep a fax", error))?;
            tag(&here, call).await?;
        }
        // The transcript that HylaFAX's modem keeps of the call, for mails of what went wrong.
        let log = self.path.join(format!("log/c{id}"));
        fs::write(&log, format!("Nov 23 13:15:37.29: [13098]: SESSION BEGIN {id}\n"))
            .map_err(|error| WorldError::io("keep a transcript", error))?;
        let known = [&file, "ttyS0", &id, call.error, call.number, "", call.dialled];
        self.run("bin/faxrcvd", &known).await
    }

    /// Does what HylaFAX does with a job: its script `notify` makes the report and sends it.
    ///
    /// `job` is the job's file, as sendq(5) tells; `why` is `done`, `failed`, `requeued`.
    ///
    /// # Errors
    /// When a program cannot be run.
    pub async fn notify(&self, job: &str, why: &str) -> Result<()> {
        fs::write(self.path.join("sendq/q1"), job)
            .map_err(|error| WorldError::io("write a job of HylaFAX", error))?;
        self.run("bin/notify", &["sendq/q1", why, "0:12"]).await
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What msmtp complained of.
    pub fn complaints(&self) -> String {
        fs::read_to_string(self.path.join("log/sendmail")).unwrap_or_default()
    }

    async fn run(&self, script: &str, args: &[&str]) -> Result<()> {
        let doing = format!("run HylaFAX's {script}");
        let output = tokio::process::Command::new("/bin/bash")
            .arg(script)
            .args(args)
            .current_dir(&self.path)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| WorldError::io(&doing, error))?;
        match output.status.success() && self.complaints().is_empty() {
            true => Ok(()),
            false => {
                let said = String::from_utf8_lossy(&output.stderr);
                Err(WorldError::refused(doing, format!("{said}{}", self.complaints())))
            }
        }
    }
}

/// What HylaFAX's modem writes into each page: who called, and whom.
async fn tag(file: &Path, call: &ReceivedCall<'_>) -> Result<()> {
    /// More than a fax of the tests has.
    const PAGES_MAX: usize = 50;
    let words = [call.station, call.number, "", call.dialled].join("\n");
    for page in 0..PAGES_MAX {
        let output = tokio::process::Command::new(program("tiffset")?)
            .args(["-d", &page.to_string(), "-s", "270", &words])
            .arg(file)
            .output()
            .await
            .map_err(|error| WorldError::io("run tiffset", error))?;
        if !output.status.success() {
            break;
        }
    }
    Ok(())
}

fn furnish(path: &Path, mails: &FaxMails) -> std::io::Result<()> {
    for folder in [
        "archive", "client", "dev", "docq", "doneq", "etc", "info", "log", "pollq", "recvq",
        "sendq", "status", "tmp",
    ] {
        fs::create_dir_all(path.join(folder))?;
    }
    symlink(SCRIPTS, path.join("bin"))?;
    symlink(Path::new(SCRIPTS).with_file_name("config"), path.join("config"))?;
    let settings = path.join("etc");
    // Of the machine's own settings only what comes with the package: the others may be secrets.
    for name in ["setup.cache", "setup.modem", "dialrules", "lutRS18.pcf", "pagesizes", "typerules"]
    {
        fs::copy(Path::new(SETTINGS).join(name), settings.join(name))?;
    }
    symlink(Path::new(SETTINGS).join("templates"), settings.join("templates"))?;

    let sendmail = settings.join("sendmail");
    let cache = fs::read_to_string(Path::new(SETTINGS).join("setup.cache"))?;
    let mut own = String::new();
    for line in cache.lines() {
        let changed = match line.split_once('=').map_or(line, |(name, _)| name) {
            "SENDMAIL" => format!("SENDMAIL='{}'", sendmail.display()),
            "SPOOL" => format!("SPOOL='{}'", path.display()),
            // Not Debian's wrappers, which mount the machine's own settings first.
            "SBIN" => format!("SBIN='{PROGRAMS}'"),
            _ => line.to_owned(),
        };
        let _ = writeln!(own, "{changed}");
    }
    let cache = settings.join("setup.cache");
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o644))?;
    fs::write(&cache, own)?;
    fs::write(settings.join("FaxDispatch"), dispatch(mails))?;
    let notify = format!("FROMADDR={}\nTEMPLATE={}\n", mails.from, mails.language);
    fs::write(settings.join("FaxNotify"), notify)?;
    let complaints = path.join("log/sendmail");
    let script = format!(
        "#!/bin/sh\nexec msmtp --file=/dev/null --host=127.0.0.1 --port={} --tls=off --auth=off \
         --set-date-header=auto --set-msgid-header=off \"$@\" 2>> {}\n",
        mails.port,
        complaints.display()
    );
    fs::write(&sendmail, script)?;
    fs::set_permissions(&sendmail, fs::Permissions::from_mode(0o755))?;
    fs::write(&complaints, "")?;
    fs::set_permissions(&complaints, fs::Permissions::from_mode(0o666))
}

/// FaxDispatch, as docs/fax.md wants it: a call that brought no fax is told to `TOADDR` alone.
fn dispatch(mails: &FaxMails) -> String {
    let FaxMails { from, send_to, told, file_type, language, .. } = mails;
    format!(
        "FROMADDR={from}\nSENDTO=\"{send_to}\"\nTOADDR=\"{told}\"\nFILETYPE=\"{file_type}\"\n\
         TEMPLATE={language}\nNOTIFY_FAXMASTER=never\n"
    )
}
