//! The `rialto` command as a binary of this package, so that cargo builds it for the tests.

fn main() -> std::process::ExitCode {
    rialto_cli::main()
}
