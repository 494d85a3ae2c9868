//! What carries meaning, in HTML and in text.

use super::*;

pub(super) fn check(source: &str, html: &str, text: &str) {
    let rendered = render(source);
    assert_eq!(rendered.html.as_deref(), Some(html), "{source}");
    assert_eq!(rendered.text, text, "{source}");
    assert!(!rendered.is_unsure, "{source}");
}

pub(super) fn check_text(source: &str, text: &str) {
    let rendered = render(source);
    assert_eq!(rendered.text, text, "{source}");
    assert!(!rendered.is_unsure, "{source}");
}

/// The text that is shown when words are left out and that is noted.
pub(super) fn check_unsure(source: &str, text: &str) {
    let rendered = render(source);
    assert_eq!(rendered.text, text, "{source}");
    assert!(rendered.is_unsure, "{source}");
}

/// B01: references of the Windows set, named ones without their end, and those of nothing.
#[test]
fn b01_references_are_read_as_browsers_read_them() {
    check("5&#150;10 5&#x96;10 &#132;n&#147; &#128;", "5–10 5–10 „n“ €", "5–10 5–10 „n“ €");
    check_text("M&uuml;ller & S&ouml;hne, 5 & 10 &deg;C", "Müller & Söhne, 5 & 10 °C");
    check_text("5&ndash10 &ltx &copy 5&lt10", "5&ndash10 <x © 5<10");
    check_text("5&#0;10 5&#x110000;10 5&#xD800;10", "5\u{FFFD}10 5\u{FFFD}10 5\u{FFFD}10");
    check_text("5&#129;10 5&#1;10", "5\u{FFFD}10 5\u{FFFD}10");
    check_text("5\u{96}10", "5–10");
    check_text(
        "5&shy;10 Rami&shy;pril 5&#8203;10 5&zwnj;10 5<wbr>10 Arzt<wbr>brief",
        "5-10 Ramipril 5 10 5 10 5 10 Arztbrief",
    );
    check_text("Rami&shy;<b>pril</b> 5<b>&#8203;10</b>", "Ramipril 5 10");
    check_text("&#8238;gm 01", "\u{FFFD}gm 01");
    check_text("5&thinsp;&le;&nbsp;10 &micro;g&half;", "5 ≤ 10 µg½");
}

/// B03: struck words, in every notation.
#[test]
fn b03_struck_words_are_marked_in_html_and_text() {
    for struck in [
        "<s>10 mg</s>",
        "<strike>10 mg</strike>",
        "<DEL>10 mg</DEL>",
        "<span style=\"text-decoration:line-through\">10 mg</span>",
        "<font style='TEXT-DECORATION: line-through'>10 mg</font>",
        "<span style='text-decoration-line: line-through;'>10 mg</span>",
        "<span class='x weg'>10 mg</span>",
        "<span id=alt>10 mg</span>",
        "<span class=msoDel><del cite=x>10 mg</del></span>",
        "<span class=alt><span>10 mg</span></span>",
    ] {
        check(
            &format!(
                "<p>Ramipril {struck} 5 mg</p><style>.weg,#alt{{text-decoration:line-through}} .alt span{{text-decoration:line-through}}</style>"
            ),
            "<p>Ramipril <del>10 mg</del> 5 mg</p>",
            "Ramipril ~~10 mg~~ 5 mg",
        );
    }
    check("<s style='text-decoration:none'>5 mg</s>", "5 mg", "5 mg");
    check("<s>10 <b>mg</b></s> 5", "<del>10 </del><b><del>mg</del></b> 5", "~~10 mg~~ 5");
    check(
        "<s><p>10 mg</p><p>20 mg</p></s>5",
        "<p><del>10 mg</del></p><p><del>20 mg</del></p>5",
        "~~10 mg~~\n\n~~20 mg~~\n\n5",
    );
    check("<s>10<br>20</s>5", "<del>10</del><br><del>20</del>5", "~~10~~\n~~20~~5");
    check(
        "<table><tr style='text-decoration:line-through'><td>Hb<td>12</table>",
        "<table><tr><td><del>Hb</del></td><td><del>12</del></td></tr></table>",
        "~~Hb~~\t~~12~~",
    );
    check(
        "<ul style='text-decoration:line-through'><li>a</ul>",
        "<ul><li><del>a</del></li></ul>",
        "- ~~a~~",
    );
    check("<del>10</del><ins>5</ins> mg", "<del>10</del><u>5</u> mg", "~~10~~5 mg");
    check(
        "<a href=https://a.de/><s>a.de</s></a>",
        "<a href=\"https://a.de/\"><del>a.de</del></a>",
        "~~a.de~~",
    );
}

