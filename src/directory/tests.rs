//! The question, the answers, and servers that answer something else. Names cite the KIM requirement.

use bytes::BytesMut;
use ldap3_proto::{
    LdapCodec,
    proto::{
        LdapBindResponse, LdapFilter, LdapMsg, LdapOp, LdapPartialAttribute, LdapResult,
        LdapResultCode, LdapSearchResultEntry, LdapSearchResultReference, LdapSubstringFilter,
    },
};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_util::codec::{Decoder as _, Encoder as _};

use super::*;
use crate::{
    directory::session::{MESSAGE_BYTES_MAX, MESSAGES_MAX, SESSION_BYTES_MAX},
    model::KimEntry,
};

const ADDRESS: &str = "praxis@mueller.kim.telematik";

fn address() -> MailAddress {
    MailAddress::new(ADDRESS).unwrap()
}

fn entry(attributes: &[(&str, &[&str])]) -> LdapSearchResultEntry {
    let attributes = attributes.iter().map(|(name, values)| LdapPartialAttribute {
        atype: (*name).to_owned(),
        vals: values.iter().map(|value| value.as_bytes().to_vec()).collect(),
    });
    LdapSearchResultEntry {
        dn: "uid=1,dc=data,dc=vzd".to_owned(),
        attributes: attributes.collect(),
    }
}

/// Version, whether large mails are taken, Telematik-ID and name.
type EntrySays<'a> = (Option<&'a str>, bool, Option<&'a str>, Option<&'a str>);

#[track_caller]
fn check_all(entries: &[LdapSearchResultEntry], expected: Option<EntrySays<'_>>) {
    let listing = entry::listing(entries, &address());
    let said = match &listing {
        Listing::NotListed => None,
        Listing::Listed(KimEntry { version, takes_large, telematik_id, display_name }) => Some((
            version.as_ref().map(|version| version.as_str()),
            *takes_large,
            telematik_id.as_deref(),
            display_name.as_deref(),
        )),
    };
    assert_eq!(said, expected, "{entries:?}");
}

#[track_caller]
fn check(attributes: &[(&str, &[&str])], expected: Option<EntrySays<'_>>) {
    check_all(&[entry(attributes)], expected);
}

/// One row of `kimData`: the version that is read, and whether large mails are taken.
#[track_caller]
fn check_row(row: &str, version: Option<&str>, takes_large: bool) {
    check(&[("mail", &[ADDRESS]), ("kimData", &[row])], Some((version, takes_large, None, None)));
}

#[test]
fn kim_35_every_form_of_kim_data_is_read() {
    check_row("praxis@mueller.kim.telematik,1.5", Some("1.5"), false);
    check_row("praxis@mueller.kim.telematik,1.5+", Some("1.5"), true);
    check_row("praxis@mueller.kim.telematik,1.5+,", Some("1.5"), true);
    check_row("praxis@mueller.kim.telematik,1.5+,eAU;1.0|eEB;1.1", Some("1.5"), true);
    check_row("praxis@mueller.kim.telematik,1.5,KIM-Mail;Default;V1.0", Some("1.5"), false);
    check_row("praxis@mueller.kim.telematik,1.0", Some("1.0"), false);
    check_row("praxis@mueller.kim.telematik,2.0.1+", Some("2.0.1"), true);
    check_row("Praxis@Mueller.KIM.telematik , 1.5+ , x", Some("1.5"), true);
}

#[test]
fn kim_27_in_doubt_large_mails_are_not_taken() {
    check_row("praxis@mueller.kim.telematik", None, false);
    check_row("praxis@mueller.kim.telematik,", None, false);
    check_row("praxis@mueller.kim.telematik,+", None, false);
    check_row("praxis@mueller.kim.telematik,1.5++", None, false);
    check_row("praxis@mueller.kim.telematik,neu+", None, false);
    check_row("praxis@mueller.kim.telematik,,1.5+", None, false);
    check_row("praxis@mueller.kim.telematik,1.5,1.5+", Some("1.5"), false);
    // Two rows that contradict each other.
    let both: &[&str] = &["praxis@mueller.kim.telematik,1.5+", "praxis@mueller.kim.telematik,1.0"];
    check(&[("kimData", both)], Some((None, false, None, None)));
}

