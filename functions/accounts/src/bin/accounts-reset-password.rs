fn main() {
    rialto_accounts::entrypoints::reset_password::main();
}