/// B03: an end tag that is missing or comes too late strikes what a browser strikes.
#[test]
fn b03_strokes_that_are_nested_wrongly_end_where_a_browser_ends_them() {
    check("<p><s>10</p><p>5</p>", "<p><del>10</del></p><p><del>5</del></p>", "~~10~~\n\n~~5~~");
    check("<s><p>10</s> 5</p>", "<p><del>10</del> 5</p>", "~~10~~ 5");
    check(
        "<table><tr><td><s>10</td><td>5</table>",
        "<table><tr><td><del>10</del></td><td>5</td></tr></table>",
        "~~10~~\t5",
    );
    check(
        "<s><table><tr><td>10</s></td></tr></table> 20</s> 5",
        "<table><tr><td><del>10</del></td></tr></table><del>20</del> 5",
        "~~10~~\n\n~~20~~ 5",
    );
    check("<b>x<s>10</b>5</s>1", "<b>x</b><b><del>10</del></b><del>5</del>1", "x~~105~~1");
    let deep = format!("{}<s>10</s> 5{}", "<div>".repeat(100), "</div>".repeat(100));
    assert_eq!(render(&deep).text, "~~10~~ 5");
    assert!(render(&deep).html.unwrap().contains("<del>10</del> 5"));
    assert!(render(&format!("{}5", "<div>".repeat(300))).is_unsure);
}

/// B03: raised and lowered figures stay apart from the others.
#[test]
fn b03_raised_and_lowered_figures_are_marked() {
    check("4,5 &times; 10<sup>9</sup>/l", "4,5 × 10<sup>9</sup>/l", "4,5 × 10^9/l");
    check("H<sub>2</sub>O", "H<sub>2</sub>O", "H_2O");
    check("10<span style='vertical-align:super'>9</span>/l", "10<sup>9</sup>/l", "10^9/l");
    check("10<sup>-9</sup>5", "10<sup>-9</sup>5", "10^(-9)5");
    check("x<sup>n + 1</sup>", "x<sup>n + 1</sup>", "x^(n + 1)");
    check("x<sup>2<sup>3</sup></sup>", "x<sup>2</sup><sup><sup>3</sup></sup>", "x^2^^3");
    check("10<sup><b>9</b></sup>", "10<b><sup>9</sup></b>", "10^9");
    check("10<s><sup>9</sup></s>", "10<del><sup>9</sup></del>", "10~~^9~~");
    check(
        "<table><tr><td style='vertical-align:super'>9</table>",
        "<table><tr><td>9</td></tr></table>",
        "9",
    );
    check("<sup>1</sup>/<sub>2</sub>", "<sup>1</sup>/<sub>2</sub>", "^1/_2");
    check_text(
        "<math><msup><mn>10</mn><mn>9</mn></msup> <mfrac><mn>5</mn><mn>10</mn></mfrac><mn>3</mn></math>",
        "10^9 5/10 3",
    );
}

#[test]
fn quotations_stay_quotations() {
    check(
        "<p>Ja.</p><blockquote>Marcumar<br>weiter?<blockquote>alt</blockquote></blockquote>Gruß",
        "<p>Ja.</p><blockquote>Marcumar<br>weiter?<blockquote>alt</blockquote></blockquote>Gruß",
        "Ja.\n\n> Marcumar\n> weiter?\n>\n> > alt\n\nGruß",
    );
    check("er sagt <q>nein</q>.", "er sagt &quot;nein&quot;.", "er sagt \"nein\".");
}

