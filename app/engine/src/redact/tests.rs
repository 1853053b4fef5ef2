use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use proptest::prelude::*;

use super::*;

fn redacted(secrets: &[&str], text: &str) -> String {
    Redactor::new(secrets.iter().map(|s| SecretString::from((*s).to_owned()))).text(text)
}

/// The same stream, cut after every `step` bytes.
fn in_pieces(secrets: &[&str], text: &[u8], step: usize) -> Vec<u8> {
    let mut redactor = Redactor::new(secrets.iter().map(|s| SecretString::from((*s).to_owned())));
    let mut out = Vec::new();
    for piece in text.chunks(step) {
        redactor.write(piece, &mut out);
    }
    redactor.finish(&mut out);
    out
}

#[test]
fn a_text_without_secrets_stays_as_it_is() {
    let text = "compiling 3 crates\n79696d9 \u{1b}[31merror\u{1b}[0m: authorization failed, bearer of bad news\n".repeat(200);
    assert_eq!(redacted(&["correct horse"], &text), text);
    assert_eq!(redacted(&[], ""), "");
}

#[test]
fn a_known_secret_is_masked_wherever_it_stands() {
    assert_eq!(redacted(&["s3cr3t-value"], "a s3cr3t-value, xs3cr3t-valuex"), "a ***, x***x");
}

#[test]
fn secrets_that_overlap_are_masked_together() {
    assert_eq!(redacted(&["abcdef", "defghi"], "-abcdefghi-"), "-***-");
    assert_eq!(redacted(&["token", "token-long-form"], "token-long-form"), "***");
}

#[test]
fn a_very_short_secret_does_not_destroy_the_log() {
    assert_eq!(redacted(&["", "a", "abc"], "abc a b"), "abc a b");
}

#[test]
fn the_usual_encodings_of_a_secret_are_masked_too() {
    let secret = "pa55 word/with+signs&more";
    for ahead in ["", "u", "us", "user:"] {
        for behind in ["", "!", "!!"] {
            let plain = format!("{ahead}{secret}{behind}");
            for encoded in [STANDARD.encode(&plain), URL_SAFE.encode(&plain)] {
                let shown = redacted(&[secret], &format!("x {encoded} y"));
                assert!(shown.contains("***") && shown.len() < 20, "{encoded} -> {shown}");
            }
        }
    }
    assert_eq!(redacted(&[secret], "?p=pa55%20word%2Fwith%2Bsigns%26more&x"), "?p=***&x");
    assert_eq!(redacted(&[secret], "?p=pa55+word%2fwith%2bsigns%26more&x"), "?p=***&x");
}

#[test]
fn each_line_of_a_secret_of_several_lines_is_masked() {
    let secret = "first line of the secret\nsecond line of the secret\n";
    assert_eq!(redacted(&[secret], "| second line of the secret |"), "| *** |");
}

#[test]
fn a_secret_longer_than_a_piece_is_masked_as_a_whole() {
    let secret: String = (0..3000).map(|n| format!("{n:x}.")).collect();
    let shown = redacted(&[&secret], &format!("<{secret}>"));
    assert!(shown.len() < 20, "{} bytes left", shown.len());
}

#[test]
fn tokens_are_known_by_their_shape() {
    let word = "abcdefghijklmnopqrstuvwxyz0123456789";
    for token in [
        format!("ghp_{word}"),
        format!("ghs_{word}"),
        format!("ghs_1234_eyJhbGciOiJIUzI1NiJ9.{word}.{word}"),
        format!("github_pat_{word}_{word}"),
        format!("glpat-{word}"),
        "AKIAIOSFODNN7EXAMPLE".to_owned(),
        format!("eyJhbGciOiJIUzI1NiJ9.eyJ{word}.{word}"),
    ] {
        assert_eq!(redacted(&[], &format!("x={token};")), "x=***;", "{token}");
    }
    assert_eq!(redacted(&[], "Authorization: Basic dXNlcjpwYXNz\nnext"), "Authorization: ***\nnext");
    assert_eq!(redacted(&[], "curl -H 'AUTHORIZATION: token x'"), "curl -H 'AUTHORIZATION: ***'");
    assert_eq!(redacted(&[], &format!("{{\"auth\":\"Bearer {word}\"}}")), "{\"auth\":\"***\"}");
    assert_eq!(redacted(&[], "https://x-access-token:abcdefgh1234@host/x"), "https://***@host/x");
}

