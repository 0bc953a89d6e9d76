fn main() {
    rialto_accounts::entrypoints::unregister_seller::main();
}