#[test]
fn lists_count_as_their_letter_counts() {
    check(
        "<ol start=3><li>a<li value=7>b<li>c</ol>",
        "<ol start=\"3\"><li>a</li></ol><ol start=\"7\"><li>b</li><li>c</li></ol>",
        "3. a\n7. b\n8. c",
    );
    check("<ol type=a><li>x<li>y</ol>", "<ul><li>a. x</li><li>b. y</li></ul>", "a. x\nb. y");
    check("<ol style='list-style-type:upper-roman'><li>x</ol>", "<ul><li>I. x</li></ul>", "I. x");
    check(
        "<ol reversed><li>x<ol><li>i</ol><li>y<li>z</ol>",
        "<ul><li>3. x<ol><li>i</li></ol></li><li>2. y</li><li>1. z</li></ul>",
        "3. x\n  1. i\n2. y\n1. z",
    );
    check(
        "<ol reversed start=9><li>x<li>y</ol>",
        "<ul><li>9. x</li><li>8. y</li></ul>",
        "9. x\n8. y",
    );
    check("<ol><li><p>a</p><p>b</p></ol>", "<ol><li><p>a</p><p>b</p></li></ol>", "1. a\n\n  b");
    check_text("<ol><li style='list-style-type:lower-alpha'>x</ol>", "a. x");
    check_text("<dl><dt>Hb<dd>12<dt>CRP<dd>5</dl>", "Hb\n12\nCRP\n5");
    check_text("<menu><li>a</menu><li>b", "- a\n- b");
}

#[test]
fn forms_show_what_was_ticked_and_typed() {
    check(
        "<input type=checkbox checked>Penicillin <input type=checkbox>Jod",
        "[x] Penicillin [ ] Jod",
        "[x] Penicillin [ ] Jod",
    );
    check_text("<input type=radio>ja<input type=radio checked>nein", "( ) ja (x) nein");
    check_text(
        "Dosis:<input value='5 mg'><input><input type=hidden value=x>",
        "Dosis:[5 mg][____]",
    );
    check_text(
        "<select><option>ja<option>nein</select> <select><option>ja<option selected>nein</select>",
        "(x) ja ( ) nein ( ) ja (x) nein",
    );
    check("<select multiple><option selected>a<option>b</select>", "[x] a [ ] b", "[x] a [ ] b");
    check(
        "<textarea>\nZeile 1\n Zeile &lt;2</textarea>",
        "<pre>Zeile 1\n Zeile &lt;2</pre>",
        "Zeile 1\n Zeile <2",
    );
    check_text("<button>5</button><button>10</button><label>a</label><label>b</label>", "5 10 a b");
}

#[test]
fn kept_line_ends_and_blanks_stay() {
    check("<pre>\na\n  b</pre>", "<pre>a\n  b</pre>", "a\n  b");
    check(
        "<div style='white-space:pre-wrap'>5\n  10\t20</div>",
        "<div>5<br>\u{A0} 10\u{A0}\u{A0}\u{A0} 20</div>",
        "5\n  10\t20",
    );
    check("<p style='white-space:pre-line'>5  mg\n10</p>", "<p>5 mg<br>10</p>", "5 mg\n10");
    check("<p style='white-space:nowrap'>5\n10</p>", "<p>5 10</p>", "5 10");
    check(
        "5<br/>10</br>20<BR clear=all>30</p>40",
        "5<br>10<br>20<br>30<br>40",
        "5\n10\n20\n30\n\n40",
    );
    check_text("<xmp><b>5</b></xmp><plaintext>10</b>", "<b>5</b>\n\n10</b>");
}

