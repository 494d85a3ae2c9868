//! KIM mails of three sizes, from a simulated Clientmodul into a homeserver that answers at once, beside
//! mail-parser alone on the same bytes.

use std::{hint::black_box, time::Instant};

use rand::{RngCore as _, SeedableRng as _, rngs::StdRng};
use umstieg_world::{
    Clientmodul, Surroundings,
    clientmodul::{
        KimDelivery,
        ready_made::{self, KimHead},
    },
};

use crate::{
    measure::{as_float, median},
    practice::MeasuredPractice,
    report::{BenchReport, LITTLE_MEMORY},
    stub::Stub,
};

/// Name, bytes of the file in the mail, and how many mails a round has.
const SIZES: [(&str, usize, usize); 3] =
    [("10 KB", 7_500, 300), ("1 MB", 750_000, 30), ("50 MB", 37_500_000, 2)];

/// Three rows for each size: what both take, what our share of the work costs, and memory.
pub(crate) async fn beside_the_library(
    world: &Surroundings,
    rounds: usize,
    report: &mut BenchReport,
) {
    let module = Clientmodul::start().await.unwrap();
    let mut stub = Stub::start(&world.homeserver).await;
    let ours = MeasuredPractice::open_behind(world, "kim", stub.homeserver(), &module).await;
    stub.bring_events_to(ours.slot());
    let mut rng = StdRng::seed_from_u64(1);
    let mut number = 0;
    for (name, bytes, count) in SIZES {
        let (mut shares, mut rates, mut library, mut cpu) = (vec![], vec![], vec![], vec![]);
        let mut peak = 0.0_f64;
        for _ in 0..rounds {
            let mails: Vec<Vec<u8>> = (0..count)
                .map(|_| {
                    number += 1;
                    mail(ours.address(), number, bytes, &mut rng)
                })
                .collect();
            let alone = seconds_of_library(&mails);
            for mail in &mails {
                module.deliver(ours.address(), KimDelivery::sealed(mail)).unwrap();
            }
            let work = ours.what_lies_there(count).await;
            shares.push(work.cpu_seconds / alone);
            rates.push(work.per_second());
            library.push(as_float(count) / alone);
            cpu.push(work.cpu_seconds_per_thousand());
            peak = peak.max(work.peak_mib);
            // The simulator keeps what it has handed out.
            for uidl in module.uidls(ours.address()).unwrap() {
                module.vanishes(ours.address(), &uidl).unwrap();
            }
        }
        let what = format!("KIM mails of {name} from a Clientmodul into a stub");
        let rate = median(rates.iter().copied());
        let alone = median(library.iter().copied());
        report.beside(&what, rate, alone, rate / alone, "mails/s");
        let times = median(shares.iter().copied());
        report.figure(
            &format!("{what}: processor time"),
            median(cpu.iter().copied()),
            "CPU s per 1,000 mails",
            "",
        );
        report.figure(
            &format!("{what}: processor time beside mail-parser alone"),
            times,
            "times",
            "<= 2",
        );
        report.figure(&format!("{what}: peak memory"), peak, "MiB", LITTLE_MEMORY);
    }
    ours.close().await;
}

/// A letter with one file that no compression makes smaller.
fn mail(to: &str, number: usize, bytes: usize, rng: &mut StdRng) -> Vec<u8> {
    let mut file = vec![0; bytes];
    rng.fill_bytes(&mut file);
    let (from, id) = ("klinik@nord.kim.telematik", format!("mess{number}@kim.local"));
    let service = "KIM-Mail;Default;V1.0";
    let head = KimHead { from, to, subject: "Befund", message_id: &id, dienstkennung: service };
    let text = format!("Guten Tag, anbei Befund {number}.");
    let answers = "In-Reply-To: <faden@kim.local>\r\n";
    let files: [(&str, &str, &str, &[u8]); 1] =
        [("application/pdf", "Befund.pdf", "Befund", &file)];
    [answers.as_bytes(), &ready_made::with_files(&head, &text, &files)].concat()
}

/// One pass of mail-parser over all of them, files decoded.
fn seconds_of_library(mails: &[Vec<u8>]) -> f64 {
    let begun = Instant::now();
    for mail in mails {
        black_box(mail_parser::MessageParser::default().parse(black_box(mail)));
    }
    begun.elapsed().as_secs_f64()
}
