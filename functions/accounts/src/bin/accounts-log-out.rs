fn main() {
    rialto_accounts::entrypoints::log_out::main();
}
