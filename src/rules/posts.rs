//! What a letter looks like in a portal.

use serde_json::{Map, Value, json};

use crate::model::{Attachment, Letter, Media, NewPost, Notice, Speaker, Substance};

/// Our mark on a post: its `txn_id`, so that its echo is recognised even when the homeserver's
/// answer to our request was lost. It is inside the content and means nothing to anybody.
pub const POST_MARK: &str = "de.umstieg.post";

/// The type of the event that words and files are in.
pub const WORDS_TYPE: &str = "m.room.message";

/// Largest content of a post we make, in bytes of JSON. A Matrix event is at most 65,536 bytes
/// with all its envelope (and base64 of the ciphertext once it is encrypted).
pub const CONTENT_BYTES_MAX: usize = 40_000;

/// The posts of a letter, in order. `name` is the letter's own for all time: their `txn_id`s are
/// made from it.
///
/// `head`: lines between its subject and its words.
///
/// The ghost posts its words and its files, then the bot posts what the gateway has to say about it
/// (`hints`).
///
/// Subject and file names are only inside contents, which are encrypted in an encrypted room
/// (TIM-29).
pub fn render(name: &str, letter: &Letter, head: &[String], hints: &[Notice]) -> Vec<NewPost> {
    render_all(name, letter, None, &Said { head, hints, left_out: &[] })
}

/// What is said with a letter.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// Lines between its subject and its words.
    pub head: &'a [String],
    pub hints: &'a [Notice],
    /// The places of files that the room does not need, such as a Clientmodul's report.
    pub left_out: &'a [i32],
}

/// The same. With a `warning`, which the bot says, it comes first: what follows may be held back.
pub fn render_all(
    name: &str,
    letter: &Letter,
    warning: Option<&Notice>,
    said: &Said<'_>,
) -> Vec<NewPost> {
    let Said { head, hints, left_out } = *said;
    let mut contents: Vec<(Speaker, Notice, Option<i32>)> = Vec::new();
    if let Some(warning) = warning {
        contents.push((Speaker::Bot, warning.clone(), None));
    }
    let written = |content| Notice { substance: Substance::Content, content };
    let has_words =
        !letter.subject.is_empty() || !letter.body.text.trim().is_empty() || !head.is_empty();
    if has_words || letter.attachments.len() <= left_out.len() {
        contents.push((Speaker::Ghost, written(words(letter, head)), None));
    }
    for (index, attachment) in letter.attachments.iter().enumerate() {
        let index = i32::try_from(index).unwrap_or(i32::MAX);
        if left_out.contains(&index) {
            continue;
        }
        contents.push((Speaker::Ghost, written(file(attachment)), Some(index)));
    }
    for hint in hints {
        contents.push((Speaker::Bot, hint.clone(), None));
    }
    named(name, contents)
}

/// The post of an absence note: the ghost says its words under `head`, which says what it is, as a notice
/// (KIM-21). Nobody has to answer it, and machines do not (Matrix 1.11, `m.notice`).
pub fn note(name: &str, letter: &Letter, head: &[String]) -> Vec<NewPost> {
    let subject = (!letter.subject.is_empty()).then(|| letter.subject.clone());
    // What it is stands above everything that its author wrote.
    let lines: Vec<String> =
        head.iter().take(1).cloned().chain(subject).chain(head.iter().skip(1).cloned()).collect();
    let mut content = words(&Letter { subject: String::new(), ..letter.clone() }, &lines);
    if let Value::Object(map) = &mut content {
        map.insert("msgtype".to_owned(), json!("m.notice"));
    }
    let said = Notice { substance: Substance::Content, content };
    named(name, vec![(Speaker::Ghost, said, None)])
}

/// What the gateway says in the place of a letter of which nothing could be fetched.
pub fn notices(name: &str, notices: &[Notice]) -> Vec<NewPost> {
    named(name, notices.iter().map(|notice| (Speaker::Bot, notice.clone(), None)).collect())
}

fn named(name: &str, contents: Vec<(Speaker, Notice, Option<i32>)>) -> Vec<NewPost> {
    contents
        .into_iter()
        .enumerate()
        .map(|(place, (speaker, said, file_index))| {
            let txn_id = format!("l{name}p{place}");
            let content = marked(said.content, &txn_id);
            let substance = said.substance;
            NewPost { speaker, substance, txn_id, content, file_index, made: None }
        })
        .collect()
}