/// Figures in neighbouring boxes never become one.
#[test]
fn neighbours_stay_apart() {
    for (source, text) in [
        ("<table><tr><td>5</td><td>10</td></tr></table>", "5\t10"),
        ("<td>5</td><td>10</td>", "5 10"),
        ("<tr>5</tr><tr>10</tr>", "5\n10"),
        ("<table><tr>5<td>10</table>", "5\t10"),
        ("<table>5<tr><td>10</table>", "5\n10"),
        ("<table><td>5<td>10<tr><td>20</table>", "5\t10\n20"),
        (
            "<table><tr><td><p>5</p></td><td><p>10</p></td></tr><tr><td><div>20</div></table>",
            "5\t10\n20",
        ),
        ("<table><tr><td><table><tr><td>5</table><td>10</table>", "5\t10"),
        ("<table><tr><td>5</div></td><td></p>10</table>", "5\t10"),
        ("<section>5</section><article>10</article>", "5\n10"),
        ("5<div></div>10", "5\n10"),
        ("5</div>10", "5\n10"),
        ("<span style='display:block'>5</span><span style='display:block'>10</span>", "5\n10"),
        ("<span style='display:inline-block'>5</span><span>10</span>", "5 10"),
        ("<span style='margin-right:9px'>5</span><span>10</span>", "5 10"),
        ("<div style='display:flex'><span>5</span><span>10</span></div>", "5 10"),
        ("5<img src=x alt=''>10", "5 10"),
        ("5<ruby>10<rp>(</rp><rt>zehn</rt></ruby>", "510(zehn)"),
        ("5<object>10</object>20", "5 10 20"),
        ("<fieldset><legend>5</legend>10</fieldset>", "5\n10"),
        ("5<hr>10", "5\n---\n10"),
        ("<details><summary>5</summary>10</details>", "5\n10"),
        ("<form>5</form><form>10</form>", "5\n10"),
        ("<noscript>5</noscript>", "5"),
    ] {
        check_text(source, text);
        let html = render(source).html.unwrap();
        let joined = html.replace("<b>", "").replace("</b>", "");
        assert!(!joined.contains("510") || text.contains("510"), "{html}");
    }
    // In a row on one line, they are one figure for a browser too.
    check("<b>5</b><i>10</i>", "<b>5</b><i>10</i>", "510");
}

#[test]
fn cells_stand_under_their_headers() {
    check(
        "<table><tr><th>Wert<th colspan=2>Norm<tr><td rowspan=2>Hb<td>12<td>16<tr><td>13<td>17</table>",
        "<table><tr><th>Wert</th><th>Norm</th><td></td></tr><tr><td>Hb</td><td>12</td><td>16</td></tr>\
         <tr><td></td><td>13</td><td>17</td></tr></table>",
        "Wert\tNorm\nHb\t12\t16\n\t13\t17",
    );
    check_text(
        "<table><caption>Labor</caption><tr><td></td><td>heute</td></tr></table>",
        "Labor\n\theute",
    );
    check_text("<table><tr><td>a</td><td></td><td>c</td></tr></table>", "a\t\tc");
}

#[test]
fn pictures_say_what_they_say_of_themselves() {
    check_text("<img src=x alt=Befund>", "[Befund]");
    check_text("<img src=x title=Befund>", "[Befund]");
    check_text("a<img src=cid:1>b", "a[🖼]b");
    check_text("a <img src=x width=1 height=1><img src=x alt=''>b", "a b");
    check_text("<map><area alt=Plan href=https://a.de/></map>", "[Plan] (https://a.de/)");
    check_text("<abbr title='dreimal täglich'>tid</abbr> 5", "tid (dreimal täglich) 5");
}

