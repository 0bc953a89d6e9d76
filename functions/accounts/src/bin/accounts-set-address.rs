fn main() {
    rialto_accounts::entrypoints::set_address::main();
}
