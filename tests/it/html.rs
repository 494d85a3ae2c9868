//! Texts and HTML of letters on their way to a room: what they say, and that all of it comes.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use umstieg::{
    mail,
    model::{Defect, Letter},
    rules::posts,
};

const HEAD: &str = "From: a@x.kim.telematik\nTo: b@y.kim.telematik\nMessage-ID: <1@x>\n";

struct ShownLetter {
    body: String,
    html: String,
    letter: Letter,
}

/// What the room shows of a letter.
fn shown(raw: &str) -> ShownLetter {
    let letter = mail::parse(raw.as_bytes());
    let posts = posts::render("1", &letter, &[], &[]);
    let text = |name: &str| posts[0].content[name].as_str().unwrap_or_default().to_owned();
    ShownLetter { body: text("body"), html: text("formatted_body"), letter }
}

fn html(source: &str) -> ShownLetter {
    shown(&format!("{HEAD}Content-Type: text/html; charset=utf-8\n\n{source}"))
}

/// B01: dashes and quotation marks of the Windows set, as references, as control characters of a
/// text, and in a subject.
#[test]
fn b01_characters_of_the_windows_set_are_shown() {
    let shown_html =
        html("<p>Ramipril 5&#150;10 mg, &#132;n&uuml;chtern&#147;, Hb &#x96; Anlage</p>");
    for text in [&shown_html.body, &shown_html.html] {
        assert!(text.contains("Ramipril 5–10 mg, „nüchtern“, Hb – Anlage"), "{text}");
    }
    let text = shown(&format!(
        "{HEAD}Content-Type: text/plain; charset=utf-8\n\n5\u{96}10 mg, \u{84}n\u{93}"
    ));
    assert_eq!(text.body, "5–10 mg, „n“");
    let subject = shown(&format!("{HEAD}Subject: =?utf-8?Q?Ramipril_5=C2=9610_mg?=\n\nText"));
    assert_eq!(subject.letter.subject, "Ramipril 5–10 mg");
    let invisible =
        shown(&format!("{HEAD}Subject: 5\u{AD}10\n\n5\u{200B}10\u{C}5\u{AD}10 \u{202E}01"));
    assert_eq!(invisible.body, "5-10\n\n5 10\n5-10 \u{FFFD}01");
}

/// B03: struck out by element, by style and by class; raised figures; also where only the text of
/// the HTML is shown.
#[test]
fn b03_struck_and_raised_words_are_marked_wherever_they_are_shown() {
    let source = "<p>Ramipril <span style=\"text-decoration:line-through\">10 mg</span> 5 mg, 10<sup>9</sup>/l</p>\
                  <style>.weg{text-decoration:line-through}</style><p>Bisoprolol <b class=weg>5 mg</b> 2,5 mg</p>";
    let one = html(source);
    assert_eq!(one.body, "Ramipril ~~10 mg~~ 5 mg, 10^9/l\n\nBisoprolol ~~5 mg~~ 2,5 mg");
    assert!(one.html.contains("Ramipril <del>10 mg</del> 5 mg, 10<sup>9</sup>/l"), "{}", one.html);
    let two = shown(&format!(
        "{HEAD}Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n{source}\n\
         --b\nContent-Type: text/html\n\n<p>Gru&szlig;</p>\n--b--\n"
    ));
    assert!(two.body.contains("~~10 mg~~ 5 mg, 10^9/l"), "{}", two.body);
    assert!(two.body.contains("Gruß"), "{}", two.body);
    // A plain text that was made without the strokes does not call them valid.
    let alternative = shown(&format!(
        "{HEAD}Content-Type: multipart/alternative; boundary=b\n\n--b\n\nRamipril 10 mg 5 mg\n\
         --b\nContent-Type: text/html\n\n<p>Ramipril <s>10 mg</s> 5 mg</p>\n--b--\n"
    ));
    assert!(alternative.body.contains("~~10 mg~~ 5 mg"), "{}", alternative.body);
    let long = html(&format!("<p><s>10 mg</s> 5 mg</p>{}", "<p>Absatz</p>".repeat(1_500)));
    assert!(long.body.contains("~~10 mg~~ 5 mg"));
}

