fn main() {
    rialto_accounts::entrypoints::answer_services::main();
}
