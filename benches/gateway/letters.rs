//! The letters: what a practice gets, of one size, on either side.

/// Lines of a letter's text: with its head about 2 kB, as a short medical letter has.
const LINES: usize = 16;

/// A KIM letter of plain text.
pub(crate) fn letter(from: &str, to: &str, id: &str, answers: Option<&str>) -> String {
    let thread = answers.map_or_else(String::new, |earlier| {
        format!("In-Reply-To: <{earlier}>\r\nReferences: <{earlier}>\r\n")
    });
    format!(
        "From: \"Dr. Erik Muster\" <{from}>\r\nTo: <{to}>\r\nSubject: Befund\r\n\
         Message-ID: <{id}>\r\nDate: Mon, 23 Nov 2026 08:00:00 +0100\r\n{thread}\
         X-KIM-Dienstkennung: KIM-Mail;Default;V1.0\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{}",
        text(id)
    )
}

/// The words of a letter; they contain its id, so that no two letters are alike.
fn text(id: &str) -> String {
    let mut text = format!("Sehr geehrte Kollegin, sehr geehrter Kollege ({id}),\r\n");
    for line in 1..=LINES {
        text.push_str(&format!(
            "{line:02}. Über den weiteren Verlauf der Behandlung berichten wir Ihnen wie folgt: \
             ohne Befund.\r\n"
        ));
    }
    text
}

/// What a person answers.
pub(crate) fn answer(number: usize) -> String {
    format!("Vielen Dank für den Brief, wir melden uns bei der Patientin ({number}).")
}
