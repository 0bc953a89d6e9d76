//! Results as JUnit XML, as CI systems read it.

use super::ScenarioResult;
use std::fmt::Write;

/// A document with one test suite.
pub(crate) fn junit(results: &[ScenarioResult]) -> String {
    let failures = results.iter().filter(|result| result.result.is_err()).count();
    let total: f64 = results.iter().map(|result| result.took.as_secs_f64()).sum();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites tests=\"{0}\" failures=\"{failures}\" errors=\"0\" time=\"{total:.3}\">\n  \
         <testsuite name=\"rialto harness\" tests=\"{0}\" failures=\"{failures}\" errors=\"0\" \
         time=\"{total:.3}\">\n",
        results.len()
    );
    for result in results {
        let case = format!(
            "    <testcase name=\"{}\" classname=\"{}\" time=\"{:.3}\"",
            escaped(&result.name),
            escaped(&result.file),
            result.took.as_secs_f64()
        );
        // Writing to a string can't fail.
        match &result.result {
            Ok(()) => writeln!(xml, "{case}/>").ok(),
            Err(broken) => writeln!(
                xml,
                "{case}>\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                escaped(&broken.what),
                escaped(&broken.lines(&result.file).join("\n"))
            )
            .ok(),
        };
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

/// The text for an attribute or an element. Characters that XML can't have are left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(letter),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::BrokenStep;
    use super::*;
    use std::time::Duration;

    #[test]
    fn failures_are_reported_with_their_step() {
        let broken = BrokenStep {
            line: 7,
            step: "never PaymentFailed".to_owned(),
            what: "1 < 2 & \"more\"\u{1}".to_owned(),
            timelines: vec!["ord_1 is CONFIRMED".to_owned()],
        };
        let result = |name: &str, result| ScenarioResult {
            name: name.to_owned(),
            file: "x.yaml".to_owned(),
            took: Duration::from_millis(1_500),
            result,
        };
        let xml = junit(&[result("good", Ok(())), result("bad", Err(broken))]);
        assert_eq!(
            xml,
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="2" failures="1" errors="0" time="3.000">
  <testsuite name="rialto harness" tests="2" failures="1" errors="0" time="3.000">
    <testcase name="good" classname="x.yaml" time="1.500"/>
    <testcase name="bad" classname="x.yaml" time="1.500">
      <failure message="1 &lt; 2 &amp; &quot;more&quot;">x.yaml:7: never PaymentFailed
1 &lt; 2 &amp; &quot;more&quot;
ord_1 is CONFIRMED</failure>
    </testcase>
  </testsuite>
</testsuites>
"#
        );
    }
}
