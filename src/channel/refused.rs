//! Numbers that no fax goes to, as data (FAX-25).

use super::WhyNot;
use crate::model::FaxNumber;

/// Numbers of one country, or of one service of the whole world, that are not dialled.
struct RefusedRow {
    /// What is dialled after the `+`.
    code: &'static str,
    /// How the number goes on, without the zero that is dialled within a country.
    begins: &'static [&'static str],
    why: WhyNot,
}

/// The first that fits counts.
///
/// A row refuses every number that begins so, not only the short one itself: where an exchange does not
/// wait for more digits, `110` rings whatever follows. No area code of that country begins like one of them.
///
/// Sources: numbering plans of the Bundesnetzagentur (DE), RTR (AT) and BAKOM (CH); ITU-T E.164, list of
/// assigned country codes.
static REFUSED: &[RefusedRow] = &[
    RefusedRow { code: "49", begins: &["110", "112"], why: WhyNot::EmergencyNumber },
    // The doctors on call, and the line that blocks cards.
    RefusedRow { code: "49", begins: &["116"], why: WhyNot::EmergencyNumber },
    // Directory enquiries: the caller pays by the minute.
    RefusedRow { code: "49", begins: &["118"], why: WhyNot::PremiumNumber },
    RefusedRow { code: "49", begins: &["11"], why: WhyNot::ShortNumber },
    RefusedRow {
        code: "49",
        begins: &["900", "137", "138", "180", "19"],
        why: WhyNot::PremiumNumber,
    },
    // In Austria nothing is refused by how it begins after the 1: that is Vienna, and 144 within it are its
    // numbers 44…, not the ambulance.
    RefusedRow {
        code: "43",
        begins: &["810", "820", "821", "828", "900", "901", "930", "931", "939"],
        why: WhyNot::PremiumNumber,
    },
    RefusedRow {
        code: "41",
        begins: &["112", "117", "118", "143", "144", "145", "147"],
        why: WhyNot::EmergencyNumber,
    },
    RefusedRow {
        code: "41",
        begins: &["18", "84", "900", "901", "906"],
        why: WhyNot::PremiumNumber,
    },
    // Services of the whole world: premium rate, universal numbers at shared cost, personal numbers.
    RefusedRow { code: "979", begins: &[""], why: WhyNot::PremiumNumber },
    RefusedRow { code: "808", begins: &[""], why: WhyNot::PremiumNumber },
    RefusedRow { code: "878", begins: &[""], why: WhyNot::PremiumNumber },
    // Inmarsat, the satellite systems, and networks that belong to no country.
    RefusedRow { code: "870", begins: &[""], why: WhyNot::SatelliteNumber },
    RefusedRow { code: "881", begins: &[""], why: WhyNot::SatelliteNumber },
    RefusedRow { code: "882", begins: &[""], why: WhyNot::SatelliteNumber },
    RefusedRow { code: "883", begins: &[""], why: WhyNot::SatelliteNumber },
];

/// Why a number is refused whatever the settings say; nothing if no row is about it.
pub(super) fn why(number: &FaxNumber) -> Option<WhyNot> {
    let is_about = |row: &&RefusedRow| {
        let national = number.digits().strip_prefix(row.code);
        national.is_some_and(|national| row.begins.iter().any(|begin| national.starts_with(begin)))
    };
    let of_a_place = || is_german_service(number).then_some(WhyNot::EmergencyNumber);
    REFUSED.iter().find(is_about).map(|row| row.why).or_else(of_a_place)
}

/// The German area codes of two and three digits; all others have four or five. Source: directory of area
/// codes of the Bundesnetzagentur.
const GERMAN_AREAS: [&str; 87] = [
    "30", "40", "69", "89", "201", "202", "203", "208", "209", "211", "212", "214", "221", "228",
    "231", "234", "251", "261", "271", "281", "291", "335", "340", "341", "345", "351", "355",
    "361", "365", "371", "375", "381", "385", "391", "395", "421", "431", "441", "451", "461",
    "471", "481", "491", "511", "521", "531", "541", "551", "561", "571", "581", "591", "611",
    "621", "631", "641", "651", "661", "671", "681", "711", "721", "731", "741", "751", "761",
    "771", "781", "791", "811", "821", "831", "841", "851", "861", "871", "881", "906", "911",
    "921", "931", "941", "951", "961", "971", "981", "991",
];

/// Whether ambulance (19222) or poison centre (19240) of a German place answer: the area code, and that number.
fn is_german_service(number: &FaxNumber) -> bool {
    let Some(national) = number.digits().strip_prefix("49") else { return false };
    let area = ["19222", "19240"].iter().find_map(|service| national.strip_suffix(service));
    area.is_some_and(|area| {
        let short = GERMAN_AREAS.iter().find(|code| area.starts_with(*code));
        short.map_or_else(|| matches!(area.len(), 4 | 5), |code| code.len() == area.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fax_25_each_refused_number_has_its_own_reason() {
        let check = |number: &str, expected: Option<WhyNot>| {
            assert_eq!(why(&FaxNumber::new(number).unwrap()), expected, "{number}");
        };
        check("+4911011011", Some(WhyNot::EmergencyNumber));
        check("+4911200000", Some(WhyNot::EmergencyNumber));
        check("+49116117", Some(WhyNot::EmergencyNumber));
        check("+49115000", Some(WhyNot::ShortNumber));
        check("+4911833123", Some(WhyNot::PremiumNumber));
        check("+499001234567", Some(WhyNot::PremiumNumber));
        check("+491371234567", Some(WhyNot::PremiumNumber));
        check("+491805123456", Some(WhyNot::PremiumNumber));
        check("+49190123456", Some(WhyNot::PremiumNumber));
        check("+43900123456", Some(WhyNot::PremiumNumber));
        check("+411445550", Some(WhyNot::EmergencyNumber));
        check("+41900123456", Some(WhyNot::PremiumNumber));
        check("+979123456789", Some(WhyNot::PremiumNumber));
        check("+870771234567", Some(WhyNot::SatelliteNumber));
        check("+8816123456789", Some(WhyNot::SatelliteNumber));
        // Vienna with numbers like emergency calls, Zurich, Berlin, a mobile line, Hamburg.
        for allowed in [
            "+43150100",
            "+4314040012345",
            "+4314401234",
            "+4313301234",
            "+41442345678",
            "+49301234567",
            "+491701234567",
            "+49401234567",
        ] {
            check(allowed, None);
        }
    }
}