#[test]
fn a_header_that_says_where_its_secret_comes_from_stays() {
    for text in [
        "curl -H \"Authorization: Bearer $TOKEN\" https://api.example.com",
        "Authorization: ${TOKEN}\n",
        "Authorization: token ${{ secrets.A_TOKEN }}",
        "f'Authorization: Bearer {self.token}'",
        "Authorization: Bearer <your token>",
    ] {
        assert_eq!(redacted(&[], text), text);
    }
    for text in ["$ecret-w0rd", "Bearer $TOKENabc-def", "<a>b", "{a:1}", "Bearer $", "Bearer ${TOKEN}x"] {
        let shown = redacted(&[], &format!("Authorization: {text}\n"));
        assert!(shown.starts_with("Authorization: ***"), "{shown}");
    }
}

#[test]
fn words_that_only_begin_like_a_token_stay() {
    for text in ["ghp_short", "AKIA is a prefix", "eyJust", "glpat-", "-----BEGIN CERTIFICATE-----\nMIIB\n"] {
        assert_eq!(redacted(&[], text), text);
    }
}

#[test]
fn a_private_key_is_masked_from_begin_to_end() {
    let key = |title: &str| format!("-----BEGIN {title}-----\n{}-----END {title}-----", "MIIEpAIBAAKCAQEA7\n".repeat(90));
    for title in ["PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY"] {
        let text = format!("before\n{}\nafter\n", key(title));
        for step in [1, 7, 512, 4096] {
            assert_eq!(in_pieces(&[], text.as_bytes(), step), b"before\n***\nafter\n", "{title} by {step}");
        }
    }
}

#[test]
fn a_private_key_without_an_end_does_not_swallow_the_whole_log() {
    let text = format!("-----BEGIN PRIVATE KEY-----\n{}the end", "x\n".repeat(40_000));
    let shown = redacted(&[], &text);
    assert!(shown.starts_with("***") && shown.ends_with("the end") && shown.len() > 60_000, "{}", shown.len());
}

#[test]
fn a_line_without_end_behind_a_header_is_masked_to_its_end() {
    let text = format!("Authorization: {}\nafter", "x".repeat(100_000));
    assert_eq!(redacted(&[], &text), "Authorization: ***\nafter");
}

#[test]
fn beginnings_without_end_cost_linear_time() {
    // Each of these beginnings could be followed through all that comes behind it: 10^10 steps, were it done for each.
    let text = "ghs_".repeat(100_000);
    assert_eq!(redacted(&[], &text), "***");
}

/// A stream of noise, beginnings of tokens, and parts of the secrets.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        Just(b"ghp_".to_vec()),
        Just(b"authorization: ".to_vec()),
        Just(b"authorization: bearer $token\n".to_vec()),
        Just(b"-----BEGIN PRIVATE KEY-----".to_vec()),
        Just(b"-----END PRIVATE KEY-----".to_vec()),
        Just(b"planted-sec".to_vec()),
        Just(b"\n".to_vec()),
        Just(vec![b'x'; 600]),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

const PLANTED: [&str; 3] = ["planted-secret-one", "secret-one-and-two", "päßwörd of many words"];

fn contains(stream: &[u8], part: &[u8]) -> bool {
    stream.windows(part.len()).any(|window| window == part)
}

proptest! {
    #[test]
    fn no_planted_secret_survives_and_the_cuts_do_not_matter(
        parts in proptest::collection::vec((noise(), 0usize..3), 1..6),
        cuts in proptest::collection::vec(1usize..700, 1..20),
    ) {
        let stream: Vec<u8> = parts.iter().flat_map(|(noise, n)| [noise.as_slice(), PLANTED[*n].as_bytes()].concat()).collect();
        let mut redactor = Redactor::new(PLANTED.iter().map(|s| SecretString::from((*s).to_owned())));
        let (mut out, mut at, mut cut) = (Vec::new(), 0, cuts.iter().cycle());
        while at < stream.len() {
            let end = stream.len().min(at + cut.next().copied().unwrap_or(1));
            redactor.write(&stream[at..end], &mut out);
            at = end;
        }
        redactor.finish(&mut out);
        for secret in PLANTED {
            prop_assert!(!contains(&out, secret.as_bytes()));
        }
        prop_assert_eq!(&out, &in_pieces(&PLANTED, &stream, stream.len()));
    }

    #[test]
    fn a_planted_token_does_not_survive_either(before in noise(), after in noise(), step in 1usize..900) {
        let token = b"ghp_abcdefghijklmnopqrstuvwxyz0123456789";
        let stream = [&before[..], token, &after[..]].concat();
        prop_assert!(!contains(&in_pieces(&[], &stream, step), token));
    }
}
