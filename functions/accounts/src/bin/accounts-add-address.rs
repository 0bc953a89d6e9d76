fn main() {
    rialto_accounts::entrypoints::add_address::main();
}
