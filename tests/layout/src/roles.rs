//! The functions' roles, derived from the `Policies` that a service's part writes at each function.
//!
//! Functions of a service with exactly the same permissions share a role, because a stack has room
//! for 500 resources only. Every role may also write to its service's log group, and to no other.

use crate::template::{expand_short_forms, sorted};
use serde_json::Value;
use std::fmt::Write;

/// The functions of a part that have the same permissions.
struct Role {
    /// The function that is the first in the part: the role has its name.
    name: String,
    functions: Vec<String>,
    condition: Option<String>,
    /// The statements, in an order that doesn't depend on how they are written.
    permissions: Vec<Value>,
    /// The statements as they are written.
    lines: Vec<String>,
}

/// A service's part with a `Role` instead of `Policies` at each function, followed by the roles.
///
/// # Panics
/// When a function's `Policies` aren't `[{ Statement: […] }]`, written as a block.
#[must_use]
pub fn with_roles(service: &str, resources: &str) -> String {
    let mut text = String::new();
    let mut roles: Vec<Role> = Vec::new();
    for block in blocks(resources) {
        let kind = "    Type: AWS::Serverless::Function";
        if !block.contains(&kind) {
            text.extend(block.iter().flat_map(|line| [line, "\n"]));
            continue;
        }
        let name = block[0].trim().trim_end_matches("Function:");
        let (before, policies, after) = split(&block);
        let condition = block.iter().find_map(|line| line.strip_prefix("    Condition: "));
        let condition = condition.map(str::to_owned);
        let permissions = permissions(name, policies);
        let same = roles
            .iter_mut()
            .find(|role| role.permissions == permissions && role.condition == condition);
        let role = if let Some(role) = same {
            role.functions.push(name.to_owned());
            role.name.clone()
        } else {
            roles.push(Role {
                name: name.to_owned(),
                functions: vec![name.to_owned()],
                condition,
                permissions,
                lines: policies.iter().skip(2).map(|line| (*line).to_owned()).collect(),
            });
            name.to_owned()
        };
        text.extend(before.iter().flat_map(|line| [line, "\n"]));
        writeln!(text, "      Role: !GetAtt {role}Role.Arn").expect("a string takes everything");
        text.extend(after.iter().flat_map(|line| [line, "\n"]));
    }
    text.truncate(text.trim_end().len());
    text.push_str("\n\n  # -------------------------------- ROLES\n");
    let roles: Vec<_> = roles.iter().map(|role| written(service, role)).collect();
    text + roles.join("\n").trim_end()
}

/// The resources of a part, each with the comments and empty lines after it.
fn blocks(resources: &str) -> Vec<Vec<&str>> {
    let mut blocks: Vec<Vec<&str>> = vec![Vec::new()];
    for line in resources.lines() {
        if line.strip_prefix("  ").is_some_and(|rest| rest.starts_with(char::is_alphabetic)) {
            blocks.push(Vec::new());
        }
        blocks.last_mut().expect("the list is never empty").push(line);
    }
    blocks
}

/// A function's lines before, of and after its `Policies`.
fn split<'a, 'b>(block: &'b [&'a str]) -> (&'b [&'a str], &'b [&'a str], &'b [&'a str]) {
    let Some(start) = block.iter().position(|line| *line == "      Policies:") else {
        let end = block.iter().rposition(|line| line.starts_with("      ")).unwrap_or_default() + 1;
        return (&block[..end], &[], &block[end..]);
    };
    let length = block[start + 1..].iter().take_while(|line| line.starts_with("       ")).count();
    let end = start + 1 + length;
    (&block[..start], &block[start..end], &block[end..])
}

fn permissions(name: &str, policies: &[&str]) -> Vec<Value> {
    if policies.is_empty() {
        return Vec::new();
    }
    assert_eq!(policies.get(1), Some(&"        - Statement:"), "the Policies of {name}Function");
    let yaml = yaml_serde::from_str(&policies[2..].join("\n"));
    let statements = expand_short_forms(yaml.expect("the statements are YAML"));
    let list = statements.as_array().expect("a list of statements").iter().map(|statement| {
        let mut statement = statement.clone();
        for field in ["Action", "Resource"] {
            statement[field] = sorted(&statement[field]);
        }
        statement
    });
    let mut list: Vec<_> = list.collect();
    list.sort_by_key(Value::to_string);
    list
}

