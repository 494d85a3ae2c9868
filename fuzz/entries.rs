//! One function for each door: it takes whatever came, and panics when something is not as it must be.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::timeout,
};
use umstieg::{
    channel::{Country, FaxForm, FaxMail, proposed_profile},
    document::{self, DocumentError},
    mail, matrix,
    model::{DocumentForm, FateEnd, Letter},
    rules::posts,
    transport::{Login, MailServer, Mailbox, MailboxProtocol, Timeouts, TlsMode},
};

/// A mail becomes posts.
pub(crate) fn mail(data: &[u8]) {
    let letter = mail::parse(data);
    let said = posts::render("name", &letter, &[], &[]);
    assert!(!said.is_empty(), "a letter that nobody sees");
    let mut names = std::collections::BTreeSet::new();
    for post in &said {
        assert!(names.insert(&post.txn_id), "two posts of one name");
        assert!(post.content.to_string().len() <= 2 * posts::CONTENT_BYTES_MAX, "an endless post");
        let body = post.content["body"].as_str().expect("every post has a body");
        assert!(
            !body.contains(|c: char| c.is_control() && !"\n\t".contains(c)),
            "a control: {body:?}"
        );
        if let Some(html) = post.content["formatted_body"].as_str() {
            is_allowed(html);
        }
    }
}

/// A mail is a report, or is none; the same bytes as the part of a report that only machines write.
pub(crate) fn report(data: &[u8]) {
    is_bounded_report(data);
    for kind in ["delivery-status", "disposition-notification"] {
        let head = format!(
            "From: mailer-daemon@b.kim.telematik\nIn-Reply-To: <1@kim.local>\n\
             X-KIM-Fehlermeldung: 4001\nContent-Type: message/{kind}\n\n"
        );
        is_bounded_report(&[head.as_bytes(), data].concat());
    }
}

fn is_bounded_report(data: &[u8]) {
    let letter = mail::parse(data);
    let Some(report) = letter.report else { return };
    assert!(letter.automatic, "a report that is answered");
    assert!(report.about.len() <= 10, "a report about {} mails", report.about.len());
    assert!(report.fates.len() <= mail::FATES_MAX, "a report of {} fates", report.fates.len());
    for fate in &report.fates {
        let is_bad = matches!(fate.end, FateEnd::Failed | FateEnd::Delayed);
        assert_eq!(fate.why.is_some(), is_bad, "a reason for what ended well, or none");
    }
}

/// A mail of a fax gateway, read with every profile; the same bytes as a profile.
pub(crate) fn fax(data: &[u8]) {
    let letter = mail::parse(data);
    let country = Country::new("DE").expect("a country");
    for form in FaxForm::shipped() {
        is_bounded_fax(form, &letter, country);
    }
    if let Ok(own) = FaxForm::read("own", &String::from_utf8_lossy(data)) {
        is_bounded_fax(&own, &letter, country);
    }
    let proposed = proposed_profile(&[letter], country);
    FaxForm::read("own", &proposed).expect("a proposal is a profile");
}

fn is_bounded_fax(form: &FaxForm, letter: &Letter, country: Country) {
    let is_reason = |reason: &Option<String>| {
        reason.as_ref().is_none_or(|reason| {
            reason.chars().count() <= 120 && !reason.contains(char::is_control)
        })
    };
    match form.read_mail(letter, country) {
        FaxMail::Fax(fax) => {
            assert!(is_reason(&fax.incomplete), "a reason without an end");
            assert!(fax.pages.is_none_or(|pages| pages <= 9_999), "endless pages");
        }
        FaxMail::Missed(call) => assert!(is_reason(&call.reason), "a reason without an end"),
        FaxMail::Report(said) => {
            assert!(is_reason(&said.reason), "a reason without an end");
            assert!(said.to.is_none() || said.to_digits.is_some(), "a number without digits");
        }
        FaxMail::Other => {}
    }
    let _ = form.number_of(letter, country);
}

/// The HTML of a mail becomes posts.
pub(crate) fn html(data: &[u8]) {
    let head = b"From: a@b.kim.telematik\nContent-Type: text/html; charset=utf-8\n\n";
    mail(&[head, data].concat());
}

/// All tags are on the list that Matrix allows (1.11, m.room.message), and links lead only where
/// links may.
fn is_allowed(html: &str) {
    const TAGS: [&str; 40] = [
        "a",
        "b",
        "blockquote",
        "br",
        "caption",
        "code",
        "del",
        "details",
        "div",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "li",
        "ol",
        "p",
        "pre",
        "rp",
        "rt",
        "ruby",
        "s",
        "span",
        "strong",
        "sub",
        "summary",
        "sup",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "u",
        "ul",
    ];
    for piece in html.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap_or_else(|| panic!("an open tag: <{piece}"));
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        assert!(TAGS.contains(&name), "a tag that is not allowed: <{tag}>");
        for (attribute, value) in attributes(tag) {
            let is_allowed = match attribute {
                // The beginning decides: `script:` within a path starts nothing.
                "href" => SCHEMES.iter().any(|scheme| value.starts_with(scheme)),
                "start" => value.parse::<i64>().is_ok(),
                _ => false,
            };
            assert!(is_allowed, "an attribute that is not allowed: <{tag}>");
        }
    }
}