#[test]
fn kim_35_the_row_of_another_address_says_nothing() {
    let others: &[&str] = &[
        "labor@mueller.kim.telematik,1.5+",
        "praxis@mueller.kim.telematik-test,1.5+",
        "praxis@mueller.kim.telematikx,1.5+",
        "xpraxis@mueller.kim.telematik,1.5+",
        "1.5+,praxis@mueller.kim.telematik",
    ];
    check(&[("kimData", others), ("mail", &["labor@mueller.kim.telematik"])], None);
    check(&[("kimData", others), ("mail", &[ADDRESS])], Some((Some("1.0"), false, None, None)));
}

#[test]
fn kim_35_older_entries_say_the_version_in_kom_le_data_or_not_at_all() {
    let older = |rows| [("mail", &[ADDRESS] as &[&str]), ("komLeData", rows)];
    let said = |version| Some((Some(version), false, None, None));
    check(&older(&["1.5,praxis@mueller.kim.telematik"]), said("1.5"));
    check(&older(&["1.5,labor@mueller.kim.telematik"]), said("1.0"));
    check(&older(&["praxis@mueller.kim.telematik,1.5"]), said("1.0"));
    check(&older(&[]), said("1.0"));
    // The newer attribute wins.
    let rows = [
        ("komLeData", &["1.0,praxis@mueller.kim.telematik"] as &[&str]),
        ("kimData", &["praxis@mueller.kim.telematik,1.5"]),
    ];
    check(&rows, said("1.5"));
}

#[test]
fn kim_35_names_of_attributes_have_no_case_and_may_have_options() {
    let rows = [
        ("MAIL", &[ADDRESS] as &[&str]),
        ("kimdata;x-option", &["praxis@mueller.kim.telematik,1.5+"]),
        ("telematikid", &["5-SMC-B-1234"]),
        ("displayname", &["Praxis Müller"]),
    ];
    check(&rows, Some((Some("1.5"), true, Some("5-SMC-B-1234"), Some("Praxis Müller"))));
}

#[test]
fn kim_35_what_an_entry_says_is_made_safe() {
    let named = |name: &str, expected: Option<&str>| {
        let rows = [("mail", &[ADDRESS] as &[&str]), ("displayName", &[name])];
        check(&rows, Some((Some("1.0"), false, None, expected)));
    };
    named("Praxis\r\nMüller\u{1b}[2J", Some("Praxis Müller[2J"));
    named("Praxis\u{202E}relleüM\u{200B}", Some("PraxisrelleüM"));
    named("\u{0}\u{202D}", None);
    named("", None);
    named(&"ä".repeat(5_000), Some(&"ä".repeat(200)));
    let id = |id: &str, expected: Option<&str>| {
        let rows = [("mail", &[ADDRESS] as &[&str]), ("telematikID", &[id])];
        check(&rows, Some((Some("1.0"), false, expected, None)));
    };
    id("5-SMC-B-Testkarte-883110000092568", Some("5-SMC-B-Testkarte-883110000092568"));
    for other in ["", "5 1", "5\n1", "5ü", "<b>", &"1".repeat(129)] {
        id(other, None);
    }
    // Two names of one entry: which is meant is not known.
    let rows = [("mail", &[ADDRESS] as &[&str]), ("displayName", &["A", "B"])];
    check(&rows, Some((Some("1.0"), false, None, None)));
}

#[test]
fn kim_35_several_entries_say_what_they_agree_on() {
    let of = |id: &str, row: &str| {
        entry(&[("kimData", &[row]), ("telematikID", &[id]), ("displayName", &["Praxis"])])
    };
    let (plus, none) = ("praxis@mueller.kim.telematik,1.5+", "praxis@mueller.kim.telematik,1.5");
    check_all(&[of("1", plus), of("1", plus)], Some((Some("1.5"), true, Some("1"), None)));
    check_all(&[of("1", plus), of("2", none)], Some((Some("1.5"), false, None, None)));
    // What was found for another reason is no second entry.
    let other = entry(&[("mail", &["labor@mueller.kim.telematik"])]);
    check_all(&[other, of("1", plus)], Some((Some("1.5"), true, Some("1"), Some("Praxis"))));
}