/// B18: soft lines before a quotation and before the signature.
#[test]
fn b18_a_flowed_letter_keeps_quotation_and_signature_apart() {
    let flowed = shown(&format!(
        "{HEAD}Content-Type: text/plain; format=flowed\n\nschrieb die Praxis: \n> Bitte \n> Kalium\n\n\
         Wir melden uns \n-- \nStation 4\n"
    ));
    assert_eq!(
        flowed.body,
        "schrieb die Praxis: \n> Bitte Kalium\n\nWir melden uns \n-- \nStation 4"
    );
}

/// B66: a plain text that only says that there is HTML.
#[test]
fn b66_a_placeholder_does_not_stand_for_the_words() {
    let letter = shown(&format!(
        "{HEAD}Content-Type: multipart/alternative; boundary=b\n\n--b\n\nIhr Programm kann kein HTML.\n\
         --b\nContent-Type: text/html\n\n<p>Frau Sonnleitner wird morgen entlassen.</p>\n--b--\n"
    ));
    assert!(letter.html.contains("Frau Sonnleitner wird morgen entlassen."), "{}", letter.html);
}

/// B03: what a mail program hides does not count as valid, and the reader is told.
#[test]
fn b03_hidden_words_are_noted() {
    let hidden = html("5 mg<span style='display:none'> 10 mg</span>");
    assert_eq!(hidden.body, "5 mg");
    assert_eq!(hidden.letter.defects, [Defect::Markup]);
}

/// HTML as mail programs and practice systems write it, by what it holds.
const CORPUS: [(&str, &str); 8] = [
    (
        "word processor",
        "<html xmlns:o=\"urn:x\"><head><meta charset=utf-8><style><!-- p.MsoNormal{margin:0cm;font-size:11.0pt} @page W{size:1 1} --></style><!--[if gte mso 9]><xml><o:x>96</o:x></xml><![endif]--></head><body lang=DE><div class=WordSection1><p class=MsoNormal>Sehr geehrte Kollegin,<o:p></o:p></p><p class=MsoListParagraph style='mso-list:l0 level1 lfo1'><![if !supportLists]><span style='font-family:Symbol'>·<span style='font:7.0pt \"Times New Roman\"'>&nbsp;&nbsp; </span></span><![endif]>Kalium 5,1<o:p></o:p></p><table class=MsoTableGrid border=1><tr><td width=200><p class=MsoNormal>Hb</p></td><td><p class=MsoNormal>12,3</p></td></tr><tr><td><p class=MsoNormal>CRP</p></td><td><p class=MsoNormal>5</p></td></tr></table></div></body></html>",
    ),
    (
        "reply",
        "<div dir=ltr>Danke.<br><br><div class=gmail_quote><div dir=ltr class=gmail_attr>Am Mo. schrieb &lt;<a href=\"mailto:a@b.example\">a@b.example</a>&gt;:<br></div><blockquote class=gmail_quote style=\"margin:0 0 0 .8ex;border-left:1px #ccc solid\"><div>Bitte Marcumar pausieren.</div></blockquote></div></div>",
    ),
    (
        "newsletter",
        "<body><div style=\"display:none;font-size:1px\">Impfung</div><table role=presentation width=100%><tr><td style=\"font-size:0px;padding:10px\"><div style=\"font-family:Arial;font-size:13px\">Impfung ab Montag</div></td></tr><tr><td><a href=\"https://praxis.example/termin\" style=\"background:#000\">Termin buchen</a></td></tr></table></body>",
    ),
    (
        "laboratory",
        "<table><thead><tr><th rowspan=2>Wert<th colspan=2>Ergebnis</tr><tr><th>heute<th>zuletzt</tr></thead><tbody><tr><td>Leukozyten<td>4,5 &times; 10<sup>9</sup>/l<td>5,1</tr><tr><td>CO<sub>2</sub><td>40<td></tr></tbody></table>",
    ),
    (
        "form",
        "<form><p><label><input type=checkbox checked> Penicillin</label> <label><input type=checkbox> Jod</label></p><p>Dosis <input type=text value=\"5 mg\"> <select><option>einmal<option selected>zweimal</select></p><textarea rows=2>nach dem Essen</textarea></form>",
    ),
    (
        "plan",
        "<ol start=4><li>Ramipril <del>10</del> <ins>5</ins> mg<li>Marcumar <s>weiter</s> pausieren<ul><li>Quick</ul><li value=9>Kontrolle</ol><dl><dt>Allergie<dd>Jod</dl>",
    ),
    (
        "broken",
        "<p>Kalium <b>6,8<p>sofort</i> anrufen</div><td>links<td>rechts</table>M&uuml;ller & S&ouml;hne, RR <120, 5 &lt 10",
    ),
    (
        "notes",
        "<pre>Zeile 1\n  Zeile 2</pre><div style=\"white-space:pre-wrap\">a\nb</div><abbr title=\"dreimal\">tid</abbr><ruby>漢<rt>kan</rt></ruby><details><summary>Mehr</summary>Text</details>",
    ),
];

