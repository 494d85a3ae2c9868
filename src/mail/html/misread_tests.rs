//! What browsers read otherwise than it seems.

use super::{
    meaning_tests::{check_text, check_unsure},
    *,
};

/// In a page without a doctype, as nearly all letters are, classes and ids are alike in any case
/// (HTML, "quirks mode"; Selectors §6.6).
#[test]
fn l138_classes_are_found_whatever_their_case_in_a_page_without_a_doctype() {
    const OLD: &str = "-//W3C//DTD HTML 4.01 Transitional//EN";
    let source = |doctype: &str| {
        format!(
            "{doctype}<style>.Weg,#Alt{{text-decoration:line-through}}</style>\
             <p>Ramipril <span class=weg>10 mg</span>, <b id=ALT>20 mg</b> 5 mg"
        )
    };
    for doctype in [
        "",
        "x<!doctype html>",
        "<!doctype>",
        "<!DOCTYPE html SYSTEM \"about:legacy-compat>",
        "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 3.2//EN\">",
        &format!("<!DOCTYPE HTML PUBLIC \"{OLD}\">"),
    ] {
        let text = render(&source(doctype)).text;
        assert!(text.ends_with("Ramipril ~~10 mg~~, ~~20 mg~~ 5 mg"), "{doctype}: {text}");
    }
    for doctype in [
        "<!doctype html>",
        " <!-- x --><!DOCTYPE HTML>",
        &format!("<!DOCTYPE HTML PUBLIC \"{OLD}\" \"http://www.w3.org/TR/html4/loose.dtd\">"),
        "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\" \"x\">",
    ] {
        check_text(&source(doctype), "Ramipril 10 mg, 20 mg 5 mg");
    }
}

/// Of several ancestors that fit, it need not be the nearest.
#[test]
fn l139_a_rule_is_found_by_an_ancestor_that_is_not_the_nearest() {
    for rule in [".alt > div span", "body > .alt > div div > span", ".alt div > div span"] {
        check_text(
            &format!(
                "<style>{rule}{{text-decoration:line-through}}</style><body><div class=alt>\
                 <div><div>Ramipril <span>10 mg</span> 5 mg</div></div></div>"
            ),
            "Ramipril ~~10 mg~~ 5 mg",
        );
    }
}

/// Lists that count backwards keep their own numbers, whatever stands before or in them.
#[test]
fn l144_a_list_that_counts_backwards_counts_its_own_items() {
    let list = "<ol reversed><li>drei<li>zwei<li>eins</ol>";
    let text = "3. drei\n2. zwei\n1. eins";
    check_text(&format!("<ol reversed style='display:none'><li>zwei</ol>{list}"), text);
    check_text(&format!("<script></script><template></template>{list}"), text);
    check_text(
        "<ol reversed><li>zwei<menu><li>x<li>y</menu><li>eins</ol>",
        "2. zwei\n  - x\n  - y\n1. eins",
    );
    check_text("<ol reversed><li>zwei</ul><li>eins</ol>", "2. zwei\n1. eins");
    let deep = format!("{}{}", "<ul>".repeat(70), "</ul>".repeat(70));
    check_text(&format!("<ol reversed><li>zwei{deep}<li>eins</ol>"), "2. zwei\n1. eins");
}

/// The direction is inherited, and `bdo` needs none of its own.
#[test]
fn l143_text_that_is_turned_by_what_is_around_it_is_noted() {
    for source in [
        "<p style='direction:rtl'><span style='unicode-bidi:bidi-override'>gm 01</span></p>",
        "<div dir=rtl><bdo>gm 01</bdo></div>",
        "<div dir=RTL><p><bdo><b>gm 01</b></bdo></p></div>",
        "<bdo dir=auto>gm 01</bdo>",
        "<bdo style='direction:rtl'>gm 01</bdo>",
        "<style>p{direction:rtl}b{unicode-bidi:isolate-override}</style><p><b>gm 01</b>",
        "<div dir=rtl style='unicode-bidi:bidi-override'>gm 01</div>",
        "<a dir=rtl style='unicode-bidi:bidi-override'>gm 01</a>",
    ] {
        check_unsure(source, "\u{FFFD}gm 01");
    }
    check_unsure("<style>b:last-child{unicode-bidi:bidi-override}</style><b>gm 01</b>", "gm 01");
    for source in [
        "<bdo>5 mg</bdo>",
        "<bdo dir=ltr>5 mg</bdo>",
        "<div dir=rtl><bdo dir=ltr>5 mg</bdo></div>",
        "<div dir=rtl><p style='direction:ltr'><bdo>5 mg</bdo></p></div>",
    ] {
        check_text(source, "5 mg");
    }
}

/// From right to left, a mail program shows the range `10 - 5` the other way round.
#[test]
fn l143a_text_that_is_moved_by_the_direction_around_it_is_noted() {
    check_unsure("<div dir=rtl>10 - 5 mg</div>", "10 - 5 mg");
    check_unsure("<html style='direction:rtl'><b>&lt;5</b>", "<5");
    check_text("<div dir=rtl>\u{5E9}\u{5DC} 10 - 5 <b>7</b></div>", "\u{5E9}\u{5DC} 10 - 5 7");
    check_text("<div dir=ltr>10 - 5 mg</div>", "10 - 5 mg");
}
