//! Results as JUnit XML, as CI systems read it.

use super::ScenarioResult;
use std::collections::HashMap;

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
    let mut seen: HashMap<(&str, &str), usize> = HashMap::new();
    for result in results {
        // The rounds of --repeat are distinguished by their names.
        let round = seen.entry((&result.file, &result.name)).or_default();
        *round += 1;
        let name = match *round {
            1 => result.name.clone(),
            round => format!("{} ({round})", result.name),
        };
        let case = format!(
            "    <testcase name=\"{}\" classname=\"{}\" time=\"{:.3}\"",
            attribute(&name),
            attribute(&result.file),
            result.took.as_secs_f64()
        );
        let body = [properties(&result.properties), failure(result)].concat();
        xml.push_str(&match body.is_empty() {
            true => format!("{case}/>\n"),
            false => format!("{case}>\n{body}    </testcase>\n"),
        });
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

fn properties(properties: &[(&'static str, usize)]) -> String {
    if properties.is_empty() {
        return String::new();
    }
    let property = |(name, value): &(&str, usize)| {
        format!("        <property name=\"{}\" value=\"{value}\"/>\n", attribute(name))
    };
    let properties: String = properties.iter().map(property).collect();
    format!("      <properties>\n{properties}      </properties>\n")
}

fn failure(result: &ScenarioResult) -> String {
    let Err(broken) = &result.result else { return String::new() };
    format!(
        "      <failure message=\"{}\">{}</failure>\n",
        attribute(&broken.what),
        escaped(&broken.lines(&result.file).join("\n"))
    )
}

/// The text for an attribute, whose line breaks a parser would turn into spaces.
fn attribute(text: &str) -> String {
    escaped(text).replace('\n', "&#10;").replace('\t', "&#9;")
}

/// The text for an element, and but for its line breaks for an attribute. Characters that XML can't have are left out.
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
            properties: Vec::new(),
        };
        let good =
            ScenarioResult { properties: vec![("events doubled", 3)], ..result("good", Ok(())) };
        let xml = junit(&[good, result("bad", Err(broken))]);
        assert_eq!(
            xml,
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="2" failures="1" errors="0" time="3.000">
  <testsuite name="rialto harness" tests="2" failures="1" errors="0" time="3.000">
    <testcase name="good" classname="x.yaml" time="1.500">
      <properties>
        <property name="events doubled" value="3"/>
      </properties>
    </testcase>
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

    #[test]
    fn rounds_have_names_of_their_own_and_keep_line_breaks() {
        let broken = BrokenStep {
            line: 0,
            step: "x".to_owned(),
            what: "a\nb".to_owned(),
            timelines: Vec::new(),
        };
        let result = |result| ScenarioResult {
            name: "one".to_owned(),
            file: "x.yaml".to_owned(),
            took: Duration::ZERO,
            result,
            properties: Vec::new(),
        };
        let xml = junit(&[result(Ok(())), result(Err(broken))]);
        assert!(xml.contains("name=\"one\""), "{xml}");
        assert!(xml.contains("name=\"one (2)\""), "{xml}");
        assert!(xml.contains("message=\"a&#10;b\""), "{xml}");
    }
}
