use super::*;
use crate::channel::{AreaCode, Country};

fn home() -> Home {
    Home { country: Country::new("DE").unwrap(), area: AreaCode::new("030").ok() }
}

/// Every number of the book with its name, and the faults.
fn shown(file: &[u8]) -> (Vec<String>, Vec<(u64, WhyNoEntry)>) {
    let BookRead { book, faults, faults_in_all } = AddressBook::read(file, &home());
    assert!(faults_in_all >= faults.len() as u64);
    let entry = |(number, name): (&FaxNumber, &String)| format!("{} {name}", number.as_str());
    (
        book.names.iter().map(entry).collect(),
        faults.iter().map(|fault| (fault.line, fault.why)).collect(),
    )
}

fn check(file: &str, entries: &[&str], faults: &[(u64, WhyNoEntry)]) {
    let (read, at_fault) = shown(file.as_bytes());
    assert_eq!(read, entries, "{file}");
    assert_eq!(at_fault, faults, "{file}");
}

const WEISS: &str = "+49305550123 Praxis Dr. Weiß";
const LABOR: &str = "+49895550124 Labor Süd";

#[test]
fn fax_8_columns_with_and_without_headings_are_read() {
    for file in [
        "Name;Fax\nPraxis Dr. Weiß;030 5550123\nLabor Süd;+49 89 5550124\n",
        "Name,Fax\r\nPraxis Dr. Weiß,030 5550123\r\nLabor Süd,+49 89 5550124",
        "030 5550123;Praxis Dr. Weiß\n089/5550124;Labor Süd\n",
        "Praxis Dr. Weiß\t5550123\nLabor Süd\t0049895550124\n",
        "\"Praxis Dr. Weiß\",\"030 5550123\"\n\"Labor Süd\",\"089 5550124\"\n",
        "\n\nName;Telefon;Faxnummer\nPraxis Dr. Weiß;030 5550199;030 5550123\nLabor Süd;;089 5550124\n",
        "Vorname;Nachname;Firma;Fax geschäftlich;Telefon\n;Weiß;Praxis Dr. Weiß;0305550123;1\nSüd;x;Labor  Süd;0895550124;2\n",
        "Name;Rufnummer\nPraxis Dr. Weiß;030 5550123\nLabor Süd;089 5550124\n",
    ] {
        check(file, &[WEISS, LABOR], &[]);
    }
    check("Vorname;Nachname;Fax\nJana;Weiß;0305550123\n", &["+49305550123 Jana Weiß"], &[]);
    // Who has no fax is no mistake.
    check("Name;Fax\nPraxis Dr. Weiß;030 5550123\nNina Ohne;\n;\n", &[WEISS], &[]);
    check("", &[], &[]);
}

#[test]
fn fax_8_files_of_german_spreadsheets_are_read_in_their_characters() {
    let text = "Name;Fax\nPraxis Dr. Weiß;030 5550123\n";
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let marked = [b"\xEF\xBB\xBF", text.as_bytes()].concat();
    let wide: Vec<u8> =
        [0xFEFF_u16].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for file in [latin, marked, wide] {
        assert_eq!(shown(&file), (vec![WEISS.to_owned()], vec![]));
    }
}

