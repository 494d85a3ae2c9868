//! Dovecot: the mailboxes by POP3 and IMAP, deliveries by LMTP, the check of passwords.

use std::path::Path;

use rustix::process::Signal;

use super::{MailPorts, write};
use crate::{
    error::Result,
    process::Launch,
    setup::{UnixAccount, program},
};

/// Writes the table of mailboxes. SQLite, because a KIM user name has a `:` in it and Dovecot's
/// password files separate their fields by it.
pub(super) const EDIT_ACCOUNTS: &str = "
import sqlite3, sys
file, kind, *values = sys.argv[1:]
with sqlite3.connect(file, timeout=30) as db:
    db.execute('CREATE TABLE IF NOT EXISTS mailbox (address TEXT PRIMARY KEY, password TEXT, home TEXT)')
    db.execute('CREATE TABLE IF NOT EXISTS catch_all (domain TEXT PRIMARY KEY, address TEXT)')
    values[0] = values[0].lower()
    marks = ', '.join('?' * len(values))
    db.execute(f'INSERT OR REPLACE INTO {kind} VALUES ({marks})', values)
";

pub(super) fn launch(folder: &Path, ports: MailPorts, account: &UnixAccount) -> Result<Launch> {
    let run = account.folder(folder.join("dovecot"))?;
    write(account, &folder.join("dovecot-sql.conf"), &sql(folder, account))?;
    let settings = folder.join("dovecot.conf");
    write(account, &settings, &settings_text(folder, &run, ports, account))?;
    let log = folder.join("dovecot.log");
    write(account, &log, "")?;
    Ok(Launch {
        name: "dovecot",
        program: program("dovecot")?,
        args: vec!["-F".to_owned(), "-c".to_owned(), settings.display().to_string()],
        env: vec![],
        account: Some(account.clone()),
        folder: run,
        log,
        quick_end: Signal::TERM,
        piped: false,
    })
}

/// Which users may log in, and where a mailbox is.
///
/// A KIM user name is the address, then `#` and four more fields: host and port of the KIM service,
/// Mandant, client system, workplace. Case is kept on the way (they are case-sensitive) and only
/// the address is compared without it.
fn sql(folder: &Path, account: &UnixAccount) -> String {
    let UnixAccount { uid, gid, .. } = account;
    format!(
        r#"driver = sqlite
connect = {folder}/accounts.db
default_pass_scheme = PLAIN
password_query = SELECT address AS user, password FROM mailbox \
  WHERE address = lower('%u') \
     OR ('%u' LIKE '%%@%%#_%%:_%%#_%%#_%%#_%%' AND address = lower(substr('%u', 1, instr('%u', '#') - 1)))
user_query = SELECT address AS user, home, {uid} AS uid, {gid} AS gid FROM mailbox \
  WHERE address = coalesce((SELECT address FROM mailbox WHERE address = lower('%u')), \
                           (SELECT address FROM catch_all WHERE domain = lower('%d')))
iterate_query = SELECT address AS user FROM mailbox
"#,
        folder = folder.display(),
    )
}

fn settings_text(folder: &Path, run: &Path, ports: MailPorts, account: &UnixAccount) -> String {
    let MailPorts { pop3_stls, imaps, imap_starttls, lmtp, .. } = ports;
    let UnixAccount { name, group, .. } = account;
    format!(
        r#"base_dir = {run}
state_dir = {run}
log_path = {folder}/dovecot.log
protocols = imap pop3 lmtp
listen = 127.0.0.1

# All of it runs under one plain account, so nothing can be locked into a chroot.
default_internal_user = {name}
default_internal_group = {group}
default_login_user = {name}
first_valid_uid = 1
last_valid_uid = 0
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}

ssl = yes
ssl_cert = <{folder}/server.crt
ssl_key = <{folder}/server.key
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = yes

# KIM user names: any character, any case.
auth_mechanisms = plain login
auth_username_chars =
auth_username_format = %u
auth_failure_delay = 0
passdb {{
  driver = sql
  args = {folder}/dovecot-sql.conf
}}
userdb {{
  driver = sql
  args = {folder}/dovecot-sql.conf
}}

mail_location = maildir:~/Maildir
mail_max_userip_connections = 1000
recipient_delimiter =
pop3_uidl_format = %08Xu%08Xv
# One session at a time per mailbox, as RFC 1939 section 4 asks and client modules do.
pop3_lock_session = yes
# The address as it was written to: with a catch-all it is all there is to tell faxes apart.
lmtp_hdr_delivery_address = final

service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap_starttls}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3_stls}
  }}
  # `outer_heads` stands there.
  inet_listener pop3s {{
    port = 0
  }}
}}
service lmtp {{
  user = {name}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service auth-worker {{
  user = {name}
}}
protocol lmtp {{
  postmaster_address = postmaster@example.kim.telematik
}}
"#,
        run = run.display(),
        folder = folder.display(),
    )
}