proptest! {
    /// Nothing in an address ends its value or widens the search: what a server reads is one filter of
    /// two parts, each with the address in it.
    #[test]
    fn kim_35_no_address_changes_the_filter(
        local in "[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}",
        domain in "[a-z0-9._-]{1,60}",
    ) {
        let text = format!("{local}@{domain}.kim.telematik");
        let address = MailAddress::new(&text).unwrap();
        let op = LdapOp::SearchRequest(question::about("dc=data,dc=vzd", &address));
        let mut bytes = BytesMut::new();
        let mut codec = LdapCodec::default();
        codec.encode(LdapMsg { msgid: 1, op, ctrl: Vec::new() }, &mut bytes).unwrap();
        let read = codec.decode(&mut bytes).unwrap().unwrap();
        prop_assert!(bytes.is_empty());
        let LdapOp::SearchRequest(search) = read.op else { panic!("a search") };
        let beginning =
            LdapSubstringFilter { initial: Some(format!("{text},")), any: vec![], final_: None };
        prop_assert_eq!(search.filter, LdapFilter::Or(vec![
            LdapFilter::Equality("mail".to_owned(), text),
            LdapFilter::Substring("kimData".to_owned(), beginning),
        ]));
        prop_assert_eq!(search.base, "dc=data,dc=vzd");
        prop_assert_eq!(search.sizelimit, 5);
    }

    /// Whatever an entry holds, it is read.
    #[test]
    fn kim_35_no_value_breaks_the_reading(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6),
        row in "(praxis@mueller.kim.telematik)?[,+ 0-9.a-z|;]{0,20}",
    ) {
        let mut entry = entry(&[("kimData", &[&row])]);
        for name in ["mail", "kimData", "komLeData", "telematikID", "displayName"] {
            entry.attributes.push(LdapPartialAttribute { atype: name.to_owned(), vals: values.clone() });
        }
        let listing = entry::listing(&[entry], &address());
        if let Listing::Listed(KimEntry { takes_large: true, .. }) = listing {
            prop_assert!(row.contains('+'), "{row}");
        }
    }

    /// Whatever a server sends, the question ends.
    #[test]
    fn kim_35_no_bytes_break_the_session(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let answered = in_runtime(async {
            let (ours, mut theirs) = duplex(64 * 1024);
            theirs.write_all(&bytes).await.unwrap();
            theirs.shutdown().await.unwrap();
            look_up(ours, BASE_DEFAULT, &address()).await
        });
        prop_assert!(answered.is_err());
    }
}

fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

// Servers.

fn result(code: LdapResultCode) -> LdapResult {
    let (matcheddn, message) = (String::new(), format!("about {ADDRESS}"));
    LdapResult { code, matcheddn, message, referral: Vec::new() }
}

fn bound(code: LdapResultCode) -> LdapOp {
    LdapOp::BindResponse(LdapBindResponse { res: result(code), saslcreds: None })
}

fn done(code: LdapResultCode) -> LdapOp {
    LdapOp::SearchResultDone(result(code))
}

fn found(plus: &str) -> LdapOp {
    let row = format!("{ADDRESS},1.5{plus}");
    LdapOp::SearchResultEntry(entry(&[("mail", &[ADDRESS]), ("kimData", &[&row])]))
}

fn bytes_of(id: i32, op: LdapOp) -> BytesMut {
    let mut bytes = BytesMut::new();
    LdapCodec::default().encode(LdapMsg { msgid: id, op, ctrl: Vec::new() }, &mut bytes).unwrap();
    bytes
}

/// A server that has bound, then answers the search with these bytes as often as `times` says, and hangs
/// up.
async fn after_bind(answer: &[u8], times: usize) -> Result<Listing, DirectoryError> {
    let ((ours, theirs), address) = (duplex(64 * 1024), address());
    let (asked, ()) = tokio::join!(look_up(ours, BASE_DEFAULT, &address), async {
        let mut theirs = theirs;
        request(&mut theirs).await;
        theirs.write_all(&bytes_of(1, bound(LdapResultCode::Success))).await.unwrap();
        request(&mut theirs).await;
        for _ in 0..times {
            // The question may be over before all of it has come.
            if theirs.write_all(answer).await.is_err() {
                return;
            }
        }
    });
    asked
}

async fn request(stream: &mut DuplexStream) {
    let mut bytes = [0; 4096];
    assert!(stream.read(&mut bytes).await.unwrap() > 0);
}

