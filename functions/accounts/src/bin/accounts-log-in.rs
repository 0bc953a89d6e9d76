fn main() {
    rialto_accounts::entrypoints::log_in::main();
}
