fn main() {
    rialto_accounts::entrypoints::register_seller::main();
}
