use super::{writer::LINK_BYTES_MAX, *};

fn check(source: &str, html: &str, text: &str) {
    let rendered = render(source);
    assert_eq!(rendered.html.as_deref(), Some(html), "{source}");
    assert_eq!(rendered.text, text, "{source}");
}

#[test]
fn formatting_stays_and_its_attributes_go() {
    check(
        "<p class=x style='color:red' onclick=\"evil()\">Guten <b>Tag</b></p>",
        "<p>Guten <b>Tag</b></p>",
        "Guten Tag",
    );
    check("<span data-mx-color=red>a</span><font size=9>b</font>", "ab", "ab");
}

#[test]
fn scripts_and_styles_are_gone_with_their_content() {
    check("a<script>alert('</p>')</script>b", "ab", "ab");
    check("a<STYLE>@import url(http://x)</sTyLe >b", "ab", "ab");
    check("<title>t</title><svg><script>x</script><g onload=e()></svg>b", "b", "b");
    check("a<script>never closed <b>x</b>", "a", "a");
    check(
        "<scr<script>ipt>alert(1)</script>",
        "&lt;scr&lt;script&gt;ipt&gt;alert(1)",
        "<scr<script>ipt>alert(1)",
    );
    check("<iframe src=http://x><b>y</b></iframe>z<object data=x>y</object>", "z y", "z y");
}

#[test]
fn no_image_is_loaded_and_its_words_stay() {
    check("<img src=http://x/pixel.gif width=1 height=1>a", "a", "a");
    check(
        "<img src='cid:1' alt='Logo &amp; &lt;Co&gt;'>",
        "[Logo &amp; &lt;Co&gt;]",
        "[Logo & <Co>]",
    );
    check("<img src=data:image/png;base64,xx onerror=e()>a", "[🖼]a", "[🖼]a");
    check(
        "<body background=http://x><table background=http://x><tr><td>a</table>",
        "<table><tr><td>a</td></tr></table>",
        "a",
    );
    check(
        "<video poster=http://x src=http://y></video><link rel=stylesheet href=http://x>a",
        "a",
        "a",
    );
}

#[test]
fn a_link_shows_where_it_leads() {
    check(
        "<a href='https://evil.example/x' title='bank'>https://bank.de</a>",
        "<a href=\"https://evil.example/x\">https://bank.de</a> (https://evil.example/x)",
        "https://bank.de (https://evil.example/x)",
    );
    check(
        "<a href=https://a.de/>a.de</a> <a href='mailto:x@a.de'>x@a.de</a> <a href=tel:+4930>+4930</a>",
        "<a href=\"https://a.de/\">a.de</a> <a href=\"mailto:x@a.de\">x@a.de</a> <a href=\"tel:+4930\">+4930</a>",
        "a.de x@a.de +4930",
    );
    // A Cyrillic а.
    check(
        "<a href='https://b\u{430}nk.de/'>Bank</a>",
        "<a href=\"https://xn--bnk-6cd.de/\">Bank</a> (https://xn--bnk-6cd.de/)",
        "Bank (https://xn--bnk-6cd.de/)",
    );
    check(
        "<a href=https://a.de><img src=x></a>",
        "<a href=\"https://a.de/\">[🖼]</a> (https://a.de/)",
        "[🖼] (https://a.de/)",
    );
}

/// In place of their words, clients show the name of the user they lead to.
#[test]
fn a_link_to_a_user_or_room_does_not_swallow_its_words() {
    for target in [
        "https://matrix.to/#/@anna:praxis.example",
        "https://www.matrix.to/#/!x:praxis.example",
        "https://app.element.io/#/user/@anna:praxis.example",
        "https://chat.praxis.example/#/#raum:praxis.example",
    ] {
        check(
            &format!("<a href='{target}'>Marcumar <b>absetzen</b></a>."),
            &format!("Marcumar <b>absetzen</b> ({target})."),
            &format!("Marcumar absetzen ({target})."),
        );
    }
}

#[test]
fn links_that_run_or_read_something_are_only_text() {
    for href in [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " &#106;avascript:alert(1)",
        "java&#x09;script:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html;base64,PHNjcmlwdD4=",
        "vbscript:x",
        "file:///etc/passwd",
        "cid:1",
        "matrix:u/a:b",
        "//evil.example",
        "relative",
        "",
    ] {
        check(&format!("<a href=\"{href}\">x</a>"), "x", "x");
    }
    check(&format!("<a href=\"https://x/{}\">x</a>", "a".repeat(LINK_BYTES_MAX)), "x", "x");
}

