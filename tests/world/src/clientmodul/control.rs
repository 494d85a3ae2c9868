//! The door for whoever runs the Clientmodul by itself: orders in JSON, one a line, over TCP.
//!
//! ```text
//! $ nc 127.0.0.1 PORT
//! {"account": {"address": "praxis@a.kim.telematik", "password": "geheim"}}
//! {"deliver": {"to": "praxis@a.kim.telematik", "kind": "chat", "from": "b@c.kim.telematik",
//!              "subject": "Befund", "text": "Guten Tag"}}              (in one line)
//! {"card": {"address": "praxis@a.kim.telematik", "state": "locked"}}
//! {"switches": {"dsn_offered": false, "recipients_checked": "at_rcpt"}}
//! {"mishap": {"at": "retr", "mishap": "stall", "times": 1}}
//! {"mishap": {"at": "end_of_data", "mishap": {"say": "451 4.3.0 Not now"}}}
//! "release"
//! "journal"
//! ```
//!
//! The answer is one line as well: `{"done": …}` or `{"refused": "why"}`. [`ControlOrder`] lists all
//! orders, [`Switches`] and [`MishapRule`] what can be set and go wrong.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use super::{
    account::{CardState, KimAccount, KonnektorState, RecipientState},
    handed_out::AsRead,
    ready_made,
    reports::{self, DsnFacts, DsnForm, NotSentTo},
    state::{CmCore, KimDelivery},
    switches::{MAIL_BYTES_MAX, MishapRule, Switches},
    user_name::KimProtocol,
};
use crate::error::{Result, WorldError};

/// A line carries at most one mail.
const LINE_MAX: u64 = MAIL_BYTES_MAX as u64;

/// What can be ordered.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ControlOrder {
    /// Adds an account; only address and password have to be there. The answer has its user names.
    Account(Box<KimAccount>),
    Recipient {
        address: String,
        state: RecipientState,
    },
    Card {
        address: String,
        state: CardState,
    },
    Konnektor {
        address: String,
        state: KonnektorState,
    },
    Absence {
        address: String,
        text: Option<String>,
    },
    UnlockLogin {
        address: String,
    },
    /// Some fields of [`Switches`]; the others stay. The answer has all.
    Switches(Value),
    Mishap(MishapRule),
    Behave,
    Release,
    /// The answer has the UIDL.
    Deliver(Box<DeliverOrder>),
    ReadAs {
        address: String,
        uidl: String,
        as_read: Box<AsRead>,
    },
    /// A mail's time is over, or another program has deleted it.
    Vanish {
        address: String,
        uidl: String,
    },
    Uidls {
        address: String,
    },
    RotateCertificate,
    /// Certificate and key for a client, in PEM.
    ClientCertificate,
    Journal,
}

/// A mail to deliver.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliverOrder {
    to: String,
    #[serde(default = "someone")]
    from: String,
    kind: DeliverKind,
    #[serde(default)]
    subject: String,
    /// The text, or the whole mail for `sealed` and `plain`.
    #[serde(default)]
    text: String,
    /// For machines' mails: the mail they are about.
    #[serde(default)]
    message_id: String,
    #[serde(default)]
    as_read: Option<AsRead>,
    #[serde(default)]
    kas_size: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DeliverKind {
    Chat,
    Arztbrief,
    SickNote,
    Billing,
    InsuranceProof,
    Receipt,
    Absence,
    Dsn,
    /// The Clientmodul's error mail that `from` could not get a mail (4003).
    NotSent,
    /// `text` is the mail inside.
    Sealed,
    /// `text` is the mail, without encryption.
    Plain,
}

fn someone() -> String {
    "aerztin@andere-praxis.kim.telematik".to_owned()
}

