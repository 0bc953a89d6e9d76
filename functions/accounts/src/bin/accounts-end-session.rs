fn main() {
    rialto_accounts::entrypoints::end_session::main();
}
