//! Values stay beside their names and below their headers.

use super::{
    meaning_tests::{check, check_text},
    *,
};

/// Where a cell has several lines, the text does not put its last line beside the first one of the
/// next cell: that is another one's value.
#[test]
fn l137_lines_of_cells_stand_beside_none_of_another_row() {
    for (source, text) in [
        ("<td>Kalium<br>Natrium<td>6,9<br>140", "Kalium\t6,9\nNatrium\t140"),
        ("<td><p>Kalium</p><p>Natrium</p><td><p>6,9</p><p>140</p>", "Kalium\t6,9\n\nNatrium\t140"),
        (
            "<td><div>Kalium</div><div>Natrium</div><td><div>6,9</div><div>140</div>",
            "Kalium\t6,9\nNatrium\t140",
        ),
        (
            "<td>Kalium<br>Natrium<td>6,9<br>140<td>mmol<br>mmol",
            "Kalium\t6,9\tmmol\nNatrium\t140\tmmol",
        ),
        ("<td>Diagnose<td>Angina<br>Fieber", "Diagnose\tAngina\n\tFieber"),
        ("<td>Diagnose<td>Angina<br>Fieber<td>neu", "Diagnose\tAngina\n\tFieber\n\t\tneu"),
        // Its place depends on how the row is centred.
        ("<td>Kalium<br>Natrium<td>6,9", "Kalium\nNatrium\n\t6,9"),
        ("<td>a<br>b<br>c<td>1<br>2", "a\nb\nc\n\t1\n\t2"),
        // Empty lines count.
        ("<td><br>Natrium<td>6,9<br>140", "\t6,9\nNatrium\t140"),
        ("<td>Kalium<td><br>140", "Kalium\n\t140"),
        ("<td>a<br><br>c<td>1<br>2<br>3", "a\t1\n\t2\nc\t3"),
        ("<td>a<br><br><br><br>b<td>1<br>2<br>3", "a\n\nb\n\t1\n\t2\n\t3"),
        ("<td><td>heute<br>gestern<td>neu<br>alt", "\theute\tneu\n\tgestern\talt"),
        ("<td>a<td><ul><li>b<li>c</ul>", "a\t- b\n\t- c"),
        ("<td>a<td><ul><li>b<ul><li>c</ul></ul>", "a\t- b\n\t  - c"),
        ("<td>a<td><blockquote>b<br>c</blockquote>", "a\t> b\n\t> c"),
        ("<td>a<br>b<td><s>1<br>2</s>", "a\t~~1~~\nb\t~~2~~"),
        ("<td>a<br>b<td>1<sup>9<br>2</sup>", "a\t1^9\nb\t^2"),
        ("<td><pre>a\nb</pre><td><pre>1\n2</pre>", "a\t1\nb\t2"),
        // A table for each column.
        (
            "<td><table><tr><td>a<tr><td>b</table><td><table><tr><td>1<tr><td>2</table>",
            "a\t1\nb\t2",
        ),
        ("<td><table><tr><td>a<br>b<td>1<br>2</table>", "a\t1\nb\t2"),
        ("<td>x<td><table><tr><td><br>b<td>1<br>2</table>", "x\t\t1\n\tb\t2"),
        ("<td>x<td><table><tr><td><tr><td>1</table>", "x\n\t1"),
    ] {
        check_text(&format!("<table><tr>{source}</table>"), text);
        check_text(&format!("Labor<table><tr>{source}</table>x"), &format!("Labor\n\n{text}\n\nx"));
        let quoted = text.replace('\n', "\n> ").replace("> \n", ">\n");
        check_text(
            &format!("<blockquote><table><tr>{source}</table></blockquote>"),
            &format!("> {quoted}"),
        );
    }
    // In a column that may be too narrow for them, nobody knows what is beside what.
    let long = "mmol ".repeat(20);
    let long = long.trim_end();
    check_text(
        &format!("<table><tr><td>a<br>b<td>{long}<br>2</table>"),
        &format!("a\nb\n\t{long}\n\t2"),
    );
    check_text("<ul><li><table><tr><td>a<br>b<td>1<br>2</table></ul>", "- a\t1\n  b\t2");
}

