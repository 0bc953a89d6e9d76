fn main() {
    rialto_accounts::entrypoints::request_reset::main();
}
