fn main() {
    rialto_accounts::entrypoints::get_jwks::main();
}