/// Neither shown, nor called valid, nor kept secret.
#[test]
fn what_a_mail_program_hides_is_left_out_and_noted() {
    for hidden in [
        "<span style='display:none'>10</span>",
        "<div hidden>10</div>",
        "<p style='visibility:hidden'>10</p>",
        "<span style='font-size:0'>10</span>",
        "<span style='opacity:0'>10</span>",
        "<div style='max-height:0;overflow:hidden'>10</div>",
        "<style>.h{display:none}</style><b class=h>10</b>",
        "<template>10</template>",
        "<noframes>10</noframes>",
        "<![CDATA[10]]>",
        "</ 10>",
        "<! 10>",
        "<title>10",
        "<style>10",
        "<!-- 10",
        "<p title=\"10",
        "<p class=\"x>10</p><p class=\"y\">",
        "<dialog>10</dialog>",
    ] {
        check_unsure(&format!("5 mg {hidden}"), "5 mg");
    }
    check_text("5 mg <span style='display:none'>5 MG</span>", "5 mg");
    check_text("<div style='visibility:hidden'><b style='visibility:visible'>5</b></div>", "5");
    check_text("<td style='font-size:0px'><div style='font-size:13px'>5 mg</div></td>", "5 mg");
    check_text(
        "<!-- 10 --><!--[if mso]><p>10</p><![endif]--><![if !mso]>5<![endif]><?xml x?>",
        "5",
    );
    check_text("<title>10</title><script>10</script>5", "5");
    check_unsure("<bdo dir=rtl>01</bdo> mg", "\u{FFFD}01 mg");
    check_unsure("<style>p:first-child{text-decoration:line-through}</style><p>5", "5");
    check_unsure("<iframe src=x></iframe>5", "5");
}

/// B80: what newsletters fill their preview with.
#[test]
fn b80_filler_that_nobody_sees_leaves_nothing() {
    let filler = "&#847;&zwnj;&nbsp;&#8199;&#65279;&shy;".repeat(40);
    let rendered = render(&format!("<p>Vorschau{filler}</p><p>5 mg</p>"));
    assert_eq!(rendered.text, "Vorschau\n\n5 mg");
    check_unsure(&format!("<div style='display:none'>Vorschau{filler}</div>5 mg"), "5 mg");
    check_text(&format!("<div style='display:none'>{filler}</div>5 mg"), "5 mg");
}

/// B81: words typed into a hidden field.
#[test]
fn b81_words_of_a_hidden_field_stay_hidden() {
    let css = "&lt;style&gt;b{color:red}&lt;/style&gt;";
    check_unsure(&format!("<textarea style='display:none'>{css}</textarea>5 mg"), "5 mg");
    check_unsure(
        &format!("<script>a='</b>'</script><div hidden><textarea>{css}</textarea></div>5"),
        "5",
    );
}

/// B82: programs that write XHTML end empty elements in their first tag. Browsers know no such end
/// and take all that follows for a title; a mail program shows it.
#[test]
fn b82_what_ends_in_its_own_tag_swallows_no_words() {
    for empty in ["title", "style", "script", "textarea", "iframe", "xmp", "noembed", "noframes"] {
        for tag in [format!("<{empty}/>"), format!("<{} />", empty.to_uppercase())] {
            let source = format!("<html><head>{tag}</head><body><p>Marcumar absetzen</p></body>");
            assert_eq!(render(&source).text, "Marcumar absetzen", "{tag}");
            let twice = format!("{tag}<p>5 mg</p>{tag}{tag}<p>10 mg</p>");
            assert_eq!(render(&twice).text, "5 mg\n\n10 mg", "{tag}");
        }
    }
    // If an end tag follows, it ends that element.
    check_text("<title/>10</title>5", "5");
    check_text("<style/>b{}</style><title/>5", "5");
    check_unsure("5 mg <title>10", "5 mg");
}

#[test]
fn letters_of_symbol_fonts_are_their_signs() {
    check_text("5 <font face=Symbol>m</font>g", "5 µg");
    check_text("5 <span style='font-family:Symbol'>m</span>g", "5 µg");
    check_text("<span style='font-family:Wingdings'>ü</span> ja", "✓ ja");
    check_text(
        "<span style='font-family:Symbol'>·<span style='font:7.0pt \"Times New Roman\"'>&nbsp;x </span></span>a",
        "• x a",
    );
    check_text("<span style='font-family:\"Segoe UI Symbol\"'>m</span>", "m");
    check_unsure("<font face=Webdings>a</font>", "\u{FFFD}");
}

