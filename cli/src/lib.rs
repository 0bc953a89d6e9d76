//! `rialto`, the operator's command. Results go to standard output, progress and errors to standard
//! error.

mod account;
mod api;
mod aws;
mod bus;
mod commands;
mod context;
mod dead_letters;
mod demo_data;
mod duration;
mod failure;
mod harness;
mod local;
mod outbox;
mod output;
mod parameters;
mod password;
pub mod reconcile;
mod redrive;
mod refunds;
mod saga;
pub mod subscription;
mod tables;
#[cfg(test)]
mod testing;
mod timeline;

use clap::Parser;
use commands::Command;
use context::{Context, Global};
use failure::Failure;
use std::process::ExitCode;

/// Operates a Rialto deployment: keys, supervisors, settings, a demo shop, orders and their
/// failures.
#[derive(Debug, Parser)]
#[command(name = "rialto", version, max_term_width = 120)]
#[command(after_long_help = ENVIRONMENT, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const ENVIRONMENT: &str = "\
AWS:
  A stage whose file has an emulator's endpoint (aws_endpoint, written by scripts/up) uses that
  emulator. Every other stage uses the default credential and region chain of the AWS tools: AWS_PROFILE and ~/.aws (SSO included),
  AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. AWS_ENDPOINT_URL overrides the endpoint.

Exit status: 0 on success, 1 on failure, 2 for an invalid command line and for a harness that couldn't run.";

/// Parses the command line and runs the command.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) | Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.status())
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("The command can't start: {error}"), "Try again."))?;
    let is_test = matches!(cli.command, Command::Harness(_));
    let context = Context::open(cli.global).map_err(|failure| match is_test {
        true => failure.not_run(),
        false => failure,
    })?;
    runtime.block_on(cli.command.run(&context))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_option_has_help() {
        fn explained(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
            command.get_subcommands().for_each(explained);
        }
        explained(&Cli::command());
    }

    #[test]
    fn documented_command_lines_are_parsed() {
        for line in [
            "rialto keys init",
            "rialto --stage dev keys init",
            "rialto keys rotate --role seller",
            "rialto keys rotate --refresh",
            "rialto keys rotate --refresh --revoke",
            "rialto supervisor create --email a@b.example --name Ada",
            "rialto supervisor create --email a@b.example --name Ada --password-stdin",
            "rialto config get orders/shipping-fee",
            "rialto config get payments/provider-key --reveal",
            "rialto config set orders/shipping-fee 250",
            "rialto config set orders/shipping-fee -5",
            "rialto config set payments/provider-key --stdin",
            "rialto config list --stage dev",
            "rialto seed --file .rialto/local.json --api-url http://127.0.0.1:4566/x",
            "rialto order place",
            "rialto order place --buyer 2 --product prd_00000000000000000000000000 --product prd_00000000000000000000000001 --quantity 3 --method pm_sim_slow --follow",
            "rialto order timeline ord_00000000000000000000000000 --follow",
            "rialto dlq list",
            "rialto dlq list --order ord_00000000000000000000000000 --type OrderPlaced --age 10m --queue inventory-on-orders",
            "rialto dlq show 0f3a",
            "rialto dlq show --queue orders-outbox",
            "rialto dlq redrive --stage dev --order ord_00000000000000000000000000",
            "rialto dlq redrive --yes",
            "rialto outbox resend",
            "rialto outbox resend --order ord_00000000000000000000000000 --yes",
            "rialto outbox resend --product prd_00000000000000000000000000",
            "rialto saga stuck",
            "rialto saga stuck --older 0s --order ord_00000000000000000000000000",
            "rialto reconcile",
            "rialto harness",
            "rialto harness --url http://127.0.0.1:4566/x --bus rialto-local --only purchase --only declined",
            "rialto harness --all --scenarios mine --junit report.xml --repeat 100",
            "rialto harness --list",
            "rialto harness --observe",
            "rialto harness --every 5m",
            "rialto harness --schema",
            "rialto harness --chaos --orders 1000 --only purchase",
            "rialto reconcile --order ord_00000000000000000000000000 --product prd_00000000000000000000000000",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn the_readme_names_every_command() {
        let readme = include_str!("../README.md");
        for command in Cli::command().get_subcommands() {
            let words: Vec<_> =
                command.get_subcommands().map(|sub| format!(" {}", sub.get_name())).collect();
            for word in if words.is_empty() { vec![String::new()] } else { words } {
                let name = format!("`rialto {}{word}", command.get_name());
                assert!(readme.contains(&name), "{name}`");
            }
        }
    }

    #[test]
    fn invalid_arguments_are_rejected() {
        for line in [
            "rialto",
            "rialto --stage Prod keys init",
            "rialto keys rotate",
            "rialto keys rotate --role seller --refresh",
            "rialto keys rotate --role seller --revoke",
            "rialto keys rotate --revoke",
            "rialto config set orders/shipping-fee",
            "rialto config set orders/shipping-fee 250 --stdin",
            "rialto order place --quantity 0",
            "rialto order place --quantity 1000",
            "rialto order place --buyer 0",
            "rialto order place --product usr_00000000000000000000000000",
            "rialto order timeline",
            "rialto order timeline 17",
            "rialto dlq list --age 10",
            "rialto dlq list --order 17",
            "rialto dlq redrive 0f3a",
            "rialto dlq redrive --yes --older 1m",
            "rialto outbox resend --order ord_00000000000000000000000000 --product prd_00000000000000000000000000",
            "rialto saga stuck --older soon",
            "rialto harness purchase",
            "rialto harness --repeat 0",
            "rialto harness --orders 1000",
            "rialto harness --chaos --observe",
            "rialto harness --every soon",
            "rialto harness --all --only purchase",
            "rialto harness --observe --every 5m",
            "rialto reconcile ord_00000000000000000000000000",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
