//! The base score of a CVSS 3 vector, by <https://www.first.org/cvss/v3.1/specification-document>, section 7.1.

/// The score of `CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H`, from 0 to 10. None of any other text; also of versions 2 and 4,
/// whose scores are made in other ways.
pub(super) fn score(vector: &str) -> Option<f32> {
    let metrics = vector.strip_prefix("CVSS:3.1/").or_else(|| vector.strip_prefix("CVSS:3.0/"))?;
    let value = |name: &str| metrics.split('/').find_map(|metric| metric.strip_prefix(name)?.strip_prefix(':'));
    let one_of = |name: &str, weights: &[(&str, f64)]| {
        let value = value(name)?;
        weights.iter().find(|(letter, _)| *letter == value).map(|(_, weight)| *weight)
    };
    let changes_scope = match value("S")? {
        "U" => false,
        "C" => true,
        _ => return None,
    };
    let vector = one_of("AV", &[("N", 0.85), ("A", 0.62), ("L", 0.55), ("P", 0.2)])?;
    let complexity = one_of("AC", &[("L", 0.77), ("H", 0.44)])?;
    let (low, high) = if changes_scope { (0.68, 0.5) } else { (0.62, 0.27) };
    let privileges = one_of("PR", &[("N", 0.85), ("L", low), ("H", high)])?;
    let interaction = one_of("UI", &[("N", 0.85), ("R", 0.62)])?;
    let loss = |name: &str| one_of(name, &[("H", 0.56), ("L", 0.22), ("N", 0.0)]);
    let subscore = 1.0 - (1.0 - loss("C")?) * (1.0 - loss("I")?) * (1.0 - loss("A")?);
    let impact: f64 = match changes_scope {
        true => 7.52 * (subscore - 0.029) - 3.25 * (subscore - 0.02).powi(15),
        false => 6.42 * subscore,
    };
    if impact <= 0.0 {
        return Some(0.0);
    }
    let both = impact + 8.22 * vector * complexity * privileges * interaction;
    Some(rounded_up(if changes_scope { 1.08 * both } else { both }.min(10.0)))
}

/// To one digit behind the point, without what a computer's fractions add: appendix A of the specification.
#[expect(clippy::cast_possible_truncation, reason = "it is at most 10")]
fn rounded_up(score: f64) -> f32 {
    let hundred_thousandths = (score * 100_000.0).round();
    let tenths = (hundred_thousandths / 10_000.0).ceil();
    (tenths / 10.0) as f32
}

#[cfg(test)]
mod tests {
    use super::score;

    /// Examples of FIRST's: <https://www.first.org/cvss/v3.1/examples>.
    #[test]
    fn scores_are_those_of_the_specification_s_examples() {
        for (vector, expected) in [
            ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4),
            ("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 3.1),
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
            ("CVSS:3.1/AV:L/AC:L/PR:H/UI:N/S:U/C:L/I:L/A:L", 4.2),
            ("CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:N", 4.6),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H/E:P/RL:O", 7.5),
        ] {
            assert_eq!(score(vector), Some(expected), "{vector}");
        }
        for other in
            ["", "CVSS:3.1/", "CVSS:3.1/AV:N", "CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "CVSS:4.0/AV:N/AC:L", "AV:N"]
        {
            assert_eq!(score(other), None, "{other}");
        }
    }
}