fn written(service: &str, role: &Role) -> String {
    let (name, service) = (&role.name, crate::pascal_case(service));
    let mut text = String::new();
    if role.functions.len() > 1 {
        let mut line = "  # Shared by".to_owned();
        for (at, function) in role.functions.iter().enumerate() {
            let separator = if at + 1 < role.functions.len() { "," } else { "." };
            let word = format!(" {function}Function{separator}");
            if line.len() + word.len() > 100 {
                text.push_str(&line);
                text.push('\n');
                "  #".clone_into(&mut line);
            }
            line.push_str(&word);
        }
        text.push_str(&line);
        text.push('\n');
    }
    let condition =
        role.condition.iter().map(|name| format!("    Condition: {name}\n")).collect::<String>();
    text.push_str(&format!(
        "  {name}Role:
    Type: AWS::IAM::Role
{condition}    Properties:
      AssumeRolePolicyDocument:
        Version: \"2012-10-17\"
        Statement:
          - Effect: Allow
            Principal: {{ Service: lambda.amazonaws.com }}
            Action: sts:AssumeRole
      Policies:
        - PolicyName: own
          PolicyDocument:
            Version: \"2012-10-17\"
            Statement:
              - Effect: Allow
                Action: [logs:CreateLogStream, logs:PutLogEvents]
                Resource: !GetAtt {service}Logs.Arn
"
    ));
    for line in &role.lines {
        text.push_str("  ");
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: &str = r#"  ShopTable:
    Type: AWS::DynamoDB::Table

  # Reads an item.
  ShopGetItemFunction:
    Type: AWS::Serverless::Function
    Properties:
      Timeout: 5
      Policies:
        - Statement:
            - { Effect: Allow, Action: [a:Get, a:Query], Resource: !GetAtt ShopTable.Arn }
            - Effect: Allow
              Action: b:Read
              Resource: [x, y]

  # Reads another.
  ShopGetOtherFunction:
    Type: AWS::Serverless::Function
    Properties:
      Policies:
        - Statement:
            - Effect: Allow
              Resource: [y, x]
              Action: b:Read
            - Effect: Allow
              Action: [a:Query, a:Get]
              Resource: !GetAtt ShopTable.Arn
      MemorySize: 1024

  ShopTestFunction:
    Type: AWS::Serverless::Function
    Condition: Tested
    Properties:
      Policies:
        - Statement:
            - Effect: Allow
              Action: b:Read
              Resource: [x, y]

  ShopPingFunction:
    Type: AWS::Serverless::Function
    Properties:
      Timeout: 1"#;

    fn document() -> Value {
        let text = format!("Resources:\n{}", with_roles("shop", PART));
        expand_short_forms(yaml_serde::from_str(&text).unwrap())["Resources"].clone()
    }

    #[test]
    fn functions_with_the_same_permissions_share_a_role() {
        let resources = document();
        let role = |id: &str| resources[id]["Properties"]["Role"]["Fn::GetAtt"].clone();
        assert_eq!(role("ShopGetItemFunction"), "ShopGetItemRole.Arn");
        assert_eq!(role("ShopGetOtherFunction"), "ShopGetItemRole.Arn");
        assert_eq!(role("ShopTestFunction"), "ShopTestRole.Arn");
        assert_eq!(resources["ShopGetOtherFunction"]["Properties"]["MemorySize"], 1024);
        assert!(resources["ShopGetOtherFunction"]["Properties"]["Policies"].is_null());
        assert!(resources["ShopGetOtherRole"].is_null());
        assert!(with_roles("shop", PART).contains("Shared by ShopGetItemFunction, ShopGetOther"));
    }

    #[test]
    fn a_role_exists_where_its_functions_do() {
        assert_eq!(document()["ShopTestRole"]["Condition"], "Tested");
        assert!(document()["ShopGetItemRole"]["Condition"].is_null());
    }

    #[test]
    fn roles_may_log_and_do_what_the_function_may() {
        let statements = |id: &str| {
            let policies = &document()[id]["Properties"]["Policies"];
            policies[0]["PolicyDocument"]["Statement"].clone()
        };
        let written = statements("ShopGetItemRole");
        assert_eq!(written[0]["Resource"]["Fn::GetAtt"], "ShopLogs.Arn");
        assert_eq!(written[1]["Resource"]["Fn::GetAtt"], "ShopTable.Arn");
        assert_eq!(written[2]["Resource"], serde_json::json!(["x", "y"]));
        assert_eq!(statements("ShopPingRole").as_array().unwrap().len(), 1);
    }
}