#[test]
fn fax_8_vcards_of_three_versions_are_read() {
    check(
        "BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Wei=C3=9F;Jana\r\n\
         FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Praxis =\r\nDr. Wei=C3=9F\r\n\
         TEL;WORK;VOICE:030 5550199\r\nTEL;WORK;FAX:030 5550123\r\nEND:VCARD\r\n\
         BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Labor\r\n  Süd\r\nitem1.TEL;type=WORK;type=FAX:089 555\r\n 0124\r\n\
         PHOTO;ENCODING=b:AAAA\r\nEND:VCARD\r\n",
        &[WEISS, LABOR],
        &[],
    );
    check(
        "begin:vcard\nVERSION:4.0\nFN:Praxis Dr. Weiß\nTEL;VALUE=uri;TYPE=\"voice,fax\":tel:+49-30-5550123\nEND:VCARD\n\
         BEGIN:VCARD\nORG:Labor Süd;Befunde\nTEL:+49 89 5550124\nEND:VCARD\n",
        &[WEISS, LABOR],
        &[],
    );
    // Several faxes have the one name; who has only telephones is passed over.
    check(
        "BEGIN:VCARD\nFN:Klinik\\, Haus A\nTEL;TYPE=home,fax:030 5550123\nTEL;FAX:030 5550124\nTEL;CELL:0151 12345678\n\
         END:VCARD\nBEGIN:VCARD\nFN:Ohne\nTEL;CELL:0151 12345678\nEND:VCARD\n",
        &["+49305550123 Klinik, Haus A", "+49305550124 Klinik, Haus A"],
        &[],
    );
    let german = "BEGIN:VCARD\nFN;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:Wei=DF\nTEL;FAX:0305550123\nEND:VCARD";
    check(german, &["+49305550123 Weiß"], &[]);
}

#[test]
fn fax_8_what_cannot_be_used_is_told_with_its_line() {
    check(
        "Name;Fax\nPraxis Dr. Weiß;030 5550123\nOhne Vorwahl;47\n;089 5550199\nPraxis Dr. Weiß;+49305550123\nAndere;030/5550123\nLabor Süd;089 5550124\n",
        &[WEISS, LABOR],
        &[(3, WhyNoEntry::NoNumber), (4, WhyNoEntry::NoName), (6, WhyNoEntry::Twice { line: 2 })],
    );
    check("Praxis Dr. Weiß\nLabor", &[], &[(1, WhyNoEntry::NoNumber), (2, WhyNoEntry::NoNumber)]);
    check("BEGIN:VCARD\nFN:Weiß\nTEL;FAX:anonym\nEND:VCARD", &[], &[(3, WhyNoEntry::NoNumber)]);
    let open = format!("Name;Fax\n\"Weiß;0305550123\n{}", "x;0305550124\n".repeat(200));
    check(&open, &[], &[(2, WhyNoEntry::Broken)]);
    // More than are told.
    let many = "Name;Fax\n".to_owned() + &"x;1\n".repeat(99);
    let read = AddressBook::read(many.as_bytes(), &home());
    assert_eq!((read.faults.len(), read.faults_in_all), (BOOK_FAULTS_TOLD, 99));
}

/// A name can neither hide its number nor pass for another one or for a user.
#[test]
fn fax_8_a_name_that_deceives_is_left_out() {
    for name in [
        "+49 30 5550999",
        "Praxis 030/5550999",
        "@anna:praxis.example",
        "Weiß\u{202E}",
        "Weiß\u{200B}",
        "Praxis (www.boese.example)",
    ] {
        check(&format!("Name;Fax\n{name};0305550123\n"), &[], &[(2, WhyNoEntry::NotShown)]);
    }
    let long = format!("Name;Fax\n{};0305550123\n", "x".repeat(900));
    check(&long, &[&format!("+49305550123 {}", "x".repeat(60))], &[]);
}

proptest::proptest! {
    #[test]
    fn no_file_makes_it_panic(file: Vec<u8>, text in "(BEGIN:VCARD)?[A-Z;:=,\\n \"0-9-]{0,200}") {
        AddressBook::read(&file, &home());
        AddressBook::read(text.as_bytes(), &home());
    }
}

#[test]
fn a_book_has_its_limits() {
    let rows: String =
        (0..BOOK_NUMBERS_MAX + 5).map(|at| format!("Praxis;030 5{:06}\n", at)).collect();
    let read = AddressBook::read(rows.as_bytes(), &home());
    assert_eq!(read.book.len(), BOOK_NUMBERS_MAX);
    assert_eq!(read.faults_in_all, 5);
}