/// A browser leaves a link open that has another one in a button within it.
#[test]
fn l188_a_link_in_a_link_hides_no_target() {
    check(
        "<a href=https://x.de>K<button>l<a href=https://y.de>M</a> z</button></a>",
        "<a href=\"https://x.de/\">K l</a> (https://x.de/)<a href=\"https://y.de/\">M</a> (https://y.de/) z",
        "K l (https://x.de/)M (https://y.de/) z",
    );
}

#[test]
fn attributes_cannot_break_out() {
    check(
        "<a href='https://x/\"><script>alert(1)</script>'>x</a>",
        "<a href=\"https://x/%22%3E%3Cscript%3Ealert(1)%3C/script%3E\">x</a> \
         (https://x/%22%3E%3Cscript%3Ealert(1)%3C/script%3E)",
        "x (https://x/%22%3E%3Cscript%3Ealert(1)%3C/script%3E)",
    );
    check("<img alt='\"><script>x' src=y>", "[&quot;&gt;&lt;script&gt;x]", "[\"><script>x]");
    check(
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "<script>alert(1)</script>",
    );
    check("<!-- <b>x</b> --><![CDATA[y]]><?php z ?>a", "a", "a");
    check("<p title=\"", "", "");
    check(
        "1 < 2 && 3 > 2 &nosuch; &",
        "1 &lt; 2 &amp;&amp; 3 &gt; 2 &amp;nosuch; &amp;",
        "1 < 2 && 3 > 2 &nosuch; &",
    );
}

#[test]
fn the_output_is_closed_whatever_is_left_open() {
    check("<b><i>x</b>y", "<b><i>x</i></b><i>y</i>", "xy");
    check("</p></div>x<ul><li>a<li>b", "x<ul><li>a</li><li>b</li></ul>", "x\n- a\n- b");
    check(
        "<ol><li>a<ul><li>b</ul><li>c</ol>",
        "<ol><li>a<ul><li>b</li></ul></li><li>c</li></ol>",
        "1. a\n  - b\n2. c",
    );
}

#[test]
fn the_text_is_laid_out_as_a_browser_would() {
    check(
        "<html><head><title>x</title></head><body>\n<div>Sehr  geehrte\nFrau&nbsp;M&uuml;ller,</div>\
         <div><br></div><div>Zeile 1<br>Zeile 2</div><p>Absatz</p>\
         <table><tr><td>Hb</td><td>12,3</td></tr><tr><td>CRP</td><td>5</td></tr></table></body></html>",
        "<div>Sehr geehrte Frau Müller,</div><div><br></div><div>Zeile 1<br>Zeile 2</div><p>Absatz</p>\
         <table><tr><td>Hb</td><td>12,3</td></tr><tr><td>CRP</td><td>5</td></tr></table>",
        "Sehr geehrte Frau Müller,\n\nZeile 1\nZeile 2\n\nAbsatz\n\nHb\t12,3\nCRP\t5",
    );
    check("<pre>a\n  b</pre>c", "<pre>a\n  b</pre>c", "a\n  b\n\nc");
}

#[test]
fn html_that_is_too_long_is_left_out_and_its_text_stays() {
    let rendered = render(&"<p>Absatz</p>".repeat(3_000));
    assert_eq!(rendered.html, None);
    assert!(rendered.text.starts_with("Absatz\n\nAbsatz"));
}

#[test]
fn deep_and_endless_markup_takes_no_longer_than_other() {
    // Enough to never end, if the time were quadratic.
    let half = HTML_SOURCE_BYTES_MAX / 16;
    for source in [
        "<div>".repeat(half / 5),
        "<b a=1><p>".repeat(half / 10),
        format!("<a {}>", "b ".repeat(half / 2)),
        "<".repeat(half),
        "</".repeat(half / 2),
        "<!--".repeat(half / 4),
        "<script></".repeat(half / 10),
        "&".repeat(half),
        "<a href=\"".repeat(half / 9),
        "<ul><li>".repeat(half / 8),
    ] {
        let rendered = render(&source);
        assert!(rendered.html.is_none_or(|html| html.len() <= HTML_BYTES_MAX));
    }
}
