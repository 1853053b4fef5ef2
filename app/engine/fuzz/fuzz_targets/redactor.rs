//! No planted secret survives, and it does not matter where a stream is cut. Run: `cargo +nightly fuzz run redactor` in
//! `app/engine`.

#![no_main]

use gatewright_engine::redact::Redactor;
use libfuzzer_sys::fuzz_target;

const PLANTED: [&str; 2] = ["planted-secret-one", "secret-one-and-two"];

fn redacted(pieces: &[&[u8]]) -> Vec<u8> {
    let mut redactor = Redactor::new(PLANTED.iter().map(|secret| (*secret).to_owned().into()));
    let mut out = Vec::new();
    for piece in pieces {
        redactor.write(piece, &mut out);
    }
    redactor.finish(&mut out);
    out
}

fuzz_target!(|input: (&[u8], u16, u8)| {
    let (noise, at, step) = input;
    let (before, after) = noise.split_at(usize::from(at).min(noise.len()));
    let stream = [before, PLANTED[usize::from(step) % 2].as_bytes(), after].concat();
    let out = redacted(&[&stream]);
    for secret in PLANTED {
        assert!(!out.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
    let pieces: Vec<&[u8]> = stream.chunks(usize::from(step).max(1)).collect();
    assert_eq!(redacted(&pieces), out);
});
