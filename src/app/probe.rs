//! `umstieg check`: reaches every server the settings name, and changes nothing.

use std::{error::Error, sync::Arc, time::Duration};

use tokio::net::TcpListener;

use super::{check::Finding, start};
use crate::{
    config::{ChannelSettings, Settings, Tokens},
    http::{self, Doors},
    matrix::Homeserver,
    relay::{Clock, Line, Rng},
    store::Store,
    transport::{MailServerError, MailServerErrorKind, Mailbox, probe_login},
};

/// How long one server may take to show that it works.
const PROBE: Duration = Duration::from_secs(30);

/// Tries everything; one row each.
pub async fn probe(settings: &Settings, tokens: &Tokens) -> Vec<Finding> {
    let mut findings = Vec::new();
    let store = database(settings, &mut findings).await;
    homeserver(settings, tokens, store, &mut findings).await;
    for channel in &settings.channels {
        mail_servers(channel, &mut findings).await;
    }
    findings
}

async fn database(settings: &Settings, findings: &mut Vec<Finding>) -> Option<Store> {
    let url = start::database_url(&settings.database);
    let store = match Store::connect(&url, 1).await {
        Ok(store) => store,
        Err(error) => {
            findings.push(Finding::fail(
                "database",
                told(&error),
                "start Postgres, and check database.url: host, port, user, password, database",
            ));
            return None;
        }
    };
    findings.push(Finding::ok("database", "reached"));
    findings.push(match store.is_migrated().await {
        Ok(true) => Finding::ok("migrations", "up to date"),
        Ok(false) => Finding::fail("migrations", "not up to date", "run: umstieg migrate"),
        Err(error) => Finding::fail(
            "migrations",
            told(&error),
            "give the database user the right to read the gateway's tables",
        ),
    });
    Some(store)
}

async fn homeserver(
    settings: &Settings,
    tokens: &Tokens,
    store: Option<Store>,
    findings: &mut Vec<Finding>,
) {
    let homeserver = match start::homeserver(settings, tokens) {
        Ok(homeserver) => homeserver,
        Err(error) => {
            findings.push(Finding::fail("homeserver", told(&error), "check [homeserver]"));
            return;
        }
    };
    match homeserver.versions().await {
        Ok(versions) => {
            let newest = versions.last().map_or("no version", String::as_str);
            findings.push(Finding::ok("homeserver", format!("reached, speaks up to {newest}")));
        }
        Err(error) => {
            findings.push(Finding::fail(
                "homeserver",
                told(&error),
                "start the homeserver, and check homeserver.url",
            ));
            return;
        }
    }
    match homeserver.whoami().await {
        Ok(_) => {
            findings.push(Finding::ok("as_token", "the homeserver knows the registration"));
        }
        Err(error) => {
            findings.push(Finding::fail(
                "as_token",
                told(&error),
                "name the registration file under app_service_config_files in homeserver.yaml, \
                 the same file that appservice.registration names here, and restart the homeserver",
            ));
            return;
        }
    }
    findings.push(knock(settings, tokens, store, &homeserver).await);
}

/// Has the homeserver knock at our door. When no gateway is running, this opens the door itself.
async fn knock(
    settings: &Settings,
    tokens: &Tokens,
    store: Option<Store>,
    homeserver: &Homeserver,
) -> Finding {
    let listen = settings.appservice.listen;
    let door = match (TcpListener::bind(listen).await, store) {
        (Ok(listener), Some(store)) => {
            let clock = Clock::of_the_machine();
            let router = http::router(Doors {
                hs_token: tokens.hs_token.clone(),
                store,
                clock: Arc::new(move || clock.now()),
            });
            Some((listener, router))
        }
        // A gateway runs and answers, or there is no database behind the door.
        (Ok(_), None) | (Err(_), _) => None,
    };
    let transaction = Rng::from_os().uuid().to_string();
    let ping = homeserver.ping(&settings.appservice.id, &transaction);
    let answer = match door {
        Some((listener, router)) => {
            tokio::select! {
                answer = ping => answer,
                served = axum::serve(listener, router) => {
                    let detail = served.err().map_or_else(|| "closed".to_owned(), |e| told(&e));
                    return Finding::fail("ping", detail, "check appservice.listen");
                }
            }
        }
        None => ping.await,
    };
    match answer {
        Ok(time) => Finding::ok("ping", format!("both ways in {} ms", time.as_millis())),
        Err(error) => Finding::fail(
            "ping",
            told(&error),
            format!(
                "the homeserver must reach {} (url in the registration) and send this hs_token; \
                 open the way, or correct appservice.url, write the registration anew and restart \
                 the homeserver",
                settings.appservice.url
            ),
        ),
    }
}

async fn mail_servers(channel: &ChannelSettings, findings: &mut Vec<Finding>) {
    let name = &channel.channel.name;
    let Line { inbox, outbox, .. } = match start::line(channel) {
        Ok(line) => line,
        Err(error) => {
            findings.push(Finding::fail(
                format!("channel {name}"),
                told(&error),
                "check ca_file, pin_sha256 and the client certificate of this channel",
            ));
            return;
        }
    };
    let what = format!("inbox {name}");
    let looked = tokio::time::timeout(PROBE, async {
        let mut mailbox = Mailbox::open(inbox.protocol, &inbox.server).await?;
        let count = mailbox.keys().await?.keys.len();
        mailbox.close().await?;
        Ok::<_, MailServerError>(count)
    })
    .await;
    findings.push(match looked {
        Ok(Ok(count)) => Finding::ok(what, format!("login works, {count} mails")),
        Ok(Err(error)) => Finding::fail(what, told(&error), advice(&error)),
        Err(_) => Finding::fail(what, "no answer in 30 s", UNREACHABLE),
    });
    let what = format!("outbox {name}");
    findings.push(match tokio::time::timeout(PROBE, probe_login(&outbox)).await {
        Ok(Ok(facts)) => {
            let reports = if facts.reports { "reports delivery" } else { "reports no delivery" };
            Finding::ok(what, format!("login works, {reports}"))
        }
        Ok(Err(error)) => Finding::fail(what, told(&error), advice(&error)),
        Err(_) => Finding::fail(what, "no answer in 30 s", UNREACHABLE),
    });
}

const UNREACHABLE: &str = "check host, port and tls, and that the server runs";

fn advice(error: &MailServerError) -> &'static str {
    match error.kind() {
        MailServerErrorKind::Unreachable => UNREACHABLE,
        MailServerErrorKind::Tls => {
            "check tls, and trust the server's certificate with ca_file or pin_sha256"
        }
        MailServerErrorKind::Credentials => {
            "check user and password; for KIM also the card in the terminal and the call context \
             behind # in the user name"
        }
        MailServerErrorKind::Busy => "somebody else reads this mailbox now; try again in a minute",
        _ => "look into the log of the mail server",
    }
}

/// An error with its causes, on one line.
fn told(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
