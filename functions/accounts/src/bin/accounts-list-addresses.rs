fn main() {
    rialto_accounts::entrypoints::list_addresses::main();
}
