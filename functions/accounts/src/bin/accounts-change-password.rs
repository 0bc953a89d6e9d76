fn main() {
    rialto_accounts::entrypoints::change_password::main();
}
