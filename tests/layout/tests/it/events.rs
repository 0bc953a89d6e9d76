//! The path of events: from a table's stream to the bus, and from the bus to consumers' queues.

use rialto_contracts::SOURCES;
use rialto_lambda::sqs::retry_time;
use rialto_layout::{
    Bin, Repository, Resource, Template, assert_no_violations, pascal_case, reference,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

/// Two weeks, in seconds: the longest retention of a queue.
const FOURTEEN_DAYS: u64 = 1_209_600;
/// How long a queue keeps a message by default, in seconds.
const DEFAULT_RETENTION: u64 = 345_600;

/// The longest that a message may stay invisible after its consumer was killed, in seconds.
const LONGEST_VISIBILITY: u64 = 60;
/// The queues whose consumers need longer, with the reason.
const LONG_VISIBILITY: &[(&str, &str)] =
    &[("CatalogOnAccountsQueue", "withdraws all products of a seller")];

/// Retries have to last for half an hour of outage, and half as long again for what the last
/// attempts within it need.
const LEAST_RETRY_TIME: Duration = Duration::from_secs(45 * 60);
/// Receives that Lambda throttles are a visibility timeout apart, and have to last for half an hour
/// of overload, too.
const LEAST_THROTTLED_TIME: Duration = Duration::from_secs(35 * 60);

fn consumers(repository: &Repository) -> Vec<Bin> {
    repository.bins().into_iter().filter(|bin| bin.consumes().is_some()).collect()
}

fn relays(repository: &Repository) -> Vec<Bin> {
    repository.bins().into_iter().filter(|bin| bin.action() == "relay").collect()
}

fn strings(list: &Value) -> BTreeSet<String> {
    let list = list.as_array().map_or(&[][..], Vec::as_slice);
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The mappings that feed functions, by the function's logical id.
fn mappings(template: &Template) -> BTreeMap<&str, Resource<'_>> {
    let mappings = template.of("AWS::Lambda::EventSourceMapping");
    mappings
        .filter_map(|mapping| Some((reference(&mapping.properties["FunctionName"])?, mapping)))
        .collect()
}

/// The events that a consumer's code handles: those whose data its `match` binds to a name.
fn taken(repository: &Repository, consumer: &Bin) -> BTreeSet<String> {
    let file = format!(
        "functions/{}/src/entrypoints/{}.rs",
        consumer.service,
        consumer.action().replace('-', "_")
    );
    let code = fs::read_to_string(repository.root.join(file)).unwrap();
    let source = format!("{}::", pascal_case(consumer.consumes().unwrap()));
    let events = code.match_indices(&source).filter_map(|(at, _)| {
        // Not a part of a longer name, such as DynamoAccounts.
        let whole = !code[..at].ends_with(char::is_alphanumeric);
        let (event, data) = code[at + source.len()..].split_once('(')?;
        let named = event.chars().all(char::is_alphanumeric)
            && event != "decode"
            && !data.starts_with("_)");
        (whole && named).then(|| event.to_owned())
    });
    events.collect()
}

#[test]
fn consumers_have_queue_dead_letters_rule_and_source() {
    let repository = Repository::open();
    let template = Template::read(&repository);
    let mappings = mappings(&template);
    let mut found = Vec::new();
    for bin in consumers(&repository) {
        let id = pascal_case(&bin.name);
        let queue = format!("{id}Queue");
        for (id, kind) in [
            (queue.clone(), "AWS::SQS::Queue"),
            (format!("{id}DeadLetters"), "AWS::SQS::Queue"),
            (format!("{id}Rule"), "AWS::Events::Rule"),
        ] {
            if template.get(&id).is_none_or(|resource| resource.kind != kind) {
                found.push(format!("{}: there is no {id} of type {kind}", bin.name));
            }
        }
        let source = mappings.get(format!("{id}Function").as_str());
        if source.and_then(|source| reference(&source.properties["EventSourceArn"])) != Some(&queue)
        {
            found.push(format!("{}: {queue} doesn't feed {id}Function", bin.name));
        }
    }
    assert_no_violations(
        found,
        "one queue and one consumer function for each pair of consuming service and source service.",
    );
}

#[test]
fn rules_match_the_events_that_their_consumers_handle() {
    let repository = Repository::open();
    let template = Template::read(&repository);
    let mut found = Vec::new();
    for bin in consumers(&repository) {
        let Some(rule) = template.get(&format!("{}Rule", pascal_case(&bin.name))) else { continue };
        let pattern = &rule.properties["EventPattern"];
        let source = format!("rialto.{}", bin.consumes().unwrap());
        if strings(&pattern["source"]) != BTreeSet::from([source.clone()]) {
            found.push(format!("{}: its source isn't {source}", rule.id));
        }
        let (handled, given) = (taken(&repository, &bin), strings(&pattern["detail-type"]));
        for event in handled.difference(&given) {
            found.push(format!(
                "{}: {} handles {event}, which the rule does not match",
                rule.id, bin.name
            ));
        }
        for event in given.difference(&handled) {
            found.push(format!("{}: {} has no use for {event}", rule.id, bin.name));
        }
    }
    assert_no_violations(
        found,
        "make the rule's detail-type the events that the consumer's entrypoint matches by name.",
    );
}

#[test]
fn rules_name_existing_events() {
    let template = Template::read(&Repository::open());
    let mut found = Vec::new();
    for rule in template.of("AWS::Events::Rule") {
        let pattern = &rule.properties["EventPattern"];
        // AWS's own events are on the account's default bus.
        let on_bus = |source: &String| !source.starts_with("aws.");
        for source in strings(&pattern["source"]).into_iter().filter(on_bus) {
            let Some((_, events)) = SOURCES.iter().find(|(name, _)| *name == source) else {
                found.push(format!("{}: there is no source {source}", rule.id));
                continue;
            };
            for event in strings(&pattern["detail-type"]) {
                if events.iter().all(|(name, _)| *name != event) {
                    found.push(format!("{}: {source} has no event {event}", rule.id));
                }
            }
        }
    }
    assert_no_violations(found, "no event has this name: write it as in shared/contracts.");
}

#[test]
fn rules_are_on_the_bus_with_a_dead_letter_queue() {
    let template = Template::read(&Repository::open());
    let mut found = Vec::new();
    for rule in template.of("AWS::Events::Rule") {
        let scheduled = !rule.properties["ScheduleExpression"].is_null();
        if !scheduled && reference(&rule.properties["EventBusName"]) != Some("EventBus") {
            found.push(format!("{} isn't on EventBus", rule.id));
        }
        for target in rule.properties["Targets"].as_array().unwrap() {
            let dead_letters = reference(&target["DeadLetterConfig"]["Arn"]);
            if dead_letters
                .and_then(|id| template.get(id))
                .is_none_or(|queue| queue.kind != "AWS::SQS::Queue")
            {
                found.push(format!(
                    "{}: the target {} has no dead-letter queue",
                    rule.id, target["Id"]
                ));
            }
        }
    }
    assert_no_violations(
        found,
        "each target has `DeadLetterConfig: { Arn: !GetAtt RuleDeadLetters.Arn }`.",
    );
}

#[test]
fn the_bus_may_send_to_every_rules_queue() {
    let template = Template::read(&Repository::open());
    let allowed: BTreeSet<_> = template
        .of("AWS::SQS::QueuePolicy")
        .flat_map(|policy| policy.properties["Queues"].as_array().unwrap())
        .filter_map(reference)
        .collect();
    let mut found = BTreeSet::new();
    for rule in template.of("AWS::Events::Rule") {
        for target in rule.properties["Targets"].as_array().unwrap() {
            for queue in [&target["Arn"], &target["DeadLetterConfig"]["Arn"]]
                .into_iter()
                .filter_map(reference)
            {
                let is_queue =
                    template.get(queue).is_some_and(|queue| queue.kind == "AWS::SQS::Queue");
                if is_queue && !allowed.contains(queue) {
                    found.insert(queue.to_owned());
                }
            }
        }
    }
    assert_no_violations(
        found,
        "name the queue in QueuePolicy; EventBridge is rejected without it, which emulators don't show.",
    );
}

/// The mappings from a queue to a function, with the function's id and the queue.
fn queue_mappings(template: &Template) -> Vec<(&str, Resource<'_>, Resource<'_>)> {
    let mut found = Vec::new();
    for (function, mapping) in mappings(template) {
        let queue =
            reference(&mapping.properties["EventSourceArn"]).and_then(|id| template.get(id));
        if let Some(queue) = queue.filter(|queue| queue.kind == "AWS::SQS::Queue") {
            found.push((function, mapping, queue));
        }
    }
    found
}

#[test]
fn queues_allow_time_and_retries() {
    let repository = Repository::open();
    let template = Template::read(&repository);
    let timeouts: BTreeMap<_, _> =
        template.functions().map(|function| (function.id, function.timeout)).collect();
    let mut found = Vec::new();
    for (function, mapping, queue) in queue_mappings(&template) {
        let expected = timeouts.get(function).copied().unwrap_or(3) * 6;
        let visibility = queue.properties["VisibilityTimeout"].as_u64().unwrap_or(30);
        if visibility != expected {
            found
                .push(format!("{} hides a message for {visibility} s, not {expected} s", queue.id));
        }
        let long = LONG_VISIBILITY.iter().any(|(id, _)| *id == queue.id);
        if visibility > LONGEST_VISIBILITY && !long {
            found.push(format!("{}: a killed consumer costs {visibility} s", queue.id));
        }
        let receives = queue.properties["RedrivePolicy"]["maxReceiveCount"].as_u64().unwrap_or(0);
        let throttled = Duration::from_secs(visibility * receives);
        if throttled < LEAST_THROTTLED_TIME {
            found.push(format!("{} keeps a throttled message for {throttled:?} only", queue.id));
        }
        let retries = retry_time(u32::try_from(receives).unwrap());
        if retries < LEAST_RETRY_TIME {
            found.push(format!("{} tries a message for {retries:?} only", queue.id));
        }
        let longest = retries * 3 / 2;
        let retention = &queue.properties["MessageRetentionPeriod"];
        let retention = Duration::from_secs(retention.as_u64().unwrap_or(DEFAULT_RETENTION));
        if longest > retention / 10 {
            found.push(format!("{} keeps a message for {retention:?} only", queue.id));
        }
        if !queue.properties["FifoQueue"].is_null() {
            found.push(format!("{} isn't a standard queue", queue.id));
        }
        if !strings(&mapping.properties["FunctionResponseTypes"])
            .contains("ReportBatchItemFailures")
        {
            found.push(format!("{} doesn't report failures one by one", mapping.id));
        }
    }
    assert_no_violations(
        found,
        "VisibilityTimeout: 6 × the function's Timeout, at most 60; maxReceiveCount: 60; no \
         FifoQueue; FunctionResponseTypes: [ReportBatchItemFailures].",
    );
}

#[test]
fn dead_letters_are_retained_for_14_days() {
    let template = Template::read(&Repository::open());
    let mut retaining: BTreeSet<&str> = BTreeSet::from(["RuleDeadLetters"]);
    let mut found = Vec::new();
    for queue in template.of("AWS::SQS::Queue") {
        match reference(&queue.properties["RedrivePolicy"]["deadLetterTargetArn"]) {
            Some(dead_letters) => {
                if dead_letters != queue.id.replace("Queue", "DeadLetters") {
                    found.push(format!("{} shares {dead_letters} with others", queue.id));
                }
                retaining.insert(dead_letters);
            }
            None if queue.id.ends_with("DeadLetters") => {
                retaining.insert(queue.id);
            }
            None => found.push(format!("{} has no dead-letter queue", queue.id)),
        }
    }
    for id in retaining {
        let queue = template.get(id);
        let retention = queue.and_then(|queue| queue.properties["MessageRetentionPeriod"].as_u64());
        if retention != Some(FOURTEEN_DAYS) {
            found.push(format!("{id} retains messages for {retention:?} s, not {FOURTEEN_DAYS} s"));
        }
    }
    assert_no_violations(
        found,
        "each queue has a dead-letter queue of its own with `MessageRetentionPeriod: 1209600`.",
    );
}

#[test]
fn every_queue_has_a_maximum_concurrency() {
    let template = Template::read(&Repository::open());
    let mut found = Vec::new();
    for (function, mapping, _) in queue_mappings(&template) {
        let payments = function.starts_with("Payments");
        let expected = if payments { "ProviderConcurrency" } else { "ConsumerConcurrency" };
        let bound = &mapping.properties["ScalingConfig"]["MaximumConcurrency"];
        if reference(bound) != Some(expected) {
            found.push(format!("{}: {bound}, not {expected}", mapping.id));
        }
    }
    for (name, most) in [("ConsumerConcurrency", 20), ("ProviderConcurrency", 5)] {
        let parameter = &template.document["Parameters"][name];
        let value = |key: &str| parameter[key].as_u64().unwrap_or_default();
        // Lambda accepts 2 to 1000.
        if value("Default") > most || value("MinValue") != 2 || value("MaxValue") != 1_000 {
            found.push(format!("{name}: {parameter}"));
        }
    }
    assert_no_violations(
        found,
        "`ScalingConfig: { MaximumConcurrency: !Ref ConsumerConcurrency }`: pollers of an unbounded \
         source are throttled when the account's concurrency is used up, and lose receives.",
    );
}

/// The condition and the parameter with which a function reserves its concurrency.
fn reservation(bin: &Bin) -> Option<(&'static str, &'static str)> {
    if bin.consumes().is_some() {
        let payments = bin.service == "payments";
        let bound = if payments { "ProviderConcurrency" } else { "ConsumerConcurrency" };
        return Some(("ReserveConsumers", bound));
    }
    match bin.action() {
        "relay" => Some(("ReserveRelays", "ReservedForRelays")),
        "authorizer" => Some(("ReserveAuthorizer", "ReservedForAuthorizer")),
        _ => None,
    }
}

#[test]
fn concurrency_is_reserved_only_by_parameters() {
    let repository = Repository::open();
    let template = Template::read(&repository);
    let mut found = Vec::new();
    for bin in repository.bins() {
        let id = format!("{}Function", pascal_case(&bin.name));
        let Some(function) = template.get(&id) else { continue };
        let reserved = &function.properties["ReservedConcurrentExecutions"];
        let expected = match reservation(&bin) {
            Some((condition, parameter)) => json!({ "Fn::If": [
                condition, { "Ref": parameter }, { "Ref": "AWS::NoValue" }
            ]}),
            None => Value::Null,
        };
        if *reserved != expected {
            found.push(format!("{id}: {reserved}, not {expected}"));
        }
    }
    let conditions = &template.document["Conditions"];
    for (condition, parameter, none) in [
        ("ReserveAuthorizer", "ReservedForAuthorizer", json!(0)),
        ("ReserveRelays", "ReservedForRelays", json!(0)),
    ] {
        let set = json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": parameter }, none] }] });
        if conditions[condition] != set {
            found.push(format!("{condition}: {}", conditions[condition]));
        }
    }
    for (parameter, none) in [
        ("ReserveConsumersConcurrency", json!("no")),
        ("ReservedForAuthorizer", json!(0)),
        ("ReservedForRelays", json!(0)),
    ] {
        if template.document["Parameters"][parameter]["Default"] != none {
            found.push(format!("{parameter} isn't {none} by default"));
        }
    }
    assert_no_violations(
        found,
        "an account with a concurrency of 10 can't reserve any: reserve by parameters only. A \
         consumer reserves what its queue's source may use, or the source is throttled.",
    );
}

#[test]
fn relays_read_from_trim_horizon_and_skip_what_fails() {
    let repository = Repository::open();
    let template = Template::read(&repository);
    let mappings = mappings(&template);
    let mut found = Vec::new();
    for bin in relays(&repository) {
        let service = pascal_case(&bin.service);
        let Some(mapping) = mappings.get(format!("{service}RelayFunction").as_str()) else {
            found.push(format!("nothing feeds {}", bin.name));
            continue;
        };
        let properties = mapping.properties;
        if reference(&properties["EventSourceArn"]) != Some(&format!("{service}Table")) {
            found.push(format!("{} doesn't read the stream of {service}Table", mapping.id));
        }
        for (name, expected) in [
            ("StartingPosition", Value::from("TRIM_HORIZON")),
            ("BisectBatchOnFunctionError", Value::from(true)),
            // Half of the 24 hours that a stream keeps a record.
            ("MaximumRecordAgeInSeconds", Value::from(43_200)),
            ("ParallelizationFactor", Value::from(4)),
        ] {
            if properties[name] != expected {
                found.push(format!(
                    "{}: {name} is {}, not {expected}",
                    mapping.id, properties[name]
                ));
            }
        }
        let outbox = r#"{"dynamodb":{"NewImage":{"outbox":{"S":[{"exists":true}]}}}}"#;
        let filters =
            properties["FilterCriteria"]["Filters"].as_array().map_or(&[][..], Vec::as_slice);
        if filters.iter().all(|filter| filter["Pattern"] != outbox) {
            found.push(format!("{} doesn't filter on {outbox}", mapping.id));
        }
        let dead_letters = format!("{service}OutboxDeadLetters");
        let skipped = &properties["DestinationConfig"]["OnFailure"]["Destination"];
        if reference(skipped) != Some(&dead_letters) {
            found.push(format!("{}: skipped records don't go to {dead_letters}", mapping.id));
        }
        let function = template.get(&format!("{service}RelayFunction")).unwrap();
        let given = &function.properties["Environment"]["Variables"]["OUTBOX_DEAD_LETTERS"];
        if reference(given) != Some(&dead_letters) || template.get(&dead_letters).is_none() {
            found.push(format!("{} isn't given {dead_letters}", bin.name));
        }
        let table = template.get(&format!("{service}Table"));
        let stream = table.map(|table| &table.properties["StreamSpecification"]["StreamViewType"]);
        if stream != Some(&Value::from("NEW_AND_OLD_IMAGES")) {
            found.push(format!("{service}Table doesn't stream NEW_AND_OLD_IMAGES"));
        }
    }
    assert_no_violations(found, "see InventoryStream in template.yaml.");
}

/// The paths in a filter pattern at which `exists` is applied to something other than a leaf of an
/// image.
fn exists_on_branches(pattern: &Value, path: &[&str], found: &mut Vec<String>) {
    let Some(pattern) = pattern.as_object() else { return };
    for (name, value) in pattern {
        let path = [path, &[name.as_str()]].concat();
        let has_exists = value
            .as_array()
            .is_some_and(|list| list.iter().any(|item| item.get("exists").is_some()));
        let in_image = path.iter().any(|part| *part == "NewImage" || *part == "OldImage");
        if has_exists && in_image && !["S", "N", "B", "BOOL", "NULL"].contains(&name.as_str()) {
            found.push(path.join("."));
        }
        exists_on_branches(value, &path, found);
    }
}

#[test]
fn stream_filters_use_exists_on_leaves_only() {
    let template = Template::read(&Repository::open());
    let mut found = Vec::new();
    for mapping in template.of("AWS::Lambda::EventSourceMapping") {
        let filters = mapping.properties["FilterCriteria"]["Filters"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        for filter in filters {
            let text = filter["Pattern"].as_str().unwrap_or_default();
            match serde_json::from_str::<Value>(text) {
                Err(error) => found.push(format!("{}: {text} is not JSON: {error}", mapping.id)),
                Ok(pattern) => {
                    let mut paths = Vec::new();
                    exists_on_branches(&pattern, &[], &mut paths);
                    found.extend(paths.into_iter().map(|path| format!("{}: {path}", mapping.id)));
                }
            }
        }
    }
    assert_no_violations(
        found,
        "AWS never matches it, though an emulator may: apply exists to the value, `outbox.S`.",
    );
}

#[test]
fn exists_on_a_branch_is_detected() {
    let branch: Value =
        serde_json::from_str(r#"{"dynamodb":{"NewImage":{"outbox":[{"exists":true}]}}}"#).unwrap();
    let leaf: Value =
        serde_json::from_str(r#"{"dynamodb":{"NewImage":{"outbox":{"S":[{"exists":true}]}}}}"#)
            .unwrap();
    let mut found = Vec::new();
    exists_on_branches(&leaf, &[], &mut found);
    assert!(found.is_empty(), "{found:?}");
    exists_on_branches(&branch, &[], &mut found);
    assert_eq!(found, ["dynamodb.NewImage.outbox"]);
}

/// Whether a stream record passes a filter pattern of values and `exists`.
fn passes_filter(pattern: &Value, record: &Value) -> bool {
    let Some(members) = pattern.as_object() else {
        let options = pattern.as_array().map_or(&[][..], Vec::as_slice);
        return options.iter().any(|option| match option.get("exists") {
            Some(exists) => exists == &Value::from(!record.is_null()),
            None => option == record,
        });
    };
    members.iter().all(|(name, pattern)| passes_filter(pattern, &record[name]))
}

#[test]
fn inventory_relay_reads_zero_stock_but_no_movements() {
    let template = Template::read(&Repository::open());
    let stream = template.get("InventoryStream").unwrap();
    let filters = stream.properties["FilterCriteria"]["Filters"].as_array().unwrap();
    let patterns: Vec<Value> = filters
        .iter()
        .map(|filter| serde_json::from_str(filter["Pattern"].as_str().unwrap()).unwrap())
        .collect();
    let record = |sk: &str, old: Option<&str>, new: &str| {
        let image = |available: &str| json!({ "sk": { "S": sk }, "available": { "N": available } });
        let mut change = json!({ "Keys": { "sk": { "S": sk } }, "NewImage": image(new) });
        if let Some(old) = old {
            change["OldImage"] = image(old);
        }
        json!({ "eventName": "MODIFY", "dynamodb": change })
    };
    for (sk, old, new, expected) in [
        ("STOCK", Some("1"), "0", true),
        ("STOCK", Some("0"), "5", true),
        ("STOCK", Some("2"), "1", false),
        // Sold and released reservations move no available units.
        ("MOVEMENT#mov_1", None, "0", false),
        ("MOVEMENT#mov_1", None, "-2", false),
    ] {
        let record = record(sk, old, new);
        let passed = patterns.iter().any(|pattern| passes_filter(pattern, &record));
        assert_eq!(passed, expected, "{record}");
    }
    let mut reservation = record("RESERVATION", None, "1");
    reservation["dynamodb"]["NewImage"] = json!({ "outbox": { "S": "[]" } });
    assert!(patterns.iter().any(|pattern| passes_filter(pattern, &reservation)));
}

#[test]
fn services_that_publish_events_have_a_relay() {
    let repository = Repository::open();
    let announcing: BTreeSet<_> =
        SOURCES.iter().map(|(name, _)| name.trim_start_matches("rialto.")).collect();
    let relays = relays(&repository);
    let mut found: Vec<_> = relays
        .iter()
        .filter(|relay| !announcing.contains(relay.service.as_str()))
        .map(|relay| format!("{} has no source in shared/contracts", relay.name))
        .collect();
    let relayed: BTreeSet<_> = relays.iter().map(|relay| relay.service.as_str()).collect();
    found.extend(announcing.difference(&relayed).map(|service| format!("{service} has no relay")));
    assert_no_violations(found, "an event without a relay never leaves its table.");
}
