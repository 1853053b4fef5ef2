//! Java and its kin: Maven, or Gradle with its wrapper or without.

use super::detect::{Gate, Project, version};

/// The releases of Java that there are long-lived images of. A project gets the first that is new enough.
const RELEASES: [u32; 4] = [11, 17, 21, 25];

/// Used where the project names no release.
const RELEASE: u32 = 21;

pub(super) fn gates(project: &Project<'_>) -> Vec<Gate> {
    let has_tests = project.any(|path| path.starts_with("src/test/") || path.contains("/src/test/"));
    let (image, run, reports) = if project.has("pom.xml") {
        let java = release(
            project.text("pom.xml").unwrap_or_default(),
            &["<maven.compiler.release>", "<java.version>", "<maven.compiler.target>"],
        );
        // Java takes the home folder from the system's list of users, where the sandbox's user is not.
        let run = "mvn --batch-mode --no-transfer-progress -Dmaven.repo.local=/tmp/m2 verify";
        (format!("maven:3.9-eclipse-temurin-{java}"), run, "**/target/surefire-reports/TEST-*.xml")
    } else {
        let script = project.text("build.gradle.kts").or_else(|| project.text("build.gradle")).unwrap_or_default();
        let java = release(script, &["JavaLanguageVersion.of(", "jvmToolchain("]);
        let run = if project.has("gradlew") { "sh ./gradlew --no-daemon check" } else { "gradle --no-daemon check" };
        (format!("gradle:8-jdk{java}"), run, "**/build/test-results/**/*.xml")
    };
    let env = if project.has("pom.xml") { Vec::new() } else { vec![("GRADLE_USER_HOME", "/tmp/gradle".to_owned())] };
    vec![Gate {
        name: "tests".to_owned(),
        image,
        env,
        run: vec![run.to_owned()],
        junit: has_tests.then(|| project.path(reports)),
        network: true,
        timeout: Some("20m"),
        ..Gate::default()
    }]
}

/// The release behind the first of these words that a build file has.
fn release(text: &str, words: &[&str]) -> u32 {
    let named = words.iter().find_map(|word| {
        let behind = text.split_once(word)?.1;
        let behind = behind.split(['<', ')', '\n']).next()?;
        // What used to be called 1.8 is 8.
        version(behind)?.trim_start_matches("1.").split('.').next()?.parse::<u32>().ok()
    });
    let wanted = named.unwrap_or(RELEASE);
    RELEASES.into_iter().find(|release| *release >= wanted).unwrap_or(wanted)
}
