fn main() {
    rialto_accounts::entrypoints::authorizer::main();
}