/// What the `txn_id`s of all posts of a letter have in common: the letter's name.
pub fn name_of(txn_id: &str) -> &str {
    let is_place = |place: &str| !place.is_empty() && place.bytes().all(|b| b.is_ascii_digit());
    match txn_id.rsplit_once('p') {
        Some((name, place)) if is_place(place) => name,
        _ => txn_id,
    }
}

/// Marks a post that a human's device could read when it left, outside the encrypted part: a post
/// that was tried several times may be in its room in the form of any of these tries.
pub const READ_MARK: &str = "de.umstieg.read";

/// Puts that mark beside ours.
pub fn marked_as_read(mut content: Value, txn_id: &str) -> Value {
    if let Value::Object(map) = &mut content {
        map.insert(READ_MARK.to_owned(), json!(txn_id));
    }
    content
}

/// Puts our mark into a content.
pub fn marked(mut content: Value, txn_id: &str) -> Value {
    if let Value::Object(map) = &mut content {
        map.insert(POST_MARK.to_owned(), json!(txn_id));
    }
    content
}

/// What the gateway itself says.
pub fn notice(text: &str) -> Value {
    json!({ "msgtype": "m.notice", "body": text })
}

/// A notice that answers a room message.
pub fn notice_to(text: &str, event_id: &str) -> Value {
    json!({
        "msgtype": "m.notice",
        "body": text,
        "m.relates_to": { "m.in_reply_to": { "event_id": event_id } },
    })
}

/// The place of what a machine read among the posts of a letter. Files and sentences have lower ones, and
/// what is made of a file higher ones.
const READING_PLACE: i64 = 999_998;

/// The name of what is said of a fax that a machine read, from the name of one of the fax's posts.
pub fn reading_name(txn_id: &str) -> String {
    format!("{}p{READING_PLACE}", name_of(txn_id))
}

/// Whether a post has that name.
pub fn is_reading(txn_id: &str) -> bool {
    reading_name(txn_id) == txn_id
}

/// Whether a post of this name is said again where its letter goes: one that the letter itself was made of,
/// also where it was said more than once (`r`, `m`). What a person asked for, and what a machine read, stays.
pub fn goes_with_its_letter(txn_id: &str) -> bool {
    let first = txn_id.trim_end_matches(['r', 'm']);
    first.starts_with('l') && name_of(first) != first && !is_reading(first)
}

/// What a machine read on a fax, beside the fax. It mentions nobody, whatever stands on the page.
pub fn reading_of(text: &str, event_id: &str) -> Value {
    let mut content = notice_to(text, event_id);
    if let Value::Object(map) = &mut content {
        map.insert("m.mentions".to_owned(), json!({}));
    }
    content
}

/// A notice for one member, who is mentioned.
pub fn notice_for(text: &str, user_id: &str) -> Value {
    json!({ "msgtype": "m.notice", "body": text, "m.mentions": { "user_ids": [user_id] } })
}

/// `content` as the newer words of the event `replaced` (Matrix 1.11, §11.47 event replacements).
pub fn replacing(content: &Value, replaced: &str) -> Value {
    let mut newer = content.as_object().cloned().unwrap_or_default();
    // An edit has one relation, and the edited message keeps its own.
    newer.remove("m.relates_to");
    let mark = newer.remove(POST_MARK);
    let mut edit = newer.clone();
    if let Some(Value::String(body)) = newer.get("body") {
        edit.insert("body".to_owned(), json!(format!("* {body}")));
    }
    edit.insert("m.new_content".to_owned(), Value::Object(newer));
    edit.insert(
        "m.relates_to".to_owned(),
        json!({ "rel_type": "m.replace", "event_id": replaced }),
    );
    if let Some(mark) = mark {
        edit.insert(POST_MARK.to_owned(), mark);
    }
    Value::Object(edit)
}

/// A file's content, as it will be sent once its place in the media repository is known.
pub fn with_media(content: &Value, media: &Media, bytes: u64) -> Value {
    let mut content = content.as_object().cloned().unwrap_or_default();
    match media {
        Media::Plain(uri) => content.insert("url".to_owned(), json!(uri)),
        Media::Encrypted(file) => content.insert("file".to_owned(), file.clone()),
    };
    if let Some(Value::Object(info)) = content.get_mut("info") {
        info.insert("size".to_owned(), json!(bytes));
    }
    Value::Object(content)
}

/// `content` with what `file` says about a file, where `content` itself is silent.
pub fn merged(content: &Value, file: &Value) -> Value {
    let mut merged = file.as_object().cloned().unwrap_or_default();
    merged.extend(content.as_object().cloned().unwrap_or_default());
    Value::Object(merged)
}