async fn answered(ops: Vec<LdapOp>) -> Result<Listing, DirectoryError> {
    let bytes: Vec<u8> = ops.into_iter().flat_map(|op| bytes_of(2, op)).collect();
    after_bind(&bytes, 1).await
}

#[tokio::test]
async fn kim_35_only_a_search_that_ended_well_says_not_listed() {
    use LdapResultCode::{
        AdminLimitExceeded, Busy, NoSuchObject, Referral, SizeLimitExceeded, Success,
        TimeLimitExceeded, Unavailable,
    };
    let refers = || {
        let uris = vec!["ldap://other.example/dc=data".to_owned()];
        LdapOp::SearchResultReference(LdapSearchResultReference { uris })
    };
    assert_eq!(answered(vec![done(Success)]).await.unwrap(), Listing::NotListed);
    assert!(matches!(answered(vec![found("+"), done(Success)]).await, Ok(Listing::Listed(_))));
    let more = vec![found(""), refers(), done(SizeLimitExceeded)];
    assert!(matches!(answered(more).await, Ok(Listing::Listed(_))));
    for code in [AdminLimitExceeded, Busy, TimeLimitExceeded, Unavailable, SizeLimitExceeded] {
        let refused = answered(vec![done(code.clone())]).await;
        assert!(matches!(refused, Err(DirectoryError::Refused { .. })), "{code:?} {refused:?}");
    }
    let no_base = answered(vec![done(NoSuchObject)]).await;
    assert!(matches!(no_base, Err(DirectoryError::NoSuchBase)), "{no_base:?}");
    for elsewhere in [vec![done(Referral)], vec![refers(), done(Success)]] {
        let elsewhere = answered(elsewhere).await;
        assert!(matches!(elsewhere, Err(DirectoryError::Elsewhere)), "{elsewhere:?}");
    }
    // Hung up before the end: what came does not count.
    let cut = answered(vec![found("+")]).await;
    assert!(matches!(cut, Err(DirectoryError::Closed)), "{cut:?}");
}

/// Other entries than the one that was asked for, and more that were left out: that says nothing.
#[tokio::test]
async fn l194_what_was_cut_off_before_the_address_came_is_not_called_not_listed() {
    let other = || {
        let row = "labor@mueller.kim.telematik,1.5+";
        LdapOp::SearchResultEntry(entry(&[
            ("mail", &["labor@mueller.kim.telematik"]),
            ("kimData", &[row]),
        ]))
    };
    let uris = vec!["ldap://other.example/dc=data".to_owned()];
    let refers = LdapOp::SearchResultReference(LdapSearchResultReference { uris });
    for cut in [
        vec![other(), done(LdapResultCode::SizeLimitExceeded)],
        vec![other(), other(), other(), other(), other(), found("+")],
        vec![other(), refers, done(LdapResultCode::Success)],
    ] {
        let answered = answered(cut).await;
        assert!(!matches!(answered, Ok(Listing::NotListed)), "{answered:?}");
    }
}

#[tokio::test]
async fn kim_35_an_answer_is_bounded() {
    // Entries without end.
    let many = after_bind(&bytes_of(2, found("+")), 100_000).await;
    assert!(matches!(many, Ok(Listing::Listed(_))), "{many:?}");
    // References without end.
    let uris = vec!["ldap://other.example".to_owned()];
    let refers = LdapOp::SearchResultReference(LdapSearchResultReference { uris });
    let many = after_bind(&bytes_of(2, refers), MESSAGES_MAX * 10).await;
    assert!(matches!(many, Err(DirectoryError::TooMuch)), "{many:?}");
    // A message that announces a gigabyte, and begins to come.
    let mut endless = vec![0x30, 0x84, 0x40, 0, 0, 0];
    endless.resize(64 * 1024, 0x30);
    let much = after_bind(&endless, SESSION_BYTES_MAX / endless.len() * 2).await;
    assert!(matches!(much, Err(DirectoryError::TooMuch)), "{much:?}");
    // Nested as deeply as fits.
    let mut deep = Vec::new();
    while deep.len() < MESSAGE_BYTES_MAX / 4 {
        let length = u32::try_from(deep.len()).unwrap().to_be_bytes();
        deep.splice(0..0, [0x30, 0x84].into_iter().chain(length));
        if deep.len() > 30_000 {
            break;
        }
    }
    let nested = after_bind(&deep, 1).await;
    assert!(matches!(nested, Err(DirectoryError::Protocol)), "{nested:?}");
}