#[test]
fn words_in_angle_brackets_are_words() {
    check("Wert <siehe Anlage> 5", "Wert &lt;siehe Anlage&gt; 5", "Wert <siehe Anlage> 5");
    check_text("Dr. Tannhof <tannhof@klinik.example>", "Dr. Tannhof <tannhof@klinik.example>");
    check_text("RR <120 und >80, 5<10", "RR <120 und >80, 5<10");
    check_text("<o:p>5</o:p><v:shape x/><my-tag>10</my-tag>", "510");
}

/// A line through words ends before boxes on the line and boxes that float (CSS Text Decoration §2.1).
#[test]
fn a_box_within_struck_out_words_is_not_struck_out() {
    for style in ["display:inline-block", "float:right", "position:absolute", "position:fixed"] {
        for source in [
            format!("<s>10 mg <span style='{style}'>5 mg</span></s>"),
            format!(
                "<p style='text-decoration:line-through'>10 mg <b style='{style}'>5 mg</b></p>"
            ),
            format!("<style>.n{{{style}}}</style><del>10 mg <b class=n>5 mg</b></del>"),
        ] {
            check_text(&source, "~~10 mg~~ 5 mg");
        }
    }
    check_text("<s>10 mg <button>5 mg</button></s>", "~~10 mg~~ 5 mg");
    check_text("<s>10 mg <s style='float:left'>5 mg</s></s>", "~~10 mg 5 mg~~");
    for style in ["display:inline", "float:none", "position:relative", "display:block"] {
        assert!(
            render(&format!("<s><b style='{style}'>5</b></s>")).text.contains("~~5~~"),
            "{style}"
        );
    }
}

/// Sheets for paper, for readers aloud, and for no program at all.
#[test]
fn a_sheet_that_is_not_for_the_screen_strikes_nothing_out() {
    let of = |attributes: &str| {
        format!("<style {attributes}>.h{{text-decoration:line-through}}</style><p class=h>10 mg")
    };
    for attributes in [
        "media=print",
        "media='print and (color)'",
        "media='not screen'",
        "media='not all'",
        "media=speech",
        "type=text/plain",
    ] {
        check_text(&of(attributes), "10 mg");
    }
    for attributes in [
        "",
        "media=''",
        "media=screen",
        "media='print, all'",
        "media='not print'",
        "type='TEXT/CSS'",
    ] {
        check_text(&of(attributes), "~~10 mg~~");
    }
    check_unsure(&of("media='(min-width:600px)'"), "10 mg");
    check_unsure(&of("media='screen and (color)'"), "10 mg");
    check_unsure(
        "<style>@supports not (display:block){.h{text-decoration:line-through}}</style><p class=h>10 mg",
        "10 mg",
    );
}

/// Rules within rules, custom properties, and declarations that no program understands.
#[test]
fn strokes_by_newer_ways_of_writing_are_shown_or_noted() {
    for source in [
        "<style>.o{.h{text-decoration:line-through}}</style><div class=o><p class=h>10 mg",
        "<style>.o{color:red;& .h{text-decoration:line-through}}</style><div class=o><p class=h>10 mg",
        "<style>:root{--d:line-through}.h{text-decoration:var(--d)}</style><p class=h>10 mg",
        "<div style='--d:line-through'><p style='text-decoration:var(--d)'>10 mg",
        "<style>@layer a{.h{text-decoration:line-through}}</style><p class=h>10 mg",
    ] {
        check_unsure(source, "10 mg");
    }
    for source in [
        "<p style='text-decoration:line-through;text-decoration:bogus'>10 mg",
        "<p style='text-decoration:line-through;text-decoration:none windowtext 3'>10 mg",
        "<style>.h{quotes:'}';text-decoration:line-through}</style><p class=h>10 mg",
    ] {
        check_text(source, "~~10 mg~~");
    }
    check_text("<s style='all:unset'>5 mg</s>", "5 mg");
}

