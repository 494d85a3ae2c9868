//! What browsers read otherwise than it seems.

use super::{meaning_tests::check_text, *};

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
