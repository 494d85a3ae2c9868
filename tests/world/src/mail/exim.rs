//! Exim: mail submission with login, delivery to Dovecot, bounces and delivery reports.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use rustix::process::Signal;

use super::{AddressTrouble, MailPorts, write};
use crate::{
    error::{Result, WorldError},
    process::Launch,
    setup::{UnixAccount, installed},
    tls::MAIL_HOST,
};

/// Above the 100 MiB file of the tests, encoded.
const MESSAGE_MIB_MAX: u32 = 160;
const TROUBLES: &str = "exim-troubles";
const DOORS: &str = "exim-doors";

pub(super) fn launch(folder: &Path, ports: MailPorts, account: &UnixAccount) -> Result<Launch> {
    let run = account.folder(folder.join("exim"))?;
    account.folder(run.join("spool"))?;
    // Copies, because the plain account need not be able to look into the checkout.
    let [exim, wrapper] = ["exim4", "libnss_wrapper.so"].map(|name| copied(name, &run));
    let (exim, wrapper) = (exim?, wrapper?);
    let settings = folder.join("exim.conf");
    write(account, &settings, &settings_text(folder, &run, &exim, ports))?;
    write(account, &folder.join(TROUBLES), "")?;
    write(account, &folder.join(DOORS), "")?;
    let log = run.join("output.log");
    write(account, &log, "")?;

    // Debian's Exim looks for its compiled-in account and accepts settings from no other account.
    // This wrapper answers that the account is ours, so Exim runs wholly without root.
    for (name, line) in [
        ("passwd", format!("Debian-exim:x:{}:{}::/:/bin/false", account.uid, account.gid)),
        ("group", format!("Debian-exim:x:{}:", account.gid)),
    ] {
        let all = std::fs::read_to_string(Path::new("/etc").join(name))
            .map_err(|error| WorldError::io(format!("read /etc/{name}"), error))?;
        let others = all.lines().filter(|line| !line.starts_with("Debian-exim:"));
        let text: String = others.chain([line.as_str()]).flat_map(|line| [line, "\n"]).collect();
        write(account, &run.join(name), &text)?;
    }
    Ok(Launch {
        name: "exim",
        program: exim,
        // In the foreground; what could not be delivered is tried again every 2 s.
        args: ["-bdf", "-q2s", "-C", &settings.display().to_string()].map(str::to_owned).to_vec(),
        env: vec![
            ("LD_PRELOAD", wrapper.display().to_string()),
            ("NSS_WRAPPER_PASSWD", run.join("passwd").display().to_string()),
            ("NSS_WRAPPER_GROUP", run.join("group").display().to_string()),
        ],
        account: Some(account.clone()),
        folder: run,
        log,
        quick_end: Signal::TERM,
        piped: false,
    })
}