#[test]
fn what_a_style_sheet_writes_is_noted() {
    for sign in ["-", "−", "‹", "<", ">", "✗", "± ", "\\2212", "nicht "] {
        check_unsure(
            &format!("<style>.m:before{{content:'{sign}'}}</style><p><b class=m>2,0</b> dpt"),
            "2,0 dpt",
        );
    }
    for css in [
        "li::marker{content:'kein '}",
        "ul{list-style-type:'kein '}",
        "@counter-style k{system:cyclic;symbols:x;prefix:'kein '}",
    ] {
        check_unsure(&format!("<style>{css}</style><ul><li>Marcumar</ul>"), "- Marcumar");
    }
    check_unsure("<ul style='list-style:\"kein \"'><li>Marcumar</ul>", "- Marcumar");
    check_text("<style>.c:after{content:'';clear:both}</style><p class=c>5 mg", "5 mg");
}

/// If only one of several can be chosen, the room shows the one a browser would.
#[test]
fn one_of_several_is_chosen() {
    let check_options = |options: &str, text: &str| {
        check_text(&format!("<select>{options}</select>"), text);
    };
    check_options("<option disabled>5 mg<option>10 mg", "( ) 5 mg (x) 10 mg");
    check_options(
        "<optgroup disabled label=alt><option>5 mg</optgroup><option>10 mg",
        "alt ( ) 5 mg\n(x) 10 mg",
    );
    check_options("<option selected>5 mg<option selected>10 mg", "( ) 5 mg (x) 10 mg");
    check_options("<option disabled selected>5 mg<option>10 mg", "(x) 5 mg ( ) 10 mg");
    check_options("<option disabled>5 mg", "( ) 5 mg");
    check_text("<select size=2><option>5 mg<option>10 mg</select>", "( ) 5 mg ( ) 10 mg");
    check_unsure(
        "<select><option hidden selected>Dosis<option>5 mg<option>10 mg</select>",
        "( ) 5 mg ( ) 10 mg",
    );
    check(
        "<form><input type=radio name=a checked>ja <input type=radio name=a checked>nein</form>",
        "( ) ja (x) nein",
        "( ) ja (x) nein",
    );
    check_text(
        "<form><input type=radio name=a checked>1</form><form><input type=radio name=a checked>2 \
         <input type=radio name=b checked>3 <input type=radio checked>4</form>",
        "(x) 1\n(x) 2 (x) 3 (x) 4",
    );
}

#[test]
fn the_value_of_a_scale_is_shown() {
    check_text("Schmerz <meter value=7 max=10></meter>", "Schmerz [7/10]");
    check_text("Kraft <progress value=3 max=5>3 von 5</progress>", "Kraft [3/5]3 von 5");
    check_text("<meter min=-5 value=2 max=5></meter>", "[2 (-5–5)]");
    check_text("<progress></progress>x", "x");
}

#[test]
fn what_encloses_a_formula_is_shown_or_noted() {
    check_text("<math><msqrt><mn>16</mn></msqrt></math>", "√(16)");
    check_text("<math><mroot><mn>16</mn><mn>3</mn></mroot></math>", "√(16) [3]");
    check_text(
        "<math><mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mi>c</mi></mfrac></math>",
        "(a+b)/c",
    );
    for (name, text) in [("menclose", "16"), ("mphantom", ""), ("mover", "16"), ("mfenced", "16")] {
        check_unsure(&format!("<math><{name}><mn>16</mn></{name}></math>"), text);
    }
}

#[test]
fn what_is_unfolded_is_not_folded_up() {
    check(
        "<details open><summary>Dosis</summary>Marcumar absetzen</details>",
        "<div><div>Dosis</div>Marcumar absetzen</div>",
        "Dosis\nMarcumar absetzen",
    );
    check(
        "<details><summary>Dosis</summary>5 mg</details>",
        "<details><summary>Dosis</summary>5 mg</details>",
        "Dosis\n5 mg",
    );
}
