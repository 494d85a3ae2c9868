//! Values stay beside their names and below their headers.

use super::meaning_tests::check_text;

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