/// Which option is the chosen one may become clear after its line has moved.
#[test]
fn l137_a_choice_in_lines_of_cells_stays_where_it_was_made() {
    let radio = "<input type=radio name=a checked>";
    check_text(
        &format!("<table><tr><td>{radio}a<br>b<td>1<br>{radio}2<tr><td>{radio}x</table>"),
        "( ) a\t1\nb\t( ) 2\n(x) x",
    );
    check_text(
        &format!(
            "<table><tr><td>a<br>{radio}b<td>1<br><input type=radio name=b checked>2</table>{radio}x"
        ),
        "a\t1\n( ) b\t(x) 2\n\n(x) x",
    );
}

/// A cell grows to the end of its group of rows at most (HTML, "ending a row group"): in the next
/// group, a value would stand in another one's column.
#[test]
fn l140_a_cell_does_not_reach_into_another_group_of_rows() {
    check_text(
        "<table><thead><tr><th rowspan=2>Wert<th>heute<th>gestern</tr></thead>\
         <tbody><tr><td>Kalium<td>3,9<td>6,8</tr></tbody></table>",
        "Wert\theute\tgestern\nKalium\t3,9\t6,8",
    );
    check_text(
        "<table><tbody><tr><td rowspan=9>Mo<td>5</tbody><tr><td>Di<td>7</table>",
        "Mo\t5\nDi\t7",
    );
    check_text(
        "<table><tr><td rowspan=9>Mo<td>5<tr><td>6<tfoot><tr><td>Di<td>7</table>",
        "Mo\t5\n\t6\nDi\t7",
    );
    check(
        "<table><tbody><tr><td rowspan=0>Mo<td>5</tr><tr><td>6</tr></tbody>\
         <tbody><tr><td>Di<td>7</tr></tbody></table>",
        "<table><tbody><tr><td>Mo</td><td>5</td></tr><tr><td></td><td>6</td></tr></tbody>\
         <tbody><tr><td>Di</td><td>7</td></tr></tbody></table>",
        "Mo\t5\n\t6\nDi\t7",
    );
}

/// Browsers read a number up to what is none.
#[test]
fn l141_spans_and_starts_are_read_as_browsers_read_them() {
    for span in ["2px", " 2", "+2", "2.9", "\t2 rows", "02"] {
        check_text(
            &format!("<table><tr><td rowspan=\"{span}\">Mo<td>5</tr><tr><td>6</tr></table>"),
            "Mo\t5\n\t6",
        );
    }
    for span in ["-2", "x2", "", "1", "--2", "\u{A0}2"] {
        check_text(
            &format!("<table><tr><td rowspan=\"{span}\">Mo<td>5</tr><tr><td>6</tr></table>"),
            "Mo\t5\n6",
        );
    }
    check_text("<table><tr><td rowspan=99999999999999999999>a<td>5<tr><td>6</table>", "a\t5\n\t6");
    check_text("<ol start=\"3.\"><li>a</ol>", "3. a");
    check_text("<ol start=-3><li>a</ol>", "-3. a");
}

/// However deep a table stands, as in the quotations of a long thread, and however many cells span
/// several columns: an empty cell keeps its place, or it is noted that it does not.
#[test]
fn l142_a_value_keeps_its_column_in_tables_that_are_deep_long_or_wide() {
    let deep = "<div>".repeat(61);
    let table = "<table><tr><th>Wert<th>heute<th>gestern<tr><td>Kalium<td><td>4,1</table>";
    let rendered = render(&format!("{deep}{table}"));
    assert_eq!(rendered.text, "Wert\theute\tgestern\nKalium\t\t4,1");
    assert!(rendered.is_unsure);
    // What only encloses a letter has no columns.
    check_text(&format!("{deep}<table><tr><td>5 mg</table>"), "5 mg");

    let row = "<tr><td colspan=2>Kalium<td>4,1";
    let source = format!("<table><tr><th>Wert<th>heute<th>gestern{}</table>", row.repeat(1_100));
    let rendered = render(&source);
    assert_eq!(rendered.html, None);
    assert!(rendered.text.lines().skip(1).all(|line| line == "Kalium\t\t4,1"));

    check_text(
        "<table><tr><td colspan=100>Labor<tr><td>Kalium<td>4,1</table>",
        "Labor\nKalium\t4,1",
    );
    assert!(render("<table><tr><td colspan=100>Kalium<td>4,1</table>").is_unsure);
}