pub(super) async fn serve(tcp: TcpStream, core: Arc<CmCore>) {
    let mut tcp = BufReader::new(tcp);
    loop {
        let mut line = Vec::new();
        let read = (&mut tcp).take(LINE_MAX).read_until(b'\n', &mut line).await;
        if read.is_err() || !line.ends_with(b"\n") {
            return;
        }
        let done = match serde_json::from_slice(&line) {
            Ok(order) => obey(&core, order).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let answer = match done {
            Ok(done) => json!({ "done": done }),
            Err(refused) => json!({ "refused": refused }),
        };
        if tcp.write_all(format!("{answer}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

fn obey(core: &CmCore, order: ControlOrder) -> Result<Value> {
    match order {
        ControlOrder::Account(account) => {
            let address = account.address.clone();
            core.add_account(*account);
            let name = |protocol| core.user_name(protocol, &address);
            Ok(json!({ "smtp": name(KimProtocol::Smtp)?, "pop3": name(KimProtocol::Pop3)? }))
        }
        ControlOrder::Recipient { address, state } => {
            core.set_recipient(&address, state);
            Ok(Value::Null)
        }
        ControlOrder::Card { address, state } => core.set_card(&address, state).map(Value::from),
        ControlOrder::Konnektor { address, state } => {
            core.set_konnektor(&address, state).map(Value::from)
        }
        ControlOrder::Absence { address, text } => {
            core.set_absence(&address, text.as_deref()).map(Value::from)
        }
        ControlOrder::UnlockLogin { address } => core.unlock_login(&address).map(Value::from),
        ControlOrder::Switches(some) => switch(core, &some),
        ControlOrder::Mishap(rule) => {
            core.goes_wrong(rule);
            Ok(Value::Null)
        }
        ControlOrder::Behave => {
            core.behaves();
            Ok(Value::Null)
        }
        ControlOrder::Release => {
            core.release();
            Ok(Value::Null)
        }
        ControlOrder::Deliver(order) => {
            core.deliver(&order.to, delivery(core, &order)).map(Value::from)
        }
        ControlOrder::ReadAs { address, uidl, as_read } => {
            core.read_as(&address, &uidl, *as_read).map(Value::from)
        }
        ControlOrder::Vanish { address, uidl } => core.vanishes(&address, &uidl).map(Value::from),
        ControlOrder::Uidls { address } => core.uidls(&address).map(Value::from),
        ControlOrder::RotateCertificate => {
            core.rotate_certificate()?;
            Ok(json!({ "pin": core.pin() }))
        }
        ControlOrder::ClientCertificate => {
            let issued = core.client_certificate()?;
            Ok(json!({ "certificate": issued.certificate, "key": issued.key }))
        }
        ControlOrder::Journal => json_of(&core.journal()),
    }
}

/// Sets the given switches, all or none.
fn switch(core: &CmCore, some: &Value) -> Result<Value> {
    let mut all = json_of(&core.switches())?;
    merge(&mut all, some);
    let switches: Switches = serde_json::from_value(all.clone())
        .map_err(|error| WorldError::refused("switch the Clientmodul", error))?;
    core.switch(|it| *it = switches);
    Ok(all)
}

fn merge(all: &mut Value, some: &Value) {
    match (all, some) {
        (Value::Object(all), Value::Object(some)) => {
            for (name, value) in some {
                merge(all.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (all, some) => some.clone_into(all),
    }
}

fn delivery(core: &CmCore, order: &DeliverOrder) -> KimDelivery {
    let DeliverOrder { to, from, subject, text, message_id, .. } = order;
    let time = core.switches().time();
    let number = core.state().number();
    let facts = DsnFacts { to, recipient: from, message_id, time, number, ..DsnFacts::default() };
    let id = format!("{number}.{time}@kim.local");
    let mut delivery = match order.kind {
        DeliverKind::Chat => KimDelivery::sealed(&ready_made::chat(from, to, subject, &id, text)),
        DeliverKind::Arztbrief => KimDelivery::sealed(&ready_made::arztbrief(from, to, &id)),
        DeliverKind::SickNote => KimDelivery::sealed(&ready_made::sick_note(from, to, &id)),
        DeliverKind::Billing => KimDelivery::sealed(&ready_made::billing(from, to, &id)),
        DeliverKind::InsuranceProof => {
            KimDelivery::sealed(&ready_made::insurance_proof(from, to, &id))
        }
        DeliverKind::Receipt => {
            KimDelivery::sealed(&reports::receipt(from, &facts, "eNachricht", "displayed"))
        }
        DeliverKind::Absence => KimDelivery::plain(&reports::absence(from, &facts, text, false)),
        DeliverKind::Dsn => KimDelivery::plain(&reports::dsn(&facts, DsnForm::Clean)),
        DeliverKind::NotSent => {
            let refused = [NotSentTo { recipient: from, code: "4003" }];
            KimDelivery::plain(&reports::not_sent(&facts, &refused, true))
        }
        DeliverKind::Sealed => KimDelivery::sealed(text.as_bytes()),
        DeliverKind::Plain => KimDelivery::plain(text.as_bytes()),
    };
    if let Some(as_read) = order.as_read.clone() {
        delivery = delivery.read_as(as_read);
    }
    if let Some(size) = order.kas_size {
        delivery = delivery.kas_size(size);
    }
    delivery
}

fn json_of(value: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| WorldError::refused("write JSON", error))
}