/// Words of HTML by a reader that knows nothing but angle brackets, so that it errs elsewhere.
fn visible_words(source: &str) -> BTreeSet<String> {
    let mut text = String::new();
    let mut rest = source;
    while let Some((before, after)) = rest.split_once('<') {
        if !after.starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c)) {
            text.push_str(before);
            text.push(' ');
            rest = after;
            continue;
        }
        text.push_str(before);
        let name: String = after.chars().take_while(char::is_ascii_alphanumeric).collect();
        let end = match name.as_str() {
            "style" => "</style>",
            "title" => "</title>",
            _ if after.starts_with("!--") => "-->",
            _ => ">",
        };
        rest = after.split_once(end).map_or("", |(_, after)| after);
        let word = ["sup", "sub", "/sup", "/sub", "b", "i", "s", "a", "/a", "span", "/span"];
        if !word.iter().any(|inline| after.starts_with(&format!("{inline}>"))) {
            text.push(' ');
        }
    }
    text.push_str(rest);
    for (name, c) in [
        ("&nbsp;", " "),
        ("&lt;", " "),
        ("&gt;", " "),
        ("&lt ", " "),
        ("&times;", " "),
        ("&uuml;", "ü"),
        ("&ouml;", "ö"),
        ("&amp;", "&"),
    ] {
        text = text.replace(name, c);
    }
    words(&text)
}

fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// Words as a client shows them: inline tags do not part them, others do.
fn words_of_post(html: &str) -> BTreeSet<String> {
    let mut text = html.to_owned();
    for inline in ["b", "i", "u", "del", "code", "strong", "em", "a"] {
        text = text.replace(&format!("<{inline}>"), "").replace(&format!("</{inline}>"), "");
    }
    visible_words(&text)
}

#[test]
fn every_visible_word_of_a_letter_is_in_its_post() {
    for (name, source) in CORPUS {
        let ShownLetter { body, html, letter } = html(source);
        assert_eq!(letter.defects, [], "{name}");
        let missing = |found: BTreeSet<String>| {
            // The figure after `10^` and the letters before `_2` are separate words there.
            let wanted = visible_words(source).into_iter();
            let is_missing = |word: &String| {
                !found.contains(word) && !found.iter().any(|w| word.starts_with(w.as_str()))
            };
            wanted.filter(is_missing).collect::<Vec<_>>()
        };
        assert_eq!(missing(words(&body)), [""; 0], "{name}: {body}");
        assert_eq!(missing(words_of_post(&html)), [""; 0], "{name}: {html}");
    }
}

/// Hostile texts of half a megabyte, also unoptimised and on a busy machine.
#[test]
fn no_text_takes_long() {
    for piece in [
        "<a href=http://x/>",
        "&",
        "<!--",
        "<ol><li>",
        "<td>",
        "<s>",
        "> \n",
        "a \n",
        "\u{AD}",
        "-- \n",
    ] {
        for kind in ["text/html", "text/plain; format=flowed"] {
            let text = piece.repeat(500_000 / piece.len());
            let begun = Instant::now();
            shown(&format!("{HEAD}Content-Type: {kind}\n\n{text}"));
            let took = begun.elapsed();
            assert!(took < Duration::from_secs(30), "{kind} {piece:?} took {took:?}");
        }
    }
}
