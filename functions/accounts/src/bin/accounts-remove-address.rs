fn main() {
    rialto_accounts::entrypoints::remove_address::main();
}
