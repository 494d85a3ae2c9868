//! The section `[virus_scanner]` (KIM-20).

use super::*;
use crate::{model::LargeFiles, transport::ScannerAddress};

fn with(lines: &str) -> String {
    format!("[virus_scanner]\n{lines}\n[homeserver]")
}

#[test]
fn kim_20_a_scanner_is_on_this_machine() {
    let read = |lines: &str| {
        let settings = read(&GOOD.replace("[homeserver]", &with(lines))).unwrap().settings;
        settings.virus_scanner.unwrap()
    };
    assert!(super::read(GOOD).unwrap().settings.virus_scanner.is_none());
    let own = read("address = \"unix:/run/clamav/clamd.ctl\"");
    assert_eq!(own.scanner.address, ScannerAddress::Unix("/run/clamav/clamd.ctl".into()));
    assert_eq!((own.scanner.bytes_max, own.large_files), (25 << 20, LargeFiles::Withhold));
    let own = read(
        "address = \"tcp:[::1]:3310\"\nbytes_max = 1024\nlarge_files = \"pass\"\ntimeout_seconds = 10",
    );
    assert_eq!(own.scanner.address, ScannerAddress::Tcp { host: "::1".to_owned(), port: 3310 });
    assert_eq!((own.scanner.bytes_max, own.large_files), (1024, LargeFiles::Pass));
    assert_eq!(own.scanner.patience, Duration::from_secs(10));
}

#[test]
fn kim_20_a_scanner_elsewhere_or_nowhere_is_a_mistake() {
    let form = "line 5, virus_scanner.address: allowed are \"unix:\" with a full path and \"tcp:\" \
                with host and port, for example \"tcp:127.0.0.1:3310\"";
    for address in ["", "clamd", "unix:clamd.ctl", "unix:", "tcp:localhost", "tcp:localhost:x"] {
        check("[homeserver]", &with(&format!("address = {address:?}")), form);
    }
    check(
        "[homeserver]",
        &with("address = \"tcp:clamav.example:3310\""),
        "line 5, virus_scanner.address: the virus scanner has to be on this machine, because clamd \
         does not encrypt; use \"unix:\" or \"tcp:127.0.0.1:3310\"",
    );
    check(
        "[homeserver]",
        &with(""),
        "line 4, virus_scanner.address: is missing: the address of clamd, for example \
         \"unix:/run/clamav/clamd.ctl\"",
    );
}