/// The content of a file post before its upload.
pub fn file(attachment: &Attachment) -> Value {
    let is_image = matches!(
        attachment.media_type.as_str(),
        "image/png" | "image/jpeg" | "image/gif" | "image/webp"
    );
    json!({
        "msgtype": if is_image { "m.image" } else { "m.file" },
        "body": attachment.file_name,
        "filename": attachment.file_name,
        "info": { "mimetype": attachment.media_type, "size": attachment.bytes },
    })
}

/// Subject, head and text of a letter as one `m.text`.
fn words(letter: &Letter, head: &[String]) -> Value {
    let lines: Vec<&str> = [letter.subject.as_str()]
        .into_iter()
        .chain(head.iter().map(String::as_str))
        .filter(|line| !line.is_empty())
        .collect();
    let text = letter.body.text.trim_end();
    let plain = match (lines.join("\n"), text) {
        (above, text) if above.is_empty() => text.to_owned(),
        (above, "") => above,
        (above, text) => format!("{above}\n\n{text}"),
    };
    let mut content = Map::new();
    content.insert("msgtype".to_owned(), json!("m.text"));
    content.insert("body".to_owned(), json!(plain));
    let html = formatted(letter, head);
    if plain.len() + html.len() <= CONTENT_BYTES_MAX {
        content.insert("format".to_owned(), json!("org.matrix.custom.html"));
        content.insert("formatted_body".to_owned(), json!(html));
    }
    Value::Object(content)
}

fn formatted(letter: &Letter, head: &[String]) -> String {
    let text = letter.body.html.clone().unwrap_or_else(|| {
        let lines = letter.body.text.trim_end().lines();
        lines.map(|line| escape(&fixed(line))).collect::<Vec<_>>().join("<br>")
    });
    let subject = Some(format!("<strong>{}</strong>", escape(&letter.subject)));
    let lines: Vec<String> = subject
        .filter(|_| !letter.subject.is_empty())
        .into_iter()
        .chain(head.iter().map(|line| format!("<em>{}</em>", escape(line))))
        .collect();
    if lines.is_empty() { text } else { format!("{}<br><br>{text}", lines.join("<br>")) }
}

