#![no_main]

#[path = "../entries.rs"]
#[allow(dead_code, reason = "each target has one of them")]
mod entries;

use std::sync::Once;

static HOOK: Once = Once::new();

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // By default a panic ends the fuzzer where it begins, also one that is caught: the parser's are.
    HOOK.call_once(|| std::panic::set_hook(Box::new(|panic| {
        if !panic.location().is_some_and(|place| place.file().contains("imap-proto")) {
            eprintln!("{panic}");
            std::process::abort();
        }
    })));
    entries::imap(data);
});
