fn main() -> std::process::ExitCode {
    rialto_cli::main()
}
