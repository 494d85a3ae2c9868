//! The section `[virus_scanner]` (KIM-20).

use std::{path::PathBuf, time::Duration};

use super::{VirusScannerSettings, mail_server::is_loopback, reader::Section};
use crate::{
    model::LargeFiles,
    phrases::AdminPhrase,
    transport::{ScannerAddress, VirusScanner},
};

/// The largest limit that makes sense: a larger mail is not fetched.
const BYTES_MOST: u64 = 700 * 1024 * 1024;

/// Reads the section; `Some(None)` where there is none.
pub(super) fn read(section: &Section<'_, '_>) -> Option<Option<VirusScannerSettings>> {
    let given = section.text("address", address);
    let address = match section.is_there() {
        true => section.required("address", AdminPhrase::WantsScanner, given),
        false => None,
    };
    let bytes_max = section.whole("bytes_max", 1024..=BYTES_MOST);
    let patience = section.whole("timeout_seconds", 10..=3_600).map(Duration::from_secs);
    let large_files = section.text("large_files", |text| match text {
        "withhold" => Ok(LargeFiles::Withhold),
        "pass" => Ok(LargeFiles::Pass),
        _ => Err(AdminPhrase::AllowedAre { one: "withhold".to_owned(), other: "pass".to_owned() }),
    });
    section.close();
    if !section.is_there() {
        return Some(None);
    }
    let scanner = VirusScanner {
        address: address?,
        patience: patience.unwrap_or(VirusScanner::PATIENCE_DEFAULT),
        bytes_max: bytes_max.unwrap_or(VirusScanner::BYTES_DEFAULT),
    };
    Some(Some(VirusScannerSettings { scanner, large_files: large_files.unwrap_or_default() }))
}

fn address(text: &str) -> Result<ScannerAddress, AdminPhrase> {
    if let Some(path) = text.strip_prefix("unix:") {
        let path = PathBuf::from(path);
        let is_path = path.is_absolute() && !text.chars().any(char::is_control);
        return if is_path {
            Ok(ScannerAddress::Unix(path))
        } else {
            Err(AdminPhrase::NotAScanner)
        };
    }
    let host_and_port = text.strip_prefix("tcp:").and_then(|rest| rest.rsplit_once(':'));
    let (host, port) = host_and_port.ok_or(AdminPhrase::NotAScanner)?;
    let port: u16 = port.parse().map_err(|_| AdminPhrase::NotAScanner)?;
    if !is_loopback(host) {
        return Err(AdminPhrase::ScannerAbroad);
    }
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(ScannerAddress::Tcp { host, port })
}
