fn main() {
    rialto_accounts::entrypoints::list_sessions::main();
}