/// A line whose blanks a client does not collapse: in a plain text they keep columns apart.
fn fixed(line: &str) -> String {
    let mut fixed = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\t' => fixed.push_str("\u{A0}\u{A0}\u{A0} "),
            ' ' if fixed.is_empty() || fixed.ends_with(' ') => fixed.push('\u{A0}'),
            c => fixed.push(c),
        }
    }
    fixed
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Body, TransferEncoding};

    fn letter(subject: &str, text: &str, files: &[&str]) -> Letter {
        let attachment = |name: &&str| Attachment {
            file_name: (*name).to_owned(),
            media_type: "application/pdf".to_owned(),
            bytes: 4,
            place: 0..4,
            encoding: TransferEncoding::Identity,
            within: Vec::new(),
        };
        Letter {
            subject: subject.to_owned(),
            body: Body { text: text.to_owned(), html: None },
            attachments: files.iter().map(attachment).collect(),
            ..Letter::default()
        }
    }

    /// One line a post: who, what it holds, which file, the body.
    fn check(letter: &Letter, hints: &[&str], expected: &[&str]) {
        let hints: Vec<Notice> = hints
            .iter()
            .map(|hint| Notice { substance: Substance::Word, content: notice(hint) })
            .collect();
        let posts = render("7", letter, &[], &hints);
        let lines: Vec<String> = posts
            .iter()
            .map(|post| {
                let file = post.file_index.map_or(String::new(), |n| format!(" file {n}"));
                format!(
                    "{} {} {}{file}: {}",
                    post.txn_id,
                    post.speaker.word(),
                    post.substance.word(),
                    post.content["body"]
                )
            })
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_letter_takes_along_what_it_was_made_of() {
        for (txn_id, goes) in [
            ("lkim-7-ap0", true),
            ("lkim-7-ap12r", true),
            ("lkim-7-ap1000003mrm", true),
            // What a machine read, also where it was said again.
            ("lkim-7-ap999998", false),
            ("lkim-7-ap999998m", false),
            // What a person asked for, and what the gateway says beside it.
            ("e$event", false),
            ("klkim-7-ap0", false),
            ("lkim-7-a", false),
            ("d7n0x1", false),
        ] {
            assert_eq!(goes_with_its_letter(txn_id), goes, "{txn_id}");
        }
    }

    #[test]
    fn words_then_files_then_hints() {
        check(
            &letter("Befund", "Guten Tag\n", &["a.pdf", "b.pdf"]),
            &["Bitte prüfen."],
            &[
                r#"l7p0 ghost content: "Befund\n\nGuten Tag""#,
                r#"l7p1 ghost content file 0: "a.pdf""#,
                r#"l7p2 ghost content file 1: "b.pdf""#,
                r#"l7p3 bot word: "Bitte prüfen.""#,
            ],
        );
    }

    #[test]
    fn b24_the_head_stands_between_subject_and_words() {
        let head = ["Dringend".to_owned(), "Ging auch an: A <a@b>".to_owned()];
        let body = |subject: &str, text: &str| {
            render("1", &letter(subject, text, &["a.pdf"]), &head, &[])[0].content.clone()
        };
        let whole = body("Konsil", "Guten Tag");
        assert_eq!(whole["body"], "Konsil\nDringend\nGing auch an: A <a@b>\n\nGuten Tag");
        assert_eq!(
            whole["formatted_body"],
            "<strong>Konsil</strong><br><em>Dringend</em><br>\
             <em>Ging auch an: A &lt;a@b&gt;</em><br><br>Guten Tag"
        );
        assert_eq!(body("", "")["body"], "Dringend\nGing auch an: A <a@b>");
    }

    #[test]
    fn kim_21_a_note_says_first_what_it_is() {
        let head = ["Automatische Notiz von A".to_owned(), "Geschrieben am".to_owned()];
        let posts = note("7", &letter("Abwesend", "Bis Montag <weg>\n", &[]), &head);
        assert_eq!(posts.len(), 1);
        let content = &posts[0].content;
        assert_eq!(
            content["body"],
            "Automatische Notiz von A\nAbwesend\nGeschrieben am\n\nBis Montag <weg>"
        );
        assert_eq!((&content["msgtype"], posts[0].speaker), (&json!("m.notice"), Speaker::Ghost));
        let html = content["formatted_body"].as_str().unwrap();
        assert!(html.starts_with("<em>Automatische Notiz von A</em>"), "{html}");
    }

    #[test]
    fn a_letter_of_files_alone_says_no_empty_words() {
        check(&letter("", " \n", &["fax.pdf"]), &[], &[r#"l7p0 ghost content file 0: "fax.pdf""#]);
    }

    #[test]
    fn an_empty_letter_is_still_seen() {
        check(&letter("", "", &[]), &[], &[r#"l7p0 ghost content: """#]);
    }

    #[test]
    fn no_markup_of_a_plain_letter_reaches_the_formatted_body() {
        let posts = render("1", &letter("<b>A</b>", "<script>\n& \"", &[]), &[], &[]);
        assert_eq!(
            posts[0].content["formatted_body"],
            "<strong>&lt;b&gt;A&lt;/b&gt;</strong><br><br>&lt;script&gt;<br>&amp; &quot;"
        );
    }

    /// B03: the columns of a plain text stay apart where clients collapse blanks.
    #[test]
    fn b03_blanks_of_a_plain_letter_stay() {
        let posts = render("1", &letter("", "Hb   12\n  CRP\t5", &[]), &[], &[]);
        assert_eq!(
            posts[0].content["formatted_body"],
            "Hb \u{A0} 12<br>\u{A0} CRP\u{A0}\u{A0}\u{A0} 5"
        );
        assert_eq!(posts[0].content["body"], "Hb   12\n  CRP\t5");
    }

    #[test]
    fn a_long_letter_still_fits_into_an_event() {
        let posts = render("1", &letter("", &"ä".repeat(15_000), &[]), &[], &[]);
        assert!(posts[0].content.get("formatted_body").is_none());
        assert!(posts[0].content.to_string().len() <= CONTENT_BYTES_MAX);
    }

    #[test]
    fn an_edit_carries_the_newer_words_twice_and_one_relation() {
        let edit = replacing(&marked(notice_to("Neu", "$question"), "d1n1"), "$first");
        assert_eq!(
            edit,
            json!({
                "msgtype": "m.notice",
                "body": "* Neu",
                "m.new_content": { "msgtype": "m.notice", "body": "Neu" },
                "m.relates_to": { "rel_type": "m.replace", "event_id": "$first" },
                "de.umstieg.post": "d1n1",
            })
        );
    }
}
