//! The `rialto` command, run as a child process.

use crate::{local, shop::Shop};
use std::{
    fmt,
    io::{self, BufRead, BufReader},
    process::{Command, Output, Stdio},
};

/// The command, with the stage under test.
#[derive(Debug, Clone)]
pub struct Cli {
    program: &'static str,
    stage: String,
}

/// Exit status and output of a command.
#[derive(Debug)]
pub struct CommandOutput {
    pub status: i32,
    pub out: String,
    /// Progress and errors.
    pub err: String,
}

impl Cli {
    /// `program` is `env!("CARGO_BIN_EXE_operator")`, which cargo defines for tests only.
    pub fn new(program: &'static str, shop: &Shop) -> Self {
        Self { program, stage: shop.aws.stage.to_string() }
    }

    /// Runs the command with these arguments, separated by white space.
    pub async fn run(&self, arguments: &str) -> CommandOutput {
        let mut command = self.command(arguments);
        let run = tokio::task::spawn_blocking(move || command.output());
        run.await.expect("the command was joined").expect("the command can be started").into()
    }

    /// Runs the command until it has printed a line with this text, and interrupts it then as
    /// Ctrl-C does.
    pub async fn run_until(&self, arguments: &str, text: &'static str) -> CommandOutput {
        let mut command = self.command(arguments);
        let run = move || {
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
            let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
            let mut out = String::new();
            for line in lines.by_ref() {
                out += &format!("{}\n", line?);
                if out.contains(text) {
                    break;
                }
            }
            Command::new("kill").args(["-INT", &child.id().to_string()]).status()?;
            for line in lines {
                out += &format!("{}\n", line?);
            }
            let output = child.wait_with_output()?;
            Ok::<_, io::Error>(Output { stdout: out.into_bytes(), ..output })
        };
        let run = tokio::task::spawn_blocking(run);
        run.await.expect("the command was joined").expect("the command can be started").into()
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(self.program);
        command.args(arguments.split_whitespace()).env("RIALTO_STAGE", &self.stage);
        command.env("RIALTO_FILE", local::file_path()).env_remove("AWS_ENDPOINT_URL");
        command
    }
}

impl From<Output> for CommandOutput {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the output is UTF-8");
        Self {
            status: output.status.code().expect("the command has an exit status"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

impl CommandOutput {
    /// # Panics
    /// Unless the exit status was this.
    pub fn with_status(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// # Panics
    /// Unless the output contains all of these texts.
    pub fn output_containing(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(
                self.out.contains(part) || self.err.contains(part),
                "{part:?} is missing:\n{self}"
            );
        }
        self
    }
}

impl fmt::Display for CommandOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}\n{}\n{}", self.status, self.out, self.err)
    }
}
