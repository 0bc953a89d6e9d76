//! The `rialto` command, for tests to run: cargo builds the binaries of the package that it tests.

fn main() -> std::process::ExitCode {
    rialto_cli::main()
}
