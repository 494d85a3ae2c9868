//! The whole server: faxq, hfaxd, a faxgetty for each line, and modems of the telephone network.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use rustix::process::Signal;
use tokio::io::AsyncWriteExt as _;

use super::{FaxMails, HylafaxSpool, PROGRAMS};
use crate::{
    Telephone,
    error::{Result, WorldError},
    folder::Folder,
    ports::Port,
    process::{Launch, Server, listens},
    setup::{UnixAccount, program},
};

/// The account HylaFAX works under after root has started it.
const ACCOUNT: &str = "uucp";

/// How many times as fast as life the telephone network runs. HylaFAX's own timers run by the clock, so more is
/// not quicker.
const SPEED: &str = "8";

/// A line of the server.
#[derive(Clone, Copy, Debug)]
pub struct FaxLine<'a> {
    /// Its number without the leading 0, as the telephone network tells a called line who calls.
    pub number: &'a str,
    /// What it says of itself (TSI and CSI).
    pub station: &'a str,
}

/// A number, without its leading 0, at which no fax machine takes the call as it should.
#[derive(Clone, Copy, Debug)]
pub enum DeadEnd<'a> {
    Busy(&'a str),
    NoAnswer(&'a str),
    /// Somebody lifts the receiver and says nothing.
    Silent(&'a str),
    NoDialTone(&'a str),
    /// Rings at another line; the connection breaks after so many milliseconds.
    Drops(&'a str, u32),
}

/// A running HylaFAX. Its first line sends, the others receive. Dropping it ends all of it.
#[derive(Debug)]
pub struct Hylafax {
    // In this order: first who uses the modems, then the modems, then the files.
    programs: Vec<Server>,
    _exchange: Server,
    spool: HylafaxSpool,
    port: Port,
    folder: Folder,
}

impl Hylafax {
    /// Starts it, and returns when every line waits for calls: after about 5 s.
    ///
    /// # Errors
    /// [`WorldError::NotSetUp`] where a part of it, or root, is missing; when a part of it does not come up.
    pub async fn start(
        mails: &FaxMails,
        lines: &[FaxLine<'_>],
        numbers: &[DeadEnd<'_>],
    ) -> Result<Self> {
        let account = UnixAccount::plain(ACCOUNT)?;
        if !account.step_down {
            return Err(WorldError::NotSetUp { what: "root, for HylaFAX".to_owned() });
        }
        let folder = Folder::make("fax")?;
        let spool = HylafaxSpool::make(&folder.path().join("spool"), mails)?;
        let (exchange, devices) = exchange(folder.path(), lines, numbers).await?;
        for (line, device) in lines.iter().zip(&devices) {
            let settings = spool.path().join(format!("etc/config.{device}"));
            write(&settings, &line_settings(line, spool.path()))?;
        }
        write(&spool.path().join("etc/config"), &common_settings(spool.path()))?;
        write(&spool.path().join("etc/hosts.hfaxd"), "localhost\n127.0.0.1\n")?;
        write(&spool.path().join("log/seqf"), "1")?;
        give_all(&account, spool.path())?;
        let hosts = fs::Permissions::from_mode(0o600);
        fs::set_permissions(spool.path().join("etc/hosts.hfaxd"), hosts)
            .map_err(|error| WorldError::io("close hosts.hfaxd", error))?;

        let port = Port::reserve()?;
        // Debian's settings for clients name port 4559; those in the home folder are read after them.
        let sends_by = devices.first().map(String::as_str).unwrap_or_default();
        // One try: whether and when HylaFAX tries again is its own affair, and no test waits for it.
        let client = format!(
            "Host: 127.0.0.1\nPort: {}\nModem: {sends_by}\nMaxDials: 1\nMaxTries: 1\n",
            port.number()
        );
        write(&folder.path().join(".hylarc"), &client)?;
        let mut server = Self { programs: Vec::new(), _exchange: exchange, spool, port, folder };
        server.start_programs(&devices).await?;
        Ok(server)
    }

    async fn start_programs(&mut self, devices: &[String]) -> Result<()> {
        let spool = self.spool.path().display().to_string();
        let number = self.port.number();
        let port = number.to_string();
        let mut faxq = self.program("faxq", &["-D", "-q", &spool])?;
        let fifo = self.spool.path().join("FIFO");
        faxq.start(|| std::future::ready(fifo.exists())).await?;
        self.programs.push(faxq);
        let mut hfaxd =
            self.program("hfaxd", &["-d", "-q", &spool, "-l", "127.0.0.1", "-i", &port])?;
        hfaxd.start(|| listens(number)).await?;
        self.programs.push(hfaxd);
        for device in devices {
            let below_dev = device.replace('_', "/");
            let mut faxgetty = self.program("faxgetty", &["-q", &spool, &below_dev])?;
            let status = self.spool.path().join("status").join(device);
            let is_idle = || {
                let said = fs::read_to_string(&status).unwrap_or_default();
                std::future::ready(said.contains("Running and idle"))
            };
            faxgetty.start(is_idle).await?;
            self.programs.push(faxgetty);
        }
        Ok(())
    }

    fn program(&self, name: &'static str, args: &[&str]) -> Result<Server> {
        Ok(Server::new(Launch {
            name,
            program: program(name)?,
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            env: vec![("LC_ALL", "C.UTF-8".to_owned())],
            account: None,
            folder: self.spool.path().to_owned(),
            log: self.spool.path().with_file_name(format!("{name}.log")),
            quick_end: Signal::KILL,
            piped: false,
        }))
    }

    /// Takes a mail as a mail server hands it over for a number: with HylaFAX's `faxmail`, as the profile
    /// `hylafax` asks for.
    ///
    /// # Errors
    /// When HylaFAX does not take it; then the mail server keeps it.
    pub async fn take(&self, mail: &[u8], number: &str, sender: &str) -> Result<()> {
        let doing = "hand a mail to HylaFAX";
        let failed = |error| WorldError::io(doing, error);
        let mut faxmail = tokio::process::Command::new(program("faxmail")?)
            .args(["-N", "-T", "-n", "-t", "done", "-d", number, sender])
            .env("HOME", self.folder.path())
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        // faxmail wants the line ends of Unix, as mail servers hand mails to programs.
        let mail: Vec<u8> = mail.iter().copied().filter(|byte| *byte != b'\r').collect();
        if let Some(mut input) = faxmail.stdin.take() {
            input.write_all(&mail).await.map_err(failed)?;
        }
        let output = faxmail.wait_with_output().await.map_err(failed)?;
        match output.status.success() {
            true => Ok(()),
            false => Err(WorldError::refused(doing, String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// The spool, with the logs of all calls below `log`.
    pub fn spool(&self) -> &HylafaxSpool {
        &self.spool
    }
}

/// Starts the telephone network; the names by which HylaFAX knows the devices, line by line.
async fn exchange(
    folder: &Path,
    lines: &[FaxLine<'_>],
    numbers: &[DeadEnd<'_>],
) -> Result<(Server, Vec<String>)> {
    let mut args = vec!["--speed".to_owned(), SPEED.to_owned()];
    for line in lines {
        args.extend(["--line".to_owned(), line.number.to_owned()]);
    }
    for number in numbers {
        let words: [&str; 2] = match number {
            DeadEnd::Busy(number) => ["--busy", number],
            DeadEnd::NoAnswer(number) => ["--no-answer", number],
            DeadEnd::Silent(number) => ["--silent", number],
            DeadEnd::NoDialTone(number) => ["--no-dial-tone", number],
            DeadEnd::Drops(number, _) => ["--drop", number],
        };
        args.extend(words.map(str::to_owned));
        if let DeadEnd::Drops(_, after) = number {
            args.push(after.to_string());
        }
    }
    let log = folder.join("exchange.log");
    let mut exchange = Server::new(Launch {
        name: "exchange",
        program: Telephone::find()?.exchange(),
        args,
        env: Vec::new(),
        account: None,
        folder: folder.to_owned(),
        log: log.clone(),
        quick_end: Signal::TERM,
        piped: false,
    });
    let wanted = lines.len();
    exchange.start(|| std::future::ready(devices(&log).len() == wanted)).await?;
    Ok((exchange, devices(&log)))
}

/// `line NUMBER /dev/pts/7` in the log, as HylaFAX names a device: `pts_7`.
fn devices(log: &PathBuf) -> Vec<String> {
    let said = fs::read_to_string(log).unwrap_or_default();
    // A line that is not whole yet does not count.
    let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let device = |line: &str| {
        let (_, device) = line.strip_prefix("line ")?.split_once(" /dev/")?;
        Some(device.replace('/', "_"))
    };
    whole.lines().filter_map(device).collect()
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text)
        .map_err(|error| WorldError::io(format!("write {}", file.display()), error))
}

/// Gives a folder and what is in it; links stay as they are.
fn give_all(account: &UnixAccount, folder: &Path) -> Result<()> {
    let failed = |error| WorldError::io("give the spool away", error);
    account.give(folder)?;
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            give_all(account, &entry.path())?;
        } else if kind.is_file() {
            account.give(&entry.path())?;
        }
    }
    Ok(())
}

fn of_both(spool: &Path) -> String {
    format!(
        "CountryCode: 49\nAreaCode: 30\nLongDistancePrefix: 0\nInternationalPrefix: 00\n\
         DialStringRules: etc/dialrules\nUUCPLockDir: {}/tmp\n",
        spool.display()
    )
}

fn common_settings(spool: &Path) -> String {
    let mut settings = of_both(spool);
    let _ = write!(
        settings,
        "LogFacility: daemon\nServerTracing: 0x1FFF\nMaxConcurrentCalls: 4\nSendFaxCmd: {PROGRAMS}/faxsend\n"
    );
    settings
}

fn line_settings(line: &FaxLine<'_>, spool: &Path) -> String {
    let FaxLine { number, station } = line;
    let mut settings = of_both(spool);
    let _ = write!(
        settings,
        "FAXNumber: +49{number}\nLocalIdentifier: \"{station}\"\n\
         TagLineFormat: \"Von %%l|%c|Seite %%P von %%T\"\nTagLineFont: etc/lutRS18.pcf\n\
         ServerTracing: 0x00FFF\nSessionTracing: 0x00FFF\nRecvFileMode: 0644\nLogFileMode: 0644\n\
         DeviceMode: 0666\nRingsBeforeAnswer: 1\nSpeakerVolume: off\nMaxRecvPages: 50\n\
         ModemType: Class1\nModemRate: 115200\nModemFlowControl: none\nModemResetDelay: 0\n\
         ModemSoftResetCmdDelay: 0\nModemDTRDropDelay: 0\nPollModemWait: 2\nPollLockWait: 2\n\
         Class1AdaptRecvCmd: AT+FAR=1\nClass1TMConnectDelay: 400\nModemResetCmds: AT+VCID=1\n\
         PagerTTYParity: none\nCallIDPattern: \"NMBR=\"\nCallIDPattern: \"NAME=\"\n\
         CallIDPattern: \"NDID=\"\n"
    );
    settings
}