/// What links may begin with.
const SCHEMES: [&str; 4] = ["https:", "http:", "mailto:", "tel:"];

/// The attributes of a tag, as ours are written: a name, and a value in double quotes.
fn attributes(tag: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = tag.split_once(' ').map_or("", |(_, rest)| rest).trim_end_matches('/').trim();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (name, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("<{tag}>"));
        let (value, after) = after.split_once('"').unwrap_or_else(|| panic!("<{tag}>"));
        rest = after.trim_start();
        Some((name, value))
    })
}

/// An event of a room is understood, or is not.
pub(crate) fn event(data: &[u8]) {
    if let Ok(event) = serde_json::from_slice(data) {
        let _ = matrix::decode(&event);
    }
}

/// A file becomes a fax, or the error names it. The gateway's child survives a panic, so it does not
/// count here; the fuzzer looks for what ends the process.
pub(crate) fn document(data: &[u8]) {
    let files = [data.to_vec().into()];
    let made = std::panic::catch_unwind(|| document::fax(None, &files, 50, &mut |_| {}));
    match made {
        Ok(Ok(pdf)) => assert!(!pdf.bytes.is_empty()),
        Ok(Err(
            DocumentError::FileType { index }
            | DocumentError::Unreadable { index }
            | DocumentError::Encrypted { index }
            | DocumentError::ImageTooLarge { index }
            | DocumentError::Annotated { index },
        )) => assert_eq!(index, 0),
        Ok(Err(_)) | Err(_) => {}
    }
}

/// A file that came by fax is looked at. Reading a TIFF never panics; a PDF's reader may, which the gateway's
/// child survives.
pub(crate) fn page(data: &[u8]) {
    let looking = || {
        let sight = document::look(data);
        let sight = sight.checked().expect("a look that contradicts itself");
        let picture = document::picture(data, 1, 600);
        if sight.form == DocumentForm::Tiff {
            assert_eq!(sight.pages > 0, picture.is_ok(), "{sight:?}");
            assert_eq!(sight.pages > 0, document::all_pages(data).is_ok(), "{sight:?}");
        }
        assert!(picture.is_err() || sight.pages > 0, "a picture of no page");
    };
    match document::form_of(data) {
        DocumentForm::Pdf => _ = std::panic::catch_unwind(looking),
        _ => looking(),
    }
}

/// A POP3 server that says this.
pub(crate) fn pop3(data: &[u8]) {
    session(MailboxProtocol::Pop3, data);
}

/// An IMAP server that says this.
pub(crate) fn imap(data: &[u8]) {
    session(MailboxProtocol::Imap, data);
}

/// Separates two answers of a server in a corpus file.
const BREAK: &[u8] = b"\n---\n";

/// The most bytes of one mail that are requested.
const MAIL_BYTES_MAX: usize = 64 * 1024;

fn session(protocol: MailboxProtocol, data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = MailServer {
            tls: TlsMode::None,
            timeouts: Timeouts {
                connect: Duration::from_secs(5),
                silence: Duration::from_millis(300),
            },
            ..MailServer::new(
                "127.0.0.1",
                listener.local_addr().unwrap().port(),
                Login { user: "a#b".to_owned(), password: "c".into() },
            )
        };
        let looking = timeout(Duration::from_secs(30), look(protocol, &server));
        tokio::select! {
            looked = looking => assert!(looked.is_ok(), "a session without end"),
            () = say(&listener, data) => unreachable!("the server waits for more clients"),
        }
    });
}

/// Says the answers one after the other, each when the client has said something, or does not.
async fn say(listener: &TcpListener, data: &[u8]) {
    loop {
        let Ok((mut client, _)) = listener.accept().await else { continue };
        let mut heard = [0; 4096];
        let mut rest = data;
        loop {
            let at = rest.windows(BREAK.len()).position(|place| place == BREAK);
            let (answer, after) = match at {
                Some(at) => (&rest[..at], Some(&rest[at + BREAK.len()..])),
                None => (rest, None),
            };
            // Lines of the corpus end as files do.
            let said: Vec<u8> = String::from_utf8_lossy(answer).replace('\n', "\r\n").into_bytes();
            let said = if answer.contains(&0x80) { answer.to_vec() } else { said };
            if client.write_all(&said).await.is_err() || client.write_all(b"\r\n").await.is_err() {
                break;
            }
            let Some(after) = after else { break };
            rest = after;
            let _ = timeout(Duration::from_millis(20), client.read(&mut heard)).await;
        }
    }
}

async fn look(protocol: MailboxProtocol, server: &MailServer) {
    let Ok(mut mailbox) = Mailbox::open(protocol, server).await else { return };
    let Ok(list) = mailbox.keys().await else { return };
    for key in list.keys.iter().take(3) {
        if mailbox.header(key).await.is_err() {
            return;
        }
        let mut mail = Vec::new();
        let fetched = mailbox.fetch_into(key, MAIL_BYTES_MAX, &mut mail).await;
        assert!(mail.len() <= 2 * MAIL_BYTES_MAX, "{} bytes were kept", mail.len());
        if fetched.is_err() {
            return;
        }
    }
    if mailbox.delete(&list.keys).await.is_ok() {
        let _ = mailbox.close().await;
    }
}