/// How many files of mails lie in the queue.
pub(super) fn queue(folder: &Path) -> std::io::Result<usize> {
    match std::fs::read_dir(folder.join("exim/spool/input")) {
        Ok(entries) => Ok(entries.count()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// The `id` of the `Received` field that Exim wrote.
pub(super) fn name_of(mail: &str) -> Option<String> {
    let field = mail.split("(Exim ").nth(1)?;
    let id = field.split_whitespace().skip_while(|word| *word != "id").nth(1)?;
    Some(id.to_owned())
}

fn copied(name: &str, run: &Path) -> Result<PathBuf> {
    let copy = run.join(name);
    std::fs::copy(installed("exim")?.join(name), &copy)
        .map_err(|error| WorldError::io(format!("copy {name}"), error))?;
    Ok(copy)
}

/// Rewrites the table as a whole and moves it into place: Exim never reads half of it.
pub(super) fn set_trouble(
    folder: &Path,
    address: &str,
    trouble: Option<AddressTrouble>,
) -> Result<()> {
    let failed = |error| WorldError::io("write the table of troubles", error);
    let lock = std::fs::File::create(folder.join(format!("{TROUBLES}.lock"))).map_err(failed)?;
    lock.lock().map_err(failed)?;
    let file = folder.join(TROUBLES);
    let before = std::fs::read_to_string(&file).map_err(failed)?;
    let address = address.to_lowercase();
    let own = format!("\"{address}\":");
    let mut lines: Vec<String> =
        before.lines().filter(|line| !line.starts_with(&own)).map(str::to_owned).collect();
    lines.extend(trouble.map(|trouble| format!("{own} {}", name(trouble))));
    lines.push(String::new());
    let new = folder.join(format!("{TROUBLES}.new"));
    std::fs::write(&new, lines.join("\n")).map_err(failed)?;
    std::fs::rename(&new, &file).map_err(failed)
}

/// From now on Exim delivers a domain by LMTP to this port on loopback.
pub(super) fn add_door(folder: &Path, domain: &str, port: u16) -> Result<()> {
    let failed = |error| WorldError::io("write the table of doors", error);
    let mut file =
        std::fs::OpenOptions::new().append(true).open(folder.join(DOORS)).map_err(failed)?;
    // In one piece: Exim never reads half a line.
    file.write_all(format!("{domain}: {port}\n").as_bytes()).map_err(failed)
}

fn name(trouble: AddressTrouble) -> &'static str {
    match trouble {
        AddressTrouble::TryLater => "try-later",
        AddressTrouble::Refuse => "refuse",
        AddressTrouble::TryLaterAfterData => "try-later-after-data",
        AddressTrouble::RefuseAfterData => "refuse-after-data",
    }
}

fn settings_text(folder: &Path, run: &Path, exim: &Path, ports: MailPorts) -> String {
    let MailPorts { smtps, smtp_starttls, lmtp, .. } = ports;
    let lookup = format!("lsearch{{{}/{TROUBLES}}}", folder.display());
    let doors = folder.join(DOORS);
    format!(
        r#"spool_directory = {run}/spool
exim_path = {exim}
log_file_path = {run}/%slog
pid_file_path = {run}/exim.pid
keep_environment = ^LD_ : ^NSS_WRAPPER_
primary_hostname = {MAIL_HOST}
local_interfaces = 127.0.0.1
daemon_smtp_ports = {smtps} : {smtp_starttls}
tls_on_connect_ports = {smtps}
tls_advertise_hosts = *
tls_certificate = {folder}/server.crt
tls_privatekey = {folder}/server.key
# A password only through TLS.
auth_advertise_hosts = ${{if def:tls_in_cipher {{*}}{{}}}}
dsn_advertise_hosts = *
message_size_limit = {MESSAGE_MIB_MAX}M
deliver_drop_privilege = true
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = acl_data
host_lookup =
# It looks up who says by its own address who it is, and where no name server answers that takes seconds.
helo_lookup_domains =
rfc1413_hosts =
smtp_accept_max = 200
smtp_accept_max_per_connection = 0
smtp_accept_queue_per_connection = 0
smtp_connect_backlog = 200
# Nobody outside is reached: these domains exist nowhere else.
domainlist local_domains = *.kim.telematik : *.example : *.test

begin acl
acl_rcpt:
  deny !authenticated = *
       message = 5.7.0 authentication required
  # A client module takes mail of the logged-in address only; a report has an empty sender.
  deny condition = ${{if and {{{{!eq {{$sender_address}}{{}}}}{{!eqi {{$sender_address}}{{$authenticated_id}}}}}}}}
       message = 5.7.1 sender address is not owned by the user
  defer condition = ${{if eq {{${{lookup {{$local_part@$domain}}{lookup}}}}}{{try-later}}}}
       message = 4.3.0 try again later
  deny condition = ${{if eq {{${{lookup {{$local_part@$domain}}{lookup}}}}}{{refuse}}}}
       message = 5.1.1 no such recipient
  accept domains = +local_domains
  deny message = 5.1.2 no route to this domain

acl_data:
  defer condition = ${{if forany {{<, $recipients}}{{eq {{${{lookup {{$item}}{lookup}}}}}{{try-later-after-data}}}}}}
       message = 4.3.0 try again later
  deny condition = ${{if forany {{<, $recipients}}{{eq {{${{lookup {{$item}}{lookup}}}}}{{refuse-after-data}}}}}}
       message = 5.6.0 content refused
  accept

begin routers
doors:
  driver = manualroute
  domains = lsearch;{doors}
  transport = door
  route_list = * 127.0.0.1
  self = send
mailboxes:
  driver = manualroute
  domains = +local_domains
  transport = dovecot
  route_list = * 127.0.0.1
  self = send

begin transports
door:
  driver = smtp
  protocol = lmtp
  port = ${{lookup{{$domain}}lsearch{{{doors}}}}}
  hosts_try_fastopen =
dovecot:
  driver = smtp
  protocol = lmtp
  port = {lmtp}
  hosts_try_fastopen =
  # What a Clientmodul says of its work on each mail of KIM. Reports, error mails and absence notes it hands
  # on as they come.
  headers_add = ${{if and {{{{match_domain{{$domain}}{{*.kim.telematik}}}}\
    {{!def:h_X-KIM-Fehlermeldung:}}\
    {{!match{{$h_Content-Type:}}{{(?i)multipart/report}}}}\
    {{!match{{$h_X-KIM-Dienstkennung:}}{{(?i);Abwesend}}}}}}\
    {{${{if def:h_X-KOM-LE-Version:{{}}{{X-KOM-LE-Version: 1.5\n}}}}\
      ${{if def:h_X-KIM-DecryptionResult:{{}}{{X-KIM-DecryptionResult: 00\n}}}}\
      ${{if def:h_X-KIM-IntegrityCheckResult:{{}}{{X-KIM-IntegrityCheckResult: 01\n}}}}}}}}

begin retry
* * F,1h,1s

begin authenticators
plain:
  driver = dovecot
  public_name = PLAIN
  server_socket = {folder}/dovecot/auth-client
  server_set_id = $auth1
login:
  driver = dovecot
  public_name = LOGIN
  server_socket = {folder}/dovecot/auth-client
  server_set_id = $auth1
"#,
        run = run.display(),
        doors = doors.display(),
        folder = folder.display(),
        exim = exim.display(),
    )
}