#[tokio::test]
async fn kim_35_an_answer_to_something_else_is_none() {
    let other_id = after_bind(&bytes_of(7, done(LdapResultCode::Success)), 1).await;
    assert!(matches!(other_id, Err(DirectoryError::Protocol)), "{other_id:?}");
    let goodbye = after_bind(&bytes_of(0, done(LdapResultCode::Success)), 1).await;
    assert!(matches!(goodbye, Err(DirectoryError::Closed)), "{goodbye:?}");
    let other_op = answered(vec![bound(LdapResultCode::Success)]).await;
    assert!(matches!(other_op, Err(DirectoryError::Protocol)), "{other_op:?}");
}

#[tokio::test]
async fn kim_36_no_error_repeats_the_directory_s_words() {
    let refused = answered(vec![done(LdapResultCode::Busy)]).await.unwrap_err();
    let said = format!("{refused} {refused:?}");
    assert!(said.contains("51") && !said.contains("mueller"), "{said}");
}

#[tokio::test]
async fn kim_35_the_probe_asks_for_the_base_alone() {
    let (ours, theirs) = duplex(64 * 1024);
    let (probed, asked) = tokio::join!(probe(ours, "dc=data,dc=vzd"), async {
        let mut theirs = theirs;
        request(&mut theirs).await;
        theirs.write_all(&bytes_of(1, bound(LdapResultCode::Success))).await.unwrap();
        let mut bytes = BytesMut::new();
        theirs.read_buf(&mut bytes).await.unwrap();
        let asked = LdapCodec::default().decode(&mut bytes).unwrap().unwrap();
        theirs.write_all(&bytes_of(2, done(LdapResultCode::Success))).await.unwrap();
        asked.op
    });
    probed.unwrap();
    let LdapOp::SearchRequest(search) = asked else { panic!("{asked:?}") };
    assert_eq!((search.base.as_str(), search.sizelimit), ("dc=data,dc=vzd", 1));
    assert_eq!(search.attrs, ["1.1"]);
}

/// A value in BER, its length in four bytes, as Active Directory writes each of them.
fn long_form(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x84][..], &length, content].concat()
}

/// An attribute with values that need be no text.
fn attribute(name: &str, values: &[&[u8]]) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(|value| long_form(0x04, value)).collect();
    long_form(0x30, &[long_form(0x04, name.as_bytes()), long_form(0x31, &values)].concat())
}

/// Entries of other servers than ours: long lengths, values that are no text, attributes and entries without
/// any, names and addresses in capitals, references between them.
#[tokio::test]
async fn b96_entries_are_read_as_other_servers_write_them() {
    let message = |op: Vec<u8>| long_form(0x30, &[long_form(0x02, &[2]), op].concat());
    let entry = |attributes: &[Vec<u8>]| {
        let attributes = long_form(0x30, &attributes.concat());
        message(long_form(0x64, &[long_form(0x04, b"cn=a,dc=vzd"), attributes].concat()))
    };
    let done = [long_form(0x0A, &[0]), long_form(0x04, b""), long_form(0x04, b"")].concat();
    let done = message(long_form(0x65, &done));
    let refers = message(long_form(0x73, &long_form(0x04, b"ldap://other.example/dc=vzd")));
    let (mail, row) = (ADDRESS.to_uppercase(), format!("{},1.5+", ADDRESS.to_uppercase()));
    let whole = entry(&[
        attribute("objectGUID", &[&[0xE4, 0x41, 0xBA, 0x85, 0xB7, 0xE3]]),
        attribute("userCertificate;binary", &[]),
        attribute("MAIL", &[&[0xFF, 0xFE], mail.as_bytes()]),
        attribute("kimdata", &[row.as_bytes()]),
        attribute("telematikID", &[b"1-2.3"]),
        attribute("telematikID;x-old", &[&[0xFF]]),
    ]);
    let answer = [refers.clone(), entry(&[]), whole, refers, done].concat();
    let Ok(Listing::Listed(listed)) = after_bind(&answer, 1).await else {
        panic!("it is listed");
    };
    assert!(listed.takes_large);
    assert_eq!(listed.telematik_id.as_deref(), Some("1-2.3"));
}
