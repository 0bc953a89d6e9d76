fn main() {
    rialto_accounts::entrypoints::list_users::main();
}
